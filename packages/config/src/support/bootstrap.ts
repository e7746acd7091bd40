// Support for the bootstrap's own fields: node, admin, static resources, statistics, runtime.

import type { SupportDeclaration } from './support.ts';

const BOOTSTRAP = 'envoy.config.bootstrap.v3';
const METRICS = 'envoy.config.metrics.v3';

export const bootstrapSupport: SupportDeclaration = {
  fields: {
    [`${BOOTSTRAP}.Bootstrap`]: [
      'node',
      'bootstrap_extensions',
      'stats_sinks',
      'admin',
      'static_resources',
      'stats_config',
      'stats_flush_interval',
      'layered_runtime',
      'cluster_manager',
      'stats_server_version_override',
    ],
    [`${BOOTSTRAP}.Bootstrap.StaticResources`]: ['listeners', 'clusters'],
    [`${BOOTSTRAP}.Admin`]: ['address', 'allow_paths', 'access_log', 'access_log_path'],
    [`${BOOTSTRAP}.ClusterManager`]: [],
    [`${BOOTSTRAP}.LayeredRuntime`]: ['layers'],
    [`${BOOTSTRAP}.RuntimeLayer`]: ['name', 'static_layer', 'admin_layer'],
    [`${METRICS}.StatsConfig`]: [
      'stats_tags',
      'use_all_default_tags',
      'stats_matcher',
      'histogram_bucket_settings',
    ],
    [`${METRICS}.TagSpecifier`]: '*',
    [`${METRICS}.StatsMatcher`]: '*',
    [`${METRICS}.HistogramBucketSettings`]: ['match', 'buckets'],
  },
  harmless: {
    [`${BOOTSTRAP}.Bootstrap`]: {
      watchdog: "a stuck thread is the supervision's affair",
      watchdogs: "a stuck thread is the supervision's affair",
      enable_dispatcher_stats: "statistics about Envoy's event loop only",
      deferred_stat_options: 'saves memory in Envoy only',
      flags_path: 'no hot restart flags are written',
      perf_tracing_file_path: "Envoy's own profiling",
      memory_allocator_manager: "tunes Envoy's allocator",
      node_context_params: 'used only in xdstp names',
      default_socket_interface: 'there is one socket interface',
      use_tcp_for_dns_lookups: 'names are resolved by the system resolver',
      typed_dns_resolver_config: 'names are resolved by the system resolver',
      dns_resolution_config: 'names are resolved by the system resolver',
      default_regex_engine: 'regexes are RE2, the default engine',
      stats_flush_on_admin: 'statistics are read when somebody asks for them',
      inline_headers: 'saves memory in Envoy only',
      listener_manager: 'there is one listener manager',
    },
    [`${BOOTSTRAP}.Admin`]: {
      profile_path: 'there is no heap or CPU profiler to write there',
      socket_options: 'per-socket tuning',
      ignore_global_conn_limit: 'the admin listener has no connection limit',
    },
    [`${BOOTSTRAP}.ClusterManager`]: {
      local_cluster_name: 'used by zone-aware routing only',
      enable_deferred_cluster_creation: 'saves memory in Envoy only',
    },
  },
};
