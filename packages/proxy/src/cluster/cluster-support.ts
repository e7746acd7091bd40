// What this folder implements of clusters beyond what the configuration package already knows, and the mistakes
// that only it can see. Given to loadBootstrap as a support declaration; main thread only.

import type {
  Cluster as ClusterConfig,
  Cluster_LbSubsetConfig as SubsetSettings,
  HealthCheck,
  ReportMistake,
  SupportDeclaration,
} from '@dragoman/config';
import { MAX_TABLE_SIZE } from './load-balancer/maglev.ts';
import { compilePolicy } from './load-balancer/policy.ts';

const CLUSTER = 'envoy.config.cluster.v3';
const ENDPOINT = 'envoy.config.endpoint.v3';
const CORE = 'envoy.config.core.v3';
const POLICIES = 'envoy.extensions.load_balancing_policies';

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
    [`${CLUSTER}.OutlierDetection`]: OUTLIER_FIELDS(),
    [`${ENDPOINT}.ClusterLoadAssignment.Policy`]: ['weighted_priority_health', 'drop_overloads'],
    [`${ENDPOINT}.ClusterLoadAssignment.Policy.DropOverload`]: '*',
    [`${ENDPOINT}.Endpoint`]: ['health_check_config'],
    [`${ENDPOINT}.Endpoint.HealthCheckConfig`]: '*',
    [`${CORE}.DnsResolutionConfig`]: ['resolvers'],
    'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig': ['resolvers'],
    ...healthCheckFields(),
    ...policyFields(),
  },
  harmless: {
    [`${CLUSTER}.Cluster.CommonLbConfig.ZoneAwareLbConfig`]: {
      routing_enabled: 'hosts of all zones are used alike',
      min_cluster_size: 'hosts of all zones are used alike',
    },
    [`${CLUSTER}.Cluster.LbSubsetConfig`]: {
      locality_weight_aware: 'subsets weigh localities as configured',
      scale_locality_weight: 'subsets weigh localities as configured',
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

function OUTLIER_FIELDS(): string[] {
  return [];
}

function healthCheckFields(): Record<string, readonly string[] | '*'> {
  return {};
}

function policyFields(): Record<string, readonly string[] | '*'> {
  return {};
}
