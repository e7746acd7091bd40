// Circuit breakers of one cluster and priority: how much of each resource is in use over all workers, and the
// limits. Every worker writes only its own row of a small shared table and sums the rows to compare, so counting
// costs a plain store, and a worker that dies is released by clearing its row. Two workers that ask in the
// same instant may both be let in: Envoy's limits are as rough.

import type { CircuitBreakers as CircuitBreakersConfig, RoutingPriority } from '@dragoman/config';

/** What is limited (Envoy: ResourceManager). */
export const Resource = {
  CONNECTIONS: 0,
  PENDING_REQUESTS: 1,
  REQUESTS: 2,
  RETRIES: 3,
  CONNECTION_POOLS: 4,
} as const;
export type Resource = (typeof Resource)[keyof typeof Resource];

export const PRIORITIES: readonly RoutingPriority[] = ['DEFAULT', 'HIGH'];

/** Ints of one priority in a worker's row: five counts, and the bits of those ever used. */
const PRIORITY_INTS = 8;
const TOUCHED = 5;
/** Ints of a worker's row: one cache line, so that workers do not slow each other down. */
const ROW_INTS = 16;

/** Limits of one priority, with Envoy's defaults filled in. */
export interface Thresholds {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  readonly maxConnectionPools: number;
  readonly trackRemaining: boolean;
  /** Share of the active and pending requests that may be retries, in percent; -1 when max_retries rules. */
  readonly retryBudgetPercent: number;
  readonly minRetryConcurrency: number;
}

const UNLIMITED = 0xffff_ffff;

/** Limits of both priorities: [DEFAULT, HIGH]. */
export function compileThresholds(config: CircuitBreakersConfig | undefined): Thresholds[] {
  return PRIORITIES.map(priority => {
    const entry = config?.thresholds?.find(candidate => (candidate.priority ?? 'DEFAULT') === priority);
    const budget = entry?.retryBudget;
    return {
      maxConnections: entry?.maxConnections ?? 1024,
      maxPendingRequests: entry?.maxPendingRequests ?? 1024,
      maxRequests: entry?.maxRequests ?? 1024,
      maxRetries: entry?.maxRetries ?? 3,
      maxConnectionPools: entry?.maxConnectionPools ?? UNLIMITED,
      trackRemaining: entry?.trackRemaining ?? false,
      retryBudgetPercent: budget === undefined ? -1 : (budget.budgetPercent?.value ?? 20),
      minRetryConcurrency: budget?.minRetryConcurrency ?? 3,
    };
  });
}

/** Shared table for one cluster; made by the main thread, posted to every worker. */
export function createBreakerMemory(concurrency: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(1, concurrency) * ROW_INTS * Int32Array.BYTES_PER_ELEMENT);
}

/** Forgets what a worker had in use; called by the main thread after the worker has ended. */
export function releaseBreakerRow(memory: SharedArrayBuffer, workerIndex: number): void {
  const row = new Int32Array(memory, workerIndex * ROW_INTS * 4, ROW_INTS);
  for (let i = 0; i < ROW_INTS; i++) if (i % PRIORITY_INTS < TOUCHED) row[i] = 0;
}

/** Breakers of one cluster and priority, as one worker (or the main thread, with row -1: reading only) sees them. */
export class CircuitBreakers {
  readonly thresholds: Thresholds;
  readonly #table: Int32Array;
  readonly #limits: Float64Array;
  readonly #row: number;
  readonly #firstRow: number;
  readonly #end: number;

  constructor(memory: SharedArrayBuffer, priorityIndex: number, thresholds: Thresholds, workerIndex: number) {
    this.thresholds = thresholds;
    this.#table = new Int32Array(memory);
    this.#limits = Float64Array.of(
      thresholds.maxConnections,
      thresholds.maxPendingRequests,
      thresholds.maxRequests,
      thresholds.maxRetries,
      thresholds.maxConnectionPools,
    );
    this.#firstRow = priorityIndex * PRIORITY_INTS;
    this.#row = workerIndex * ROW_INTS + this.#firstRow;
    this.#end = this.#table.length;
  }

  /** In use over all workers. */
  count(resource: Resource): number {
    let sum = 0;
    for (let i = this.#firstRow + resource; i < this.#end; i += ROW_INTS) sum += this.#table[i]!;
    return sum;
  }

  /** The limit now; a retry budget makes that of RETRIES move with the load. */
  limit(resource: Resource): number {
    if (resource === Resource.RETRIES && this.thresholds.retryBudgetPercent >= 0) {
      const active = this.count(Resource.REQUESTS) + this.count(Resource.PENDING_REQUESTS);
      const share = Math.floor((active * this.thresholds.retryBudgetPercent) / 100);
      return Math.max(share, this.thresholds.minRetryConcurrency);
    }
    return this.#limits[resource]!;
  }

  canCreate(resource: Resource): boolean {
    return this.count(resource) < this.limit(resource);
  }

  /** Counts one more. Whether it may be is the caller's question: some are counted over the limit. */
  increment(resource: Resource): void {
    this.#table[this.#row + resource]!++;
    this.#table[this.#row + TOUCHED]! |= 1 << resource;
  }

  decrement(resource: Resource): void {
    this.#table[this.#row + resource]!--;
  }

  /** True once the resource has been used by any worker. */
  touched(resource: Resource): boolean {
    const bit = 1 << resource;
    for (let i = this.#firstRow + TOUCHED; i < this.#end; i += ROW_INTS)
      if ((this.#table[i]! & bit) !== 0) return true;
    return false;
  }
}
