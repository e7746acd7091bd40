// A plugin's own metrics as statistics of the worker: "wasmcustom.<name>".

import { MetricType } from '@dragoman/abi';
import { DragomanError } from '@dragoman/base';
import type { StatLane } from '@dragoman/shm';
import type { Metrics } from '@dragoman/vm';

const PREFIX = 'wasmcustom.';

/** Handles carry the type in their low two bits, the lane's slot above. */
export class LaneMetrics implements Metrics {
  readonly #lane: StatLane;

  constructor(lane: StatLane) {
    this.#lane = lane;
  }

  define(type: MetricType, name: string): number {
    try {
      return this.#slot(type, PREFIX + name) * 4 + type;
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
    if (offset >= 0) this.#lane.slots[slot] += offset;
    else this.#lane.slots[slot + 1] -= offset;
  }

  record(handle: number, value: number): void {
    const slot = Math.floor(handle / 4);
    if ((handle & 3) === MetricType.Histogram) this.#lane.record(slot, value);
    else this.#lane.gaugeSet(slot, value);
  }

  /** The value on this worker. */
  get(handle: number): number {
    const { slots } = this.#lane;
    const slot = Math.floor(handle / 4);
    return (handle & 3) === MetricType.Counter ? slots[slot] : slots[slot] - slots[slot + 1];
  }
}
