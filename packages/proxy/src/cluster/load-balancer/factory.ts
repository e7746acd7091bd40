// From a cluster's configuration to its load balancer.

import { type Clock, DragomanError } from '@dragoman/base';
import type { Cluster as ClusterConfig } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import type { ClusterStats } from '../cluster-stats.ts';
import { leastRequest } from './least-request.ts';
import { emptyPicker, type LoadBalancer, type PickerFactory } from './load-balancer.ts';
import { maglev } from './maglev.ts';
import { type BalancingPolicy, compilePolicy, type Policy } from './policy.ts';
import { type BalancerSettings, PriorityLoadBalancer } from './priority-load-balancer.ts';
import { randomHost } from './random.ts';
import { ringHash } from './ring-hash.ts';
import { roundRobin } from './round-robin.ts';
import { compileSlowStart } from './slow-start.ts';
import { SubsetLoadBalancer } from './subset.ts';

export interface BalancerContext {
  readonly config: ClusterConfig;
  readonly lane: StatLane;
  /** "cluster.<stat name>." */
  readonly statPrefix: string;
  readonly stats: ClusterStats;
  readonly random: () => number;
  readonly clock: Clock;
  /** True on one worker only: the tables are the same on all, so only one shows their size. */
  readonly showsTableSize: boolean;
}

function settingsOf(config: ClusterConfig, balancing: BalancingPolicy): BalancerSettings {
  const assignment = config.loadAssignment?.policy;
  const { kind } = balancing.policy;
  return {
    panicThresholdPercent: config.commonLbConfig?.healthyPanicThreshold?.value ?? 50,
    overprovisioningPercent: assignment?.overprovisioningFactor ?? 140,
    weightedPriorityHealth: assignment?.weightedPriorityHealth ?? false,
    failTrafficOnPanic: balancing.failTrafficOnPanic,
    localityWeighted: balancing.localityWeighted,
    hashing: kind === 'ring_hash' || kind === 'maglev',
  };
}

/** Reports the figures of a table into gauges of these names, in order. */
function gauges(context: BalancerContext, names: readonly string[]): (...values: number[]) => void {
  const slots = names.map(name => context.lane.gauge(context.statPrefix + name));
  return (...values) => {
    if (!context.showsTableSize) return;
    slots.forEach((slot, i) => {
      context.lane.gaugeSet(slot, values[i]!);
    });
  };
}

function pickerFactory(policy: Policy, context: BalancerContext): PickerFactory {
  const { random, clock } = context;
  switch (policy.kind) {
    case 'round_robin': {
      const slowStart = compileSlowStart(policy.slowStart, clock);
      return hosts => roundRobin(hosts, slowStart, random);
    }
    case 'least_request': {
      const settings = { ...policy, slowStart: compileSlowStart(policy.slowStart, clock) };
      return hosts => leastRequest(hosts, settings, random);
    }
    case 'random':
      return hosts => randomHost(hosts, random);
    case 'pick_first':
      return hosts => (hosts.length === 0 ? emptyPicker : { pick: () => hosts[0]! });
    case 'ring_hash': {
      const show = gauges(context, [
        'ring_hash_lb.size',
        'ring_hash_lb.min_hashes_per_host',
        'ring_hash_lb.max_hashes_per_host',
      ]);
      return hosts =>
        ringHash(hosts, policy, random, ({ size, minHashesPerHost, maxHashesPerHost }) =>
          show(size, minHashesPerHost, maxHashesPerHost),
        );
    }
    case 'maglev': {
      const show = gauges(context, ['maglev_lb.min_entries_per_host', 'maglev_lb.max_entries_per_host']);
      return hosts =>
        maglev(hosts, policy, random, ({ minEntriesPerHost, maxEntriesPerHost }) =>
          show(minEntriesPerHost, maxEntriesPerHost),
        );
    }
    case 'cluster_provided':
      return () => emptyPicker;
  }
}

/** Fails with ERR_DRAGOMAN_LB_POLICY_UNKNOWN for a policy that validation should have refused. */
export function createLoadBalancer(context: BalancerContext): LoadBalancer {
  const { config, lane, stats, random } = context;
  const balancing = compilePolicy(config);
  if (balancing === null)
    throw new DragomanError(
      'LB_POLICY_UNKNOWN',
      `cluster ${config.name}: no supported load-balancing policy`,
    );
  const settings = settingsOf(config, balancing);
  const createPicker = pickerFactory(balancing.policy, context);
  const create = () => new PriorityLoadBalancer(settings, createPicker, random, lane, stats);
  return balancing.subset === null ? create() : new SubsetLoadBalancer(balancing.subset, create, lane, stats);
}
