// Entry of @dragoman/shm.

export { Arena, type ArenaMemory, type ArenaOptions, MAX_OWNERS } from './arena/arena.ts';
export type { NamespacePolicy } from './arena/namespaces.ts';
export {
  RemoveResult,
  SetResult,
  type SharedCount,
  SharedDataStore,
  type SharedValue,
} from './arena/shared-data.ts';
export { EnqueueResult, SharedQueueStore } from './arena/shared-queues.ts';
export { BUCKET_COUNT, bucketLowerBound, bucketOf, bucketWidth } from './stats/histogram-buckets.ts';
export {
  DEFAULT_BOUNDS,
  type DetailedBucket,
  type HistogramSnapshot,
  HistogramStatistics,
  type HistogramUnit,
  QUANTILES,
} from './stats/histogram-snapshot.ts';
export { SharedTotals, type SharedTotalsMemory } from './stats/shared-totals.ts';
export {
  LANE_OVERFLOW_STAT,
  StatLane,
  type StatLaneMemory,
  type StatLaneOptions,
} from './stats/stat-lane.ts';
export {
  type GaugeStat,
  type StatKind,
  type StatRow,
  type StatSnapshot,
  StatTable,
} from './stats/stat-table.ts';
export { TokenBucket, type TokenBucketMemory, type TokenBucketOptions } from './token-bucket.ts';
