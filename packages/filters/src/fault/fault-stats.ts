// Statistics of the fault filter: http.<prefix>.fault.*, and per downstream cluster where clients name theirs.

import type { StatLane } from '@dragoman/shm';

/** Clients name their cluster in a header: they must not be able to make statistics without end. */
const MOST_CLUSTERS = 100;
/** Characters of statistics names; anything else in a cluster's name would split or break them. */
const CLUSTER_NAME = /^[A-Za-z0-9_-]{1,64}$/;

interface ClusterCounters {
  readonly abortsInjected: number;
  readonly delaysInjected: number;
}

export class FaultStats {
  readonly lane: StatLane;
  readonly #prefix: string;
  readonly #abortsInjected: number;
  readonly #delaysInjected: number;
  readonly responseRlInjected: number;
  readonly faultsOverflow: number;
  readonly #activeFaults: number;
  readonly #clusters = new Map<string, ClusterCounters>();
  /** Faults of this worker that are going on. */
  active = 0;

  constructor(lane: StatLane, httpPrefix: string) {
    this.lane = lane;
    this.#prefix = `${httpPrefix}fault.`;
    this.#abortsInjected = lane.counter(`${this.#prefix}aborts_injected`);
    this.#delaysInjected = lane.counter(`${this.#prefix}delays_injected`);
    this.responseRlInjected = lane.counter(`${this.#prefix}response_rl_injected`);
    this.faultsOverflow = lane.counter(`${this.#prefix}faults_overflow`);
    this.#activeFaults = lane.gauge(`${this.#prefix}active_faults`);
  }

  begin(): void {
    this.active++;
    this.lane.gaugeInc(this.#activeFaults);
  }

  end(): void {
    this.active--;
    this.lane.gaugeDec(this.#activeFaults);
  }

  /** `cluster` is x-envoy-downstream-service-cluster; '' when it is not to be counted. */
  countAbort(cluster: string): void {
    this.lane.inc(this.#abortsInjected);
    const counters = this.#countersOf(cluster);
    if (counters !== null) this.lane.inc(counters.abortsInjected);
  }

  countDelay(cluster: string): void {
    this.lane.inc(this.#delaysInjected);
    const counters = this.#countersOf(cluster);
    if (counters !== null) this.lane.inc(counters.delaysInjected);
  }

  #countersOf(cluster: string): ClusterCounters | null {
    if (cluster === '') return null;
    let counters = this.#clusters.get(cluster);
    if (counters === undefined) {
      if (this.#clusters.size >= MOST_CLUSTERS || !CLUSTER_NAME.test(cluster)) return null;
      const prefix = `${this.#prefix}${cluster}.`;
      counters = {
        abortsInjected: this.lane.counter(`${prefix}aborts_injected`),
        delaysInjected: this.lane.counter(`${prefix}delays_injected`),
      };
      this.#clusters.set(cluster, counters);
    }
    return counters;
  }
}
