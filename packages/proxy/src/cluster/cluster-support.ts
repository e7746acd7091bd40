// What this folder implements of clusters beyond what the configuration package already knows, and the mistakes
// that only it can see. Given to loadBootstrap as a support declaration; main thread only.

import type { Cluster as ClusterConfig, ReportMistake, SupportDeclaration } from '@dragoman/config';
import { MAX_TABLE_SIZE } from './load-balancer/maglev.ts';
import { compilePolicy } from './load-balancer/policy.ts';

const CLUSTER = 'envoy.config.cluster.v3';
const ENDPOINT = 'envoy.config.endpoint.v3';
const CORE = 'envoy.config.core.v3';
const POLICIES = 'envoy.extensions.load_balancing_policies';

type FieldTable = NonNullable<SupportDeclaration['fields']>;

const OUTLIER_FIELDS: FieldTable = {
  [`${CLUSTER}.OutlierDetection`]: [
    'consecutive_5xx',
    'interval',
    'base_ejection_time',
    'max_ejection_percent',
    'enforcing_consecutive_5xx',
    'enforcing_success_rate',
    'success_rate_minimum_hosts',
    'success_rate_request_volume',
    'success_rate_stdev_factor',
    'consecutive_gateway_failure',
    'enforcing_consecutive_gateway_failure',
    'split_external_local_origin_errors',
    'consecutive_local_origin_failure',
    'enforcing_consecutive_local_origin_failure',
    'enforcing_local_origin_success_rate',
    'failure_percentage_threshold',
    'enforcing_failure_percentage',
    'enforcing_failure_percentage_local_origin',
    'failure_percentage_minimum_hosts',
    'failure_percentage_request_volume',
    'max_ejection_time',
    'max_ejection_time_jitter',
    'successful_active_health_check_uneject_host',
    'always_eject_one_host',
  ],
};

const HEALTH_CHECK_FIELDS: FieldTable = {
  [`${CORE}.HealthCheck`]: [
    'timeout',
    'interval',
    'initial_jitter',
    'interval_jitter',
    'interval_jitter_percent',
    'unhealthy_threshold',
    'healthy_threshold',
    'alt_port',
    'reuse_connection',
    'http_health_check',
    'tcp_health_check',
    'grpc_health_check',
    'no_traffic_interval',
    'no_traffic_healthy_interval',
    'unhealthy_interval',
    'unhealthy_edge_interval',
    'healthy_edge_interval',
  ],
  [`${CORE}.HealthCheck.Payload`]: '*',
  [`${CORE}.HealthCheck.HttpHealthCheck`]: [
    'host',
    'path',
    'send',
    'receive',
    'response_buffer_size',
    'request_headers_to_add',
    'request_headers_to_remove',
    'expected_statuses',
    'retriable_statuses',
    'codec_client_type=HTTP1,HTTP2',
    'service_name_matcher',
    'method',
  ],
  [`${CORE}.HealthCheck.TcpHealthCheck`]: ['send', 'receive'],
  [`${CORE}.HealthCheck.GrpcHealthCheck`]: '*',
};

const LOCALITY = `${POLICIES}.common.v3.LocalityLbConfig`;

const POLICY_FIELDS: FieldTable = {
  [LOCALITY]: '*',
  [`${LOCALITY}.ZoneAwareLbConfig`]: ['fail_traffic_on_panic'],
  [`${LOCALITY}.LocalityWeightedLbConfig`]: '*',
  [`${POLICIES}.common.v3.SlowStartConfig`]: '*',
  [`${POLICIES}.common.v3.ConsistentHashingLbConfig`]: '*',
  [`${POLICIES}.round_robin.v3.RoundRobin`]: '*',
  [`${POLICIES}.least_request.v3.LeastRequest`]: '*',
  [`${POLICIES}.random.v3.Random`]: '*',
  [`${POLICIES}.ring_hash.v3.RingHash`]: '*',
  [`${POLICIES}.maglev.v3.Maglev`]: '*',
  [`${POLICIES}.pick_first.v3.PickFirst`]: [],
  [`${POLICIES}.cluster_provided.v3.ClusterProvided`]: '*',
  [`${POLICIES}.wrr_locality.v3.WrrLocality`]: '*',
  [`${POLICIES}.subset.v3.Subset`]: [
    'fallback_policy',
    'default_subset',
    'subset_selectors',
    'panic_mode_any',
    'list_as_any',
    'metadata_fallback_policy=METADATA_NO_FALLBACK',
    'subset_lb_policy',
  ],
  [`${POLICIES}.subset.v3.Subset.LbSubsetSelector`]: '*',
};

