// Which load-balancing policy a cluster has, with its settings: from lb_policy and the *_lb_config messages, or
// from load_balancing_policy, whose first supported entry counts. Read by factory.ts and by config validation.

import type {
  Any,
  Cluster as ClusterConfig,
  Cluster_CommonLbConfig_ConsistentHashingLbConfig as ConsistentConfig,
  LeastRequest as LeastRequestConfig,
  LoadBalancingPolicy,
  LocalityLbConfig,
  Maglev as MaglevConfig,
  Random as RandomConfig,
  RingHash as RingHashConfig,
  RoundRobin as RoundRobinConfig,
  Cluster_SlowStartConfig as SlowStartConfig,
  Subset as SubsetConfig,
  Cluster_LbSubsetConfig as SubsetSettings,
  WrrLocality as WrrLocalityConfig,
} from '@dragoman/config';
import type { HashingSettings } from './consistent-hash.ts';
import { DEFAULT_TABLE_SIZE, type MaglevSettings } from './maglev.ts';
import type { RingSettings } from './ring-hash.ts';

/** The policy that picks a host, as data. */
export type Policy =
  | { readonly kind: 'round_robin'; readonly slowStart: SlowStartConfig | undefined }
  | {
      readonly kind: 'least_request';
      readonly choiceCount: number;
      readonly activeRequestBias: number;
      readonly fullScan: boolean;
      readonly slowStart: SlowStartConfig | undefined;
    }
  | { readonly kind: 'random' }
  | { readonly kind: 'pick_first' }
  | ({ readonly kind: 'ring_hash' } & RingSettings)
  | ({ readonly kind: 'maglev' } & MaglevSettings)
  /** The cluster itself knows the host (ORIGINAL_DST). */
  | { readonly kind: 'cluster_provided' };

export interface BalancingPolicy {
  readonly policy: Policy;
  readonly localityWeighted: boolean;
  readonly failTrafficOnPanic: boolean;
  /** Null when hosts are not divided into subsets. */
  readonly subset: SubsetSettings | null;
}

function hashing(config: ConsistentConfig | undefined, useHostname = false): HashingSettings {
  return {
    useHostname: config?.useHostnameForHashing || useHostname,
    balanceFactorPercent: config?.hashBalanceFactor ?? 0,
  };
}

function ringSettings(
  config: Pick<RingHashConfig, 'hashFunction' | 'minimumRingSize' | 'maximumRingSize'> | undefined,
  shared: HashingSettings,
): Policy {
  return {
    kind: 'ring_hash',
    minimumRingSize: Math.max(1, config?.minimumRingSize ?? 1024),
    maximumRingSize: config?.maximumRingSize ?? 8 * 1024 * 1024,
    murmur: config?.hashFunction === 'MURMUR_HASH_2',
    ...shared,
  };
}

function leastRequestSettings(config: Partial<LeastRequestConfig> | undefined): Policy {
  return {
    kind: 'least_request',
    choiceCount: Math.max(2, config?.choiceCount ?? 2),
    activeRequestBias: Math.max(0, config?.activeRequestBias?.defaultValue ?? 1),
    fullScan: config?.enableFullScan === true || config?.selectionMethod === 'FULL_SCAN',
    slowStart: config?.slowStartConfig,
  };
}

/** `lb_policy` and the messages beside it. */
function fromLbPolicy(config: ClusterConfig): Policy | null {
  const shared = hashing(config.commonLbConfig?.consistentHashingLbConfig);
  switch (config.lbPolicy) {
    case 'ROUND_ROBIN':
      return { kind: 'round_robin', slowStart: config.roundRobinLbConfig?.slowStartConfig };
    case 'LEAST_REQUEST':
      return leastRequestSettings(config.leastRequestLbConfig);
    case 'RANDOM':
      return { kind: 'random' };
    case 'RING_HASH':
      return ringSettings(config.ringHashLbConfig as RingHashConfig | undefined, shared);
    case 'MAGLEV':
      return { kind: 'maglev', tableSize: config.maglevLbConfig?.tableSize ?? DEFAULT_TABLE_SIZE, ...shared };
    case 'CLUSTER_PROVIDED':
      return { kind: 'cluster_provided' };
    default:
      return null;
  }
}

