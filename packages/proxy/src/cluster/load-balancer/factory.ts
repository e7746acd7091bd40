// From a cluster's configuration to its load balancer.

import type { Clock } from '@dragoman/base';
import type { Cluster as ClusterConfig } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import type { ClusterStats } from '../cluster-stats.ts';
import type { LoadBalancer, PickerFactory } from './load-balancer.ts';
import { type BalancerSettings, PriorityLoadBalancer } from './priority-load-balancer.ts';
import { roundRobin } from './round-robin.ts';
import { compileSlowStart } from './slow-start.ts';

export interface BalancerContext {
  readonly config: ClusterConfig;
  readonly lane: StatLane;
  readonly stats: ClusterStats;
  readonly random: () => number;
  readonly clock: Clock;
}

function settingsOf(config: ClusterConfig, hashing: boolean): BalancerSettings {
  const common = config.commonLbConfig;
  return {
    panicThresholdPercent: common?.healthyPanicThreshold?.value ?? 50,
    overprovisioningPercent: config.loadAssignment?.policy?.overprovisioningFactor ?? 140,
    weightedPriorityHealth: config.loadAssignment?.policy?.weightedPriorityHealth ?? false,
    failTrafficOnPanic: common?.zoneAwareLbConfig?.failTrafficOnPanic ?? false,
    localityWeighted: common?.localityWeightedLbConfig !== undefined,
    hashing,
  };
}

function pickerFactory(context: BalancerContext): PickerFactory {
  const { config, random, clock } = context;
  const slowStart = compileSlowStart(config.roundRobinLbConfig?.slowStartConfig, clock);
  return hosts => roundRobin(hosts, slowStart, random);
}

export function createLoadBalancer(context: BalancerContext): LoadBalancer {
  const hashing = context.config.lbPolicy === 'RING_HASH' || context.config.lbPolicy === 'MAGLEV';
  return new PriorityLoadBalancer(
    settingsOf(context.config, hashing),
    pickerFactory(context),
    context.random,
    context.lane,
    context.stats,
  );
}
