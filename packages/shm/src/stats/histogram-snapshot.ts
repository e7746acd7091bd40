// A histogram as the main thread reports it: what was recorded since the start and in the last flush interval,
// with Envoy's quantiles and bounds. Immutable; made by the stat table at each flush.

import { bucketLowerBound, bucketWidth } from './histogram-buckets.ts';

/** The quantiles that Envoy reports, as fractions. */
export const QUANTILES: readonly number[] = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1];

/** Envoy's default upper bounds, in the histogram's unit. */
export const DEFAULT_BOUNDS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000,
  3600000,
];

export type HistogramUnit = 'none' | 'ms' | 'bytes';
export const HISTOGRAM_UNITS: readonly HistogramUnit[] = ['none', 'ms', 'bytes'];

/** One bucket that holds samples. */
export interface DetailedBucket {
  readonly lowerBound: number;
  readonly width: number;
  readonly count: number;
}

/** Samples of one period. */
export class HistogramStatistics {
  readonly count: number;
  readonly sum: number;
  readonly #buckets: readonly number[];
  readonly #counts: readonly number[];

  /** `buckets` are the numbers of the non-empty buckets in rising order, `counts` what they hold. */
  constructor(buckets: readonly number[], counts: readonly number[], count: number, sum: number) {
    this.#buckets = buckets;
    this.#counts = counts;
    this.count = count;
    this.sum = sum;
  }

  static readonly EMPTY = new HistogramStatistics([], [], 0, 0);

  /** From all buckets of a histogram. */
  static of(all: Float64Array, sum: number): HistogramStatistics {
    const buckets: number[] = [];
    const counts: number[] = [];
    let count = 0;
    for (let bucket = 0; bucket < all.length; bucket++) {
      if (all[bucket] <= 0) continue;
      buckets.push(bucket);
      counts.push(all[bucket]);
      count += all[bucket];
    }
    return new HistogramStatistics(buckets, counts, count, sum);
  }

  /** The values at the given rising quantiles, interpolated inside a bucket as circllhist does; NaN when empty. */
  quantiles(quantiles: readonly number[] = QUANTILES): number[] {
    if (this.count === 0) return quantiles.map(() => Number.NaN);
    let at = 0;
    let before = 0;
    return quantiles.map(quantile => {
      const rank = this.count * quantile;
      while (at < this.#counts.length - 1 && before + this.#counts[at] < rank) before += this.#counts[at++];
      const lower = bucketLowerBound(this.#buckets[at]);
      const width = bucketWidth(this.#buckets[at]);
      if (rank === before) return lower;
      if (rank === before + this.#counts[at]) return lower + width;
      return lower + ((rank - before) / this.#counts[at]) * width;
    });
  }

  /** For each rising bound, the samples in buckets that lie wholly at or below it. */
  cumulativeCounts(bounds: readonly number[] = DEFAULT_BOUNDS): number[] {
    let at = 0;
    let below = 0;
    return bounds.map(bound => {
      while (at < this.#buckets.length) {
        const bucket = this.#buckets[at];
        if (bucketLowerBound(bucket) + bucketWidth(bucket) > bound) break;
        below += this.#counts[at++];
      }
      return below;
    });
  }

  /** The non-empty buckets. */
  detailed(): DetailedBucket[] {
    return this.#buckets.map((bucket, index) => ({
      lowerBound: bucketLowerBound(bucket),
      width: bucketWidth(bucket),
      count: this.#counts[index],
    }));
  }
}

/** A histogram at the last flush. `used` says that a flush has seen samples. */
export interface HistogramSnapshot {
  readonly unit: HistogramUnit;
  readonly used: boolean;
  readonly interval: HistogramStatistics;
  readonly cumulative: HistogramStatistics;
}

export const UNUSED_HISTOGRAMS: ReadonlyMap<HistogramUnit, HistogramSnapshot> = new Map(
  HISTOGRAM_UNITS.map(unit => [
    unit,
    { unit, used: false, interval: HistogramStatistics.EMPTY, cumulative: HistogramStatistics.EMPTY },
  ]),
);
