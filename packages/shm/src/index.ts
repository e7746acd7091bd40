// Entry of @dragoman/shm.
export { BUCKET_COUNT, bucketLowerBound, bucketOf, bucketWidth } from './stats/histogram-buckets.ts';
export {
  DEFAULT_BOUNDS,
  type DetailedBucket,
  type HistogramSnapshot,
  HistogramStatistics,
  type HistogramUnit,
  QUANTILES,
} from './stats/histogram-snapshot.ts';
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
