// A plugin's own metrics as statistics of the worker: "wasmcustom.<name>". What a plugin reads is the value of all workers,
// which is kept beside the lanes: those are summed by the main thread only.

import { MetricType } from '@dragoman/abi';
import { DragomanError } from '@dragoman/base';
import type { SharedTotals, StatLane } from '@dragoman/shm';
import type { Metrics } from '@dragoman/vm';
import { MetricBudget } from './metric-budget.ts';

const PREFIX = 'wasmcustom.';
/** A histogram, which cannot be read, or no room among the totals. */
const NO_TOTAL = -1;

/** Handles carry the type in their low two bits, the lane's slot above. */
export class LaneMetrics implements Metrics {
  readonly #lane: StatLane;
  readonly #totals: SharedTotals | undefined;
  readonly #budget: MetricBudget;
  /** Entries of the totals by handle. */
  readonly #entries = new Map<number, number>();

  constructor(lane: StatLane, totals?: SharedTotals) {
    this.#lane = lane;
    this.#budget = new MetricBudget(lane.slots.length);
    this.#totals = totals;
  }

  define(type: MetricType, name: string): number {
    if (!this.#budget.take(type, name)) return -1;
    try {
      const handle = this.#slot(type, PREFIX + name) * 4 + type;
      const summed = this.#totals !== undefined && type !== MetricType.Histogram;
      this.#entries.set(handle, summed ? this.#totals.entry(`${type} ${name}`) : NO_TOTAL);
      return handle;
    } catch (error) {
      // The name is taken by a statistic of another type: the guest's mistake, not ours.
      if (error instanceof DragomanError) return -1;
      throw error;
    }
  }

  #slot(type: MetricType, name: string): number {
    if (type === MetricType.Counter) return this.#lane.counter(name);
    return type === MetricType.Gauge ? this.#lane.gauge(name) : this.#lane.histogram(name, 'none');
  }

  add(handle: number, offset: number): void {
    const slot = Math.floor(handle / 4);
    const entry = this.#entries.get(handle)!;
    if (entry !== NO_TOTAL) this.#totals!.add(entry, offset);
    if (offset >= 0) this.#lane.slots[slot] += offset;
    else this.#lane.slots[slot + 1] -= offset;
  }

  record(handle: number, value: number): void {
    const slot = Math.floor(handle / 4);
    if ((handle & 3) === MetricType.Histogram) this.#lane.record(slot, value);
    else this.#set(handle, slot, value);
  }

  /** A gauge has one value for all workers: this lane takes up the difference, so that the lanes' sum is that value. */
  #set(handle: number, slot: number, value: number): void {
    const entry = this.#entries.get(handle)!;
    const before = entry === NO_TOTAL ? this.#ownGauge(slot) : this.#totals!.exchange(entry, value);
    this.#lane.gaugeSet(slot, this.#ownGauge(slot) + value - before);
  }

  get(handle: number): number {
    const entry = this.#entries.get(handle)!;
    if (entry !== NO_TOTAL) return this.#totals!.get(entry);
    const slot = Math.floor(handle / 4);
    return (handle & 3) === MetricType.Counter ? this.#lane.slots[slot] : this.#ownGauge(slot);
  }

  #ownGauge(slot: number): number {
    return this.#lane.slots[slot] - this.#lane.slots[slot + 1];
  }
}
