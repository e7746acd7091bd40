// Statistics of a cluster that only the main thread moves: membership, updates, breaker gauges and the like.
// Together with cluster-stats.ts these are all names of a cluster that exist from the start.

import type { StatLane } from '@dragoman/shm';
import { type CircuitBreakers, PRIORITIES, Resource } from './circuit-breakers.ts';

const BREAKER_GAUGES: readonly (readonly [Resource, open: string, remaining: string])[] = [
  [Resource.CONNECTIONS, 'cx_open', 'remaining_cx'],
  [Resource.CONNECTION_POOLS, 'cx_pool_open', 'remaining_cx_pools'],
  [Resource.REQUESTS, 'rq_open', 'remaining_rq'],
  [Resource.PENDING_REQUESTS, 'rq_pending_open', 'remaining_pending'],
  [Resource.RETRIES, 'rq_retry_open', 'remaining_retries'],
];

export class MembershipStats {
  readonly #lane: StatLane;
  readonly membershipChange: number;
  readonly membershipHealthy: number;
  readonly membershipDegraded: number;
  readonly membershipExcluded: number;
  readonly membershipTotal: number;
  readonly updateAttempt: number;
  readonly updateSuccess: number;
  readonly updateFailure: number;
  readonly updateEmpty: number;
  readonly updateNoRebuild: number;
  readonly assignmentStale: number;
  readonly assignmentTimeoutReceived: number;
  readonly assignmentUseCached: number;
  readonly maxHostWeight: number;
  readonly version: number;
  readonly warmingState: number;
  readonly totalMatchCount: number;
  /** For each priority and entry of BREAKER_GAUGES. */
  readonly #open: readonly number[][];
  readonly #remaining: readonly number[][];

  constructor(lane: StatLane, prefix: string, breakers: readonly CircuitBreakers[]) {
    this.#lane = lane;
    this.membershipChange = lane.counter(`${prefix}membership_change`);
    this.membershipHealthy = lane.gauge(`${prefix}membership_healthy`);
    this.membershipDegraded = lane.gauge(`${prefix}membership_degraded`);
    this.membershipExcluded = lane.gauge(`${prefix}membership_excluded`);
    this.membershipTotal = lane.gauge(`${prefix}membership_total`);
    this.updateAttempt = lane.counter(`${prefix}update_attempt`);
    this.updateSuccess = lane.counter(`${prefix}update_success`);
    this.updateFailure = lane.counter(`${prefix}update_failure`);
    this.updateEmpty = lane.counter(`${prefix}update_empty`);
    this.updateNoRebuild = lane.counter(`${prefix}update_no_rebuild`);
    this.assignmentStale = lane.counter(`${prefix}assignment_stale`);
    this.assignmentTimeoutReceived = lane.counter(`${prefix}assignment_timeout_received`);
    this.assignmentUseCached = lane.counter(`${prefix}assignment_use_cached`);
    this.maxHostWeight = lane.gauge(`${prefix}max_host_weight`);
    this.version = lane.gauge(`${prefix}version`);
    this.warmingState = lane.gauge(`${prefix}warming_state`);
    this.totalMatchCount = lane.counter(`${prefix}default.total_match_count`);
    const gauges = (part: 1 | 2) =>
      PRIORITIES.map((priority, index) =>
        part === 1 || breakers[index]!.thresholds.trackRemaining
          ? BREAKER_GAUGES.map(entry =>
              lane.gauge(`${prefix}circuit_breakers.${priority.toLowerCase()}.${entry[part]}`),
            )
          : [],
      );
    this.#open = gauges(1);
    this.#remaining = gauges(2);
  }

  /** Brings the breaker gauges up to date; before statistics are read. */
  refreshBreakers(breakers: readonly CircuitBreakers[]): void {
    breakers.forEach((breaker, priority) => {
      BREAKER_GAUGES.forEach(([resource], i) => {
        const count = breaker.count(resource);
        const limit = breaker.limit(resource);
        if (isUsed(breaker, resource)) this.#lane.gaugeSet(this.#open[priority]![i]!, count >= limit ? 1 : 0);
        const remaining = this.#remaining[priority]![i];
        if (remaining !== undefined) this.#lane.gaugeSet(remaining, Math.max(0, limit - count));
      });
    });
  }
}

/** A pool exists as soon as a request has waited for a connection, and pools are not limited. */
function isUsed(breaker: CircuitBreakers, resource: Resource): boolean {
  return breaker.touched(resource === Resource.CONNECTION_POOLS ? Resource.PENDING_REQUESTS : resource);
}
