// Metrics kept in plain memory: for embedders without statistics of their own, and tests.

import { MetricType } from '@dragoman/abi';
import type { Metrics } from './vm-host.ts';

/** One statistic; a histogram's value is the sum of what was recorded. */
export interface LocalMetric {
  readonly type: MetricType;
  readonly name: string;
  value: number;
  /** Histogram: how many values were recorded. */
  recorded: number;
}

export class LocalMetrics implements Metrics {
  readonly #metrics: LocalMetric[] = [];

  /** The same name and type mean the same statistic (S88). */
  define(type: MetricType, name: string): number {
    const index = this.#metrics.findIndex(metric => metric.name === name && metric.type === type);
    if (index !== -1) return index;
    return this.#metrics.push({ type, name, value: 0, recorded: 0 }) - 1;
  }

  add(handle: number, offset: number): void {
    this.#metrics[handle].value += offset;
  }

  record(handle: number, value: number): void {
    const metric = this.#metrics[handle];
    if (metric.type === MetricType.Histogram) metric.value += value;
    else metric.value = value;
    metric.recorded++;
  }

  get(handle: number): number {
    return this.#metrics[handle].value;
  }

  /** All statistics, for whoever shows them. */
  get all(): readonly LocalMetric[] {
    return this.#metrics;
  }
}
