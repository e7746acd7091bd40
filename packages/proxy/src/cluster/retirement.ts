// Takes the statistics of hosts and clusters that have gone out of the worker's lane once nothing can write them
// any more, so that a cluster whose endpoints come and go does not fill it.

import type { Clock } from '@dragoman/base';
import type { StatLane } from '@dragoman/shm';
import type { Cluster } from './cluster.ts';
import { type Host, hostStatPrefix } from './host.ts';

/** Requests and connections of what has gone get this long before anybody looks. */
const SWEEP_INTERVAL_MS = 60_000;
/** Removing names walks through all of the lane's: a few at a time, so that no request waits long. */
const MAX_PER_SWEEP = 16;
const NEXT_SWEEP_MS = 1000;

export class Retirement {
  readonly #lane: StatLane;
  readonly #clock: Clock;
  readonly #clustersInUse: () => Iterable<Cluster>;
  #hosts: Host[] = [];
  #clusters: Cluster[] = [];
  #armed = false;

  constructor(lane: StatLane, clock: Clock, clustersInUse: () => Iterable<Cluster>) {
    this.#lane = lane;
    this.#clock = clock;
    this.#clustersInUse = clustersInUse;
  }

  retireHost(host: Host): void {
    this.#hosts.push(host);
    this.#arm();
  }

  retireCluster(cluster: Cluster): void {
    this.#clusters.push(cluster);
    this.#arm();
  }

  #arm(delayMs = SWEEP_INTERVAL_MS): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#clock.after(delayMs, () => {
      this.#armed = false;
      this.#sweep();
    });
  }

  #sweep(): void {
    let removed = 0;
    this.#hosts = this.#hosts.filter(host => {
      if (removed >= MAX_PER_SWEEP || this.#isBusy(host)) return true;
      removed += this.#removeHost(host);
      return false;
    });
    this.#clusters = this.#clusters.filter(cluster => {
      if (removed >= MAX_PER_SWEEP || this.#hasTraffic(cluster)) return true;
      removed += this.#removeCluster(cluster);
      return false;
    });
    if (removed >= MAX_PER_SWEEP) this.#arm(NEXT_SWEEP_MS);
    else if (this.#hosts.length > 0 || this.#clusters.length > 0) this.#arm();
  }

  #isBusy(host: Host): boolean {
    return host.activeRequests > 0 || this.#gauge(host.stats.cxActive) > 0;
  }

  #hasTraffic({ stats }: Cluster): boolean {
    const gauges = [stats.upstreamRqActive, stats.upstreamCxActive, stats.upstreamRqPendingActive];
    return gauges.some(gauge => this.#gauge(gauge) > 0);
  }

  /** 1 when names were removed, 0 when the same address is a host of the cluster again. */
  #removeHost(host: Host): 0 | 1 {
    for (const cluster of this.#clustersInUse())
      if (
        cluster.name === host.clusterName &&
        cluster.hosts.some(other => other.addressText === host.addressText)
      )
        return 0;
    this.#lane.removeScope(hostStatPrefix(host.clusterName, host.addressText));
    return 1;
  }

  #removeCluster({ statName }: Cluster): 0 | 1 {
    if (isScopeShared(statName, this.#clustersInUse())) return 0;
    this.#lane.removeScope(`cluster.${statName}.`);
    return 1;
  }

  #gauge(slot: number): number {
    return this.#lane.slots[slot]! - this.#lane.slots[slot + 1]!;
  }
}

/** True when another cluster's statistics are under the same prefix: the same name, or one that goes on with a dot. */
export function isScopeShared(statName: string, clusters: Iterable<{ readonly statName: string }>): boolean {
  for (const other of clusters)
    if (other.statName === statName || other.statName.startsWith(`${statName}.`)) return true;
  return false;
}
