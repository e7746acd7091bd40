// Support for clusters, endpoints, load balancing, circuit breakers and outlier detection.

import type { SupportDeclaration } from './support.ts';

const CLUSTER = 'envoy.config.cluster.v3';
const ENDPOINT = 'envoy.config.endpoint.v3';
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export const clusterSupport: SupportDeclaration = {
  extensions: {
    'envoy.upstream_options': {
      [OPTIONS]: ['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'],
    },
  },
  fields: {
    [`${CLUSTER}.Cluster`]: [
      'name',
      'alt_stat_name',
      'type=STATIC,STRICT_DNS,LOGICAL_DNS',
      'connect_timeout',
      'per_connection_buffer_limit_bytes',
      'lb_policy=ROUND_ROBIN,LEAST_REQUEST,RANDOM,RING_HASH,MAGLEV',
      'load_assignment',
      'circuit_breakers',
      'max_requests_per_connection',
      'common_http_protocol_options',
      'http_protocol_options',
      'typed_extension_protocol_options',
      'dns_refresh_rate',
      'dns_failure_refresh_rate',
      'respect_dns_ttl',
      'dns_jitter',
      'dns_lookup_family',
      'wait_for_warm_on_init',
      'ring_hash_lb_config',
      'maglev_lb_config',
      'least_request_lb_config',
      'round_robin_lb_config',
      'common_lb_config',
      'metadata',
    ],
    [`${CLUSTER}.Cluster.RefreshRate`]: '*',
    [`${CLUSTER}.Cluster.RingHashLbConfig`]: '*',
    [`${CLUSTER}.Cluster.MaglevLbConfig`]: '*',
    [`${CLUSTER}.Cluster.LeastRequestLbConfig`]: ['choice_count', 'active_request_bias'],
    [`${CLUSTER}.Cluster.RoundRobinLbConfig`]: [],
    [`${CLUSTER}.Cluster.CommonLbConfig`]: ['healthy_panic_threshold'],
    [`${CLUSTER}.CircuitBreakers`]: ['thresholds'],
    [`${CLUSTER}.CircuitBreakers.Thresholds`]: [
      'priority',
      'max_connections',
      'max_pending_requests',
      'max_requests',
      'max_retries',
      'track_remaining',
      'retry_budget',
    ],
    [`${CLUSTER}.CircuitBreakers.Thresholds.RetryBudget`]: '*',
    [`${ENDPOINT}.ClusterLoadAssignment`]: ['cluster_name', 'endpoints', 'policy'],
    [`${ENDPOINT}.ClusterLoadAssignment.Policy`]: ['overprovisioning_factor'],
    [`${ENDPOINT}.LocalityLbEndpoints`]: [
      'locality',
      'lb_endpoints',
      'load_balancing_weight',
      'priority',
      'metadata',
    ],
    [`${ENDPOINT}.LbEndpoint`]: ['endpoint', 'health_status', 'metadata', 'load_balancing_weight'],
    [`${ENDPOINT}.Endpoint`]: ['address', 'hostname'],
    [OPTIONS]: ['common_http_protocol_options', 'explicit_http_config'],
    [`${OPTIONS}.ExplicitHttpConfig`]: ['http_protocol_options'],
  },
  harmless: {
    [`${CLUSTER}.Cluster`]: {
      cleanup_interval: 'only ORIGINAL_DST clusters forget hosts by time',
      track_timeout_budgets: 'statistics only',
      track_cluster_stats: 'statistics only',
      lrs_report_endpoint_metrics: 'load is not reported',
      preconnect_policy: 'connections are opened when they are needed',
      dns_resolvers: 'names are resolved by the system resolver',
      dns_resolution_config: 'names are resolved by the system resolver',
      typed_dns_resolver_config: 'names are resolved by the system resolver',
      use_tcp_for_dns_lookups: 'names are resolved by the system resolver',
      upstream_connection_options: 'per-socket tuning',
      protocol_selection: 'each cluster speaks the protocol its options name',
    },
    [`${CLUSTER}.Cluster.CommonLbConfig`]: {
      update_merge_window: 'host updates are applied at once',
    },
    [`${ENDPOINT}.LocalityLbEndpoints`]: { proximity: 'deprecated and unused by Envoy' },
  },
};