/** Support declaration of this folder. */
export const clusterManagerSupport: SupportDeclaration = {
  fields: {
    [`${CLUSTER}.Cluster`]: [
      'type=ORIGINAL_DST',
      'lb_policy=CLUSTER_PROVIDED,LOAD_BALANCING_POLICY_CONFIG',
      'health_checks',
      'outlier_detection',
      'lb_subset_config',
      'load_balancing_policy',
      'original_dst_lb_config',
      'cleanup_interval',
      'dns_resolvers',
      'dns_resolution_config',
      'typed_dns_resolver_config',
      'ignore_health_on_host_removal',
      'close_connections_on_host_health_failure',
    ],
    [`${CLUSTER}.Cluster.SlowStartConfig`]: '*',
    [`${CLUSTER}.Cluster.RoundRobinLbConfig`]: '*',
    [`${CLUSTER}.Cluster.LeastRequestLbConfig`]: '*',
    [`${CLUSTER}.Cluster.OriginalDstLbConfig`]: [
      'use_http_header',
      'http_header_name',
      'upstream_port_override',
    ],
    [`${CLUSTER}.Cluster.CommonLbConfig`]: [
      'zone_aware_lb_config',
      'locality_weighted_lb_config',
      'ignore_new_hosts_until_first_hc',
      'consistent_hashing_lb_config',
    ],
    [`${CLUSTER}.Cluster.CommonLbConfig.ZoneAwareLbConfig`]: ['fail_traffic_on_panic'],
    [`${CLUSTER}.Cluster.CommonLbConfig.LocalityWeightedLbConfig`]: '*',
    [`${CLUSTER}.Cluster.CommonLbConfig.ConsistentHashingLbConfig`]: '*',
    [`${CLUSTER}.Cluster.LbSubsetConfig`]: [
      'fallback_policy',
      'default_subset',
      'subset_selectors',
      'panic_mode_any',
      'list_as_any',
      'metadata_fallback_policy=METADATA_NO_FALLBACK',
    ],
    [`${CLUSTER}.Cluster.LbSubsetConfig.LbSubsetSelector`]: '*',
    [`${CLUSTER}.LoadBalancingPolicy`]: '*',
    [`${CLUSTER}.LoadBalancingPolicy.Policy`]: '*',
    [`${ENDPOINT}.ClusterLoadAssignment.Policy`]: ['weighted_priority_health', 'drop_overloads'],
    [`${ENDPOINT}.ClusterLoadAssignment.Policy.DropOverload`]: '*',
    [`${ENDPOINT}.Endpoint`]: ['health_check_config'],
    [`${ENDPOINT}.Endpoint.HealthCheckConfig`]: '*',
    [`${CORE}.DnsResolutionConfig`]: ['resolvers'],
    'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig': ['resolvers'],
    ...OUTLIER_FIELDS,
    ...HEALTH_CHECK_FIELDS,
    ...POLICY_FIELDS,
  },
  harmless: {
    [`${CLUSTER}.Cluster.CommonLbConfig.ZoneAwareLbConfig`]: {
      routing_enabled: 'hosts of all zones are used alike',
      min_cluster_size: 'hosts of all zones are used alike',
    },
    [`${CLUSTER}.Cluster.LbSubsetConfig`]: {
      locality_weight_aware: 'subsets weigh localities like their cluster',
      scale_locality_weight: 'subsets weigh localities like their cluster',
    },
    [`${LOCALITY}.ZoneAwareLbConfig`]: {
      routing_enabled: 'hosts of all zones are used alike',
      min_cluster_size: 'hosts of all zones are used alike',
      force_locality_direct_routing: 'hosts of all zones are used alike',
    },
    [`${POLICIES}.subset.v3.Subset`]: {
      allow_redundant_keys: 'the first selector that fits is used',
      locality_weight_aware: 'subsets weigh localities like their cluster',
      scale_locality_weight: 'subsets weigh localities like their cluster',
    },
    [`${CORE}.HealthCheck`]: {
      event_log_path: 'changes of health are in the log of the proxy',
      event_logger: 'changes of health are in the log of the proxy',
      always_log_health_check_failures: 'changes of health are in the log of the proxy',
      always_log_health_check_success: 'changes of health are in the log of the proxy',
    },
    'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig': {
      dns_resolver_options: 'name servers are asked over UDP, and over TCP for long answers',
      use_resolvers_as_fallback: 'the configured name servers are the only ones',
      filter_unroutable_families: 'IPv6 is not asked for where the machine has none',
      udp_max_queries: 'a matter of one resolver library',
    },
    [`${CORE}.DnsResolutionConfig`]: {
      dns_resolver_options: 'name servers are asked over UDP, and over TCP for long answers',
    },
    [`${CLUSTER}.CircuitBreakers.Thresholds`]: {
      max_connection_pools: 'there is one pool for each host, protocol and priority',
    },
  },
  extensions: {
    'envoy.load_balancing_policies': {
      [`${POLICIES}.round_robin.v3.RoundRobin`]: [`envoy.load_balancing_policies.round_robin`],
      [`${POLICIES}.least_request.v3.LeastRequest`]: ['envoy.load_balancing_policies.least_request'],
      [`${POLICIES}.random.v3.Random`]: ['envoy.load_balancing_policies.random'],
      [`${POLICIES}.ring_hash.v3.RingHash`]: ['envoy.load_balancing_policies.ring_hash'],
      [`${POLICIES}.maglev.v3.Maglev`]: ['envoy.load_balancing_policies.maglev'],
      [`${POLICIES}.pick_first.v3.PickFirst`]: ['envoy.load_balancing_policies.pick_first'],
      [`${POLICIES}.subset.v3.Subset`]: ['envoy.load_balancing_policies.subset'],
      [`${POLICIES}.wrr_locality.v3.WrrLocality`]: ['envoy.load_balancing_policies.wrr_locality'],
      [`${POLICIES}.cluster_provided.v3.ClusterProvided`]: ['envoy.load_balancing_policies.cluster_provided'],
    },
    'envoy.network.dns_resolver': {
      'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig': [
        'envoy.network.dns_resolver.cares',
      ],
    },
  },
  checks: { [`${CLUSTER}.Cluster`]: checkCluster },
};

