// How much of a worker's statistics plugins may take: the proxy's own must have room in the lane, whatever metrics a plugin
// makes up.

import { MetricType } from '@dragoman/abi';
import { BUCKET_COUNT } from '@dragoman/shm';

/** Of the lane. */
const SLOT_SHARE = 1 / 2;
const MAX_NAMES = 20_000;
/** A name is kept by every thread, and shown in every scrape. */
const MAX_NAME_LENGTH = 512;
const SLOTS: Readonly<Record<MetricType, number>> = {
  [MetricType.Counter]: 1,
  [MetricType.Gauge]: 2,
  [MetricType.Histogram]: BUCKET_COUNT + 2,
};

export class MetricBudget {
  readonly #names = new Set<string>();
  #slotsLeft: number;

  constructor(laneSlots: number) {
    this.#slotsLeft = laneSlots * SLOT_SHARE;
  }

  /** False when there is no room for a metric of that name. One that is there already costs nothing. */
  take(type: MetricType, name: string): boolean {
    if (name.length > MAX_NAME_LENGTH) return false;
    if (this.#names.has(name)) return true;
    if (this.#names.size >= MAX_NAMES || SLOTS[type] > this.#slotsLeft) return false;
    this.#names.add(name);
    this.#slotsLeft -= SLOTS[type];
    return true;
  }
}