const PACKAGE = 'envoy.extensions.load_balancing_policies.';

function locality(config: LocalityLbConfig | undefined): Omit<BalancingPolicy, 'policy' | 'subset'> {
  return {
    localityWeighted: config?.localityWeightedLbConfig !== undefined,
    failTrafficOnPanic: config?.zoneAwareLbConfig?.failTrafficOnPanic ?? false,
  };
}

const NO_LOCALITY_SETTINGS = { localityWeighted: false, failTrafficOnPanic: false };

/** One entry of load_balancing_policy; null when this proxy does not have the policy. */
function fromExtension(typed: Any): BalancingPolicy | null {
  const { typeName, value } = typed;
  if (!typeName.startsWith(PACKAGE)) return null;
  const plain = (policy: Policy, config: LocalityLbConfig | undefined): BalancingPolicy => ({
    policy,
    subset: null,
    ...locality(config),
  });
  switch (typeName.slice(PACKAGE.length)) {
    case 'round_robin.v3.RoundRobin': {
      const config = value as RoundRobinConfig;
      return plain({ kind: 'round_robin', slowStart: config.slowStartConfig }, config.localityLbConfig);
    }
    case 'least_request.v3.LeastRequest': {
      const config = value as LeastRequestConfig;
      return plain(leastRequestSettings(config), config.localityLbConfig);
    }
    case 'random.v3.Random':
      return plain({ kind: 'random' }, (value as RandomConfig).localityLbConfig);
    case 'pick_first.v3.PickFirst':
      return plain({ kind: 'pick_first' }, undefined);
    case 'cluster_provided.v3.ClusterProvided':
      return plain({ kind: 'cluster_provided' }, undefined);
    case 'ring_hash.v3.RingHash': {
      const config = value as RingHashConfig;
      const shared = hashing(
        config.consistentHashingLbConfig ?? {
          useHostnameForHashing: config.useHostnameForHashing,
          hashBalanceFactor: config.hashBalanceFactor,
        },
      );
      return plain(ringSettings(config, shared), config);
    }
    case 'maglev.v3.Maglev': {
      const config = value as MaglevConfig;
      const tableSize = config.tableSize ?? DEFAULT_TABLE_SIZE;
      return plain({ kind: 'maglev', tableSize, ...hashing(config.consistentHashingLbConfig) }, config);
    }
    case 'wrr_locality.v3.WrrLocality': {
      const inner = fromPolicies((value as WrrLocalityConfig).endpointPickingPolicy);
      return inner === null ? null : { ...inner, localityWeighted: true };
    }
    case 'subset.v3.Subset': {
      const config = value as SubsetConfig;
      const inner = fromPolicies(config.subsetLbPolicy);
      return inner === null ? null : { ...inner, subset: config as SubsetSettings };
    }
    default:
      return null;
  }
}

function fromPolicies(policies: LoadBalancingPolicy | undefined): BalancingPolicy | null {
  for (const { typedExtensionConfig } of policies?.policies ?? []) {
    const typed = typedExtensionConfig?.typedConfig;
    const found = typed === undefined ? null : fromExtension(typed);
    if (found !== null) return found;
  }
  return null;
}

/** The policy of a cluster; null when load_balancing_policy names none that this proxy has. */
export function compilePolicy(config: ClusterConfig): BalancingPolicy | null {
  if (config.loadBalancingPolicy !== undefined) return fromPolicies(config.loadBalancingPolicy);
  if (config.type === 'ORIGINAL_DST')
    return { policy: { kind: 'cluster_provided' }, subset: null, ...NO_LOCALITY_SETTINGS };
  const policy = fromLbPolicy(config);
  if (policy === null) return null;
  const common = config.commonLbConfig;
  return {
    policy,
    localityWeighted: common?.localityWeightedLbConfig !== undefined,
    failTrafficOnPanic: common?.zoneAwareLbConfig?.failTrafficOnPanic ?? false,
    subset: (config.lbSubsetConfig?.subsetSelectors?.length ?? 0) > 0 ? config.lbSubsetConfig! : null,
  };
}