function isPrime(n: number): boolean {
  if (n < 2) return false;
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return true;
}

function checkPolicy(config: ClusterConfig, report: ReportMistake): void {
  const balancing = compilePolicy(config);
  if (balancing === null) {
    if (config.loadBalancingPolicy !== undefined)
      report(['load_balancing_policy'], "Didn't find a registered load balancer factory");
    else report(['lb_policy'], `cluster: field load_balancing_policy need to be set`);
    return;
  }
  const { policy } = balancing;
  const provided = policy.kind === 'cluster_provided';
  if (config.type === 'ORIGINAL_DST') {
    if (config.loadBalancingPolicy === undefined && config.lbPolicy !== 'CLUSTER_PROVIDED')
      report(
        ['lb_policy'],
        `cluster: LB policy ${config.lbPolicy} is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'`,
      );
    if (config.loadAssignment !== undefined)
      report(['load_assignment'], 'ORIGINAL_DST clusters must have no load assignment configured');
    if (config.originalDstLbConfig?.useHttpHeader !== true)
      report(
        ['original_dst_lb_config'],
        'the destination a connection was redirected from cannot be read here',
        'set use_http_header: true',
      );
  } else if (provided) {
    report(
      ['lb_policy'],
      `cluster: LB policy CLUSTER_PROVIDED needs a cluster that provides a load balancer`,
    );
  }
  if (policy.kind === 'maglev' && (!isPrime(policy.tableSize) || policy.tableSize > MAX_TABLE_SIZE))
    report(['maglev_lb_config', 'table_size'], 'The table size of maglev must be prime number');
  if (policy.kind === 'ring_hash' && policy.minimumRingSize > policy.maximumRingSize)
    report(
      ['ring_hash_lb_config', 'minimum_ring_size'],
      `ring hash: minimum_ring_size (${policy.minimumRingSize}) > maximum_ring_size (${policy.maximumRingSize})`,
    );
}

function checkHealthChecks(config: ClusterConfig, report: ReportMistake): void {
  if (config.healthChecks.length > 1) report(['health_checks', 1], 'Multiple health checks not supported');
  const [check] = config.healthChecks;
  if (check === undefined) return;
  for (const [field, payloads] of [
    ['http_health_check', [check.httpHealthCheck?.send, ...(check.httpHealthCheck?.receive ?? [])]],
    ['tcp_health_check', [check.tcpHealthCheck?.send, ...(check.tcpHealthCheck?.receive ?? [])]],
  ] as const)
    for (const payload of payloads)
      if (payload?.text !== undefined && !/^([0-9a-f]{2})+$/i.test(payload.text))
        report(['health_checks', 0, field], `invalid hex string '${payload.text}'`);
  const http = check.httpHealthCheck;
  if (http?.method === 'CONNECT')
    report(['health_checks', 0, 'http_health_check', 'method'], 'CONNECT cannot be used');
  for (const name of ['expectedStatuses', 'retriableStatuses'] as const)
    for (const { start, end } of http?.[name] ?? [])
      if (start >= end || start < 100 || end > 600)
        report(
          [
            'health_checks',
            0,
            'http_health_check',
            name === 'expectedStatuses' ? 'expected_statuses' : 'retriable_statuses',
          ],
          `Invalid http status range: expecting start < end within 100 and 600, but found start=${start} and end=${end}`,
        );
}

function checkCluster(config: ClusterConfig, report: ReportMistake): void {
  checkPolicy(config, report);
  checkHealthChecks(config, report);
  config.lbSubsetConfig?.subsetSelectors.forEach((selector, i) => {
    if (selector.fallbackPolicy !== 'KEYS_SUBSET') return;
    const kept = selector.fallbackKeysSubset;
    if (
      kept.length === 0 ||
      kept.length >= selector.keys.length ||
      kept.some(key => !selector.keys.includes(key))
    )
      report(
        ['lb_subset_config', 'subset_selectors', i, 'fallback_keys_subset'],
        'fallback_keys_subset must be a part of keys, neither empty nor all of them',
      );
  });
}
