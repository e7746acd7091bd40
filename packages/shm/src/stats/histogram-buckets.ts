// The log-linear buckets of the histograms: ninety to a decade as in circllhist, so quantiles and Prometheus
// bounds come out as Envoy computes them. Recorded values are whole and not negative; any thread records.

/** Decades above the units: values up to 10^12 keep two significant digits, greater ones share the last bucket. */
const DECADES = 12;
const UNIT_BUCKETS = 10;
/** Buckets of one histogram: 0..9 one each, then 90 for each of 10..99, 100..999, and so on. */
export const BUCKET_COUNT = UNIT_BUCKETS + DECADES * 90 - 90;

/** Values below this find their bucket in a table; practically all latencies in milliseconds do. */
const TABLE_SIZE = 4096;

function computeBucket(value: number): number {
  if (value < UNIT_BUCKETS) return value;
  let width = 1;
  let base = UNIT_BUCKETS;
  while (value >= width * 100) {
    width *= 10;
    base += 90;
    if (base === BUCKET_COUNT) return BUCKET_COUNT - 1;
  }
  return base + Math.floor(value / width) - 10;
}

const BUCKET_OF = Uint16Array.from({ length: TABLE_SIZE }, (_, value) => computeBucket(value));

/** Number of the bucket that a value falls into; fractions are cut off, negative values and NaN count as 0. */
export function bucketOf(value: number): number {
  const small = value | 0;
  if (small >= 0 && small < TABLE_SIZE && value < TABLE_SIZE) return BUCKET_OF[small];
  return value > 0 ? computeBucket(Math.floor(value)) : 0;
}

/** Least value of a bucket. */
export function bucketLowerBound(bucket: number): number {
  if (bucket < UNIT_BUCKETS) return bucket;
  const decade = Math.floor((bucket - UNIT_BUCKETS) / 90);
  return 10 ** decade * (((bucket - UNIT_BUCKETS) % 90) + 10);
}

/** Distance to the next bucket; 0 for the bucket of zero. Units are a tenth wide: 1 stands for [1.0, 1.1). */
export function bucketWidth(bucket: number): number {
  if (bucket === 0) return 0;
  if (bucket < UNIT_BUCKETS) return 0.1;
  return 10 ** (Math.floor((bucket - UNIT_BUCKETS) / 90) + 1) / 10;
}
