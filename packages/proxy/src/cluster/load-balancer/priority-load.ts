// How much of the traffic each priority gets, and which priorities are in panic: Envoy's arithmetic, in integer
// percents. Pure functions from host counts to loads.

import type { HostSet } from '../host-set.ts';

export interface PrioritySettings {
  /** Percent of hosts below which health is ignored; 0 switches panic off. */
  readonly panicThresholdPercent: number;
  /** 140: a priority is full with 72 % of its hosts healthy. */
  readonly overprovisioningPercent: number;
  /** Count weights instead of hosts. */
  readonly weightedPriorityHealth: boolean;
}

export interface PriorityLoads {
  /** Percent of the traffic for healthy hosts of each priority; with `degraded` they sum up to 100. */
  readonly healthy: number[];
  readonly degraded: number[];
  /** True where all hosts of the priority are used, whatever their health. */
  readonly panic: boolean[];
}

/** Hosts (or weights) of a set that are healthy and degraded, and all that count. */
function amounts(set: HostSet, weighted: boolean): { healthy: number; degraded: number; total: number } {
  if (!weighted)
    return {
      healthy: set.healthyHosts.length,
      degraded: set.degradedHosts.length,
      total: set.hosts.length - set.excludedCount,
    };
  const sum = (hosts: HostSet['hosts']) => hosts.reduce((total, host) => total + host.weight, 0);
  return { healthy: sum(set.healthyHosts), degraded: sum(set.degradedHosts), total: sum(set.hosts) };
}

/** Gives priorities their share in order, up to what is left; returns what nobody took. */
function distribute(availability: number[], left: number, normalizedTotal: number, loads: number[]): number {
  availability.forEach((percent, i) => {
    loads[i] = Math.min(left, Math.floor((percent * 100) / normalizedTotal));
    left -= loads[i]!;
  });
  return left;
}

export function priorityLoads(sets: readonly HostSet[], settings: PrioritySettings): PriorityLoads {
  const healthyPercent: number[] = [];
  const degradedPercent: number[] = [];
  for (const set of sets) {
    const { healthy, degraded, total } = amounts(set, settings.weightedPriorityHealth);
    const share = (amount: number) =>
      total > 0 ? Math.min(100, Math.floor((settings.overprovisioningPercent * amount) / total)) : 0;
    healthyPercent.push(share(healthy));
    degradedPercent.push(share(degraded));
  }
  const zeros = () => sets.map(() => 0);
  const loads: PriorityLoads = { healthy: zeros(), degraded: zeros(), panic: sets.map(() => false) };
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const normalizedTotal = Math.min(100, sum(healthyPercent) + sum(degradedPercent));
  if (normalizedTotal === 0) loads.healthy[0] = 100;
  else {
    let left = distribute(healthyPercent, 100, normalizedTotal, loads.healthy);
    left = distribute(degradedPercent, left, normalizedTotal, loads.degraded);
    if (left > 0) {
      const first = healthyPercent.findIndex(percent => percent > 0);
      if (first >= 0) loads.healthy[first]! += left;
      else loads.degraded[degradedPercent.findIndex(percent => percent > 0)]! += left;
    }
  }
  return applyPanic(sets, settings, normalizedTotal, loads);
}

function applyPanic(
  sets: readonly HostSet[],
  settings: PrioritySettings,
  normalizedTotal: number,
  loads: PriorityLoads,
): PriorityLoads {
  if (normalizedTotal === 100) return loads;
  const panic = sets.map(set => {
    const counted = set.hosts.length - set.excludedCount;
    const usable = set.healthyHosts.length + set.degradedHosts.length;
    return (counted === 0 ? 0 : (100 * usable) / counted) < Math.min(100, settings.panicThresholdPercent);
  });
  if (!panic.every(Boolean)) return { ...loads, panic };
  // All priorities are in panic: spread over all hosts there are, health being of no use.
  const totalHosts = sets.reduce((total, set) => total + set.hosts.length, 0);
  const healthy = sets.map(set => (totalHosts === 0 ? 0 : Math.floor((100 * set.hosts.length) / totalHosts)));
  const left = 100 - healthy.reduce((a, b) => a + b, 0);
  const first = Math.max(
    0,
    sets.findIndex(set => set.hosts.length > 0),
  );
  healthy[first]! += left;
  return { healthy, degraded: sets.map(() => 0), panic };
}
