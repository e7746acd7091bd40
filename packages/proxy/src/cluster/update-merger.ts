// update_merge_window: health, weight and metadata changes that follow each other quickly reach the workers together,
// as in Envoy. The first change goes out at once; those within the window after it wait. Main thread.

import type { Clock } from '@dragoman/base';
import type { StatLane } from '@dragoman/shm';

interface Window {
  lastMs: number;
  waiting: boolean;
  cancelTimer: () => void;
}

export class UpdateMerger {
  readonly #windowMs: number;
  readonly #clock: Clock;
  readonly #lane: StatLane;
  readonly #deliver: (priority: number) => void;
  readonly #windows = new Map<number, Window>();
  readonly #clusterUpdated: number;
  readonly #clusterUpdatedViaMerge: number;
  readonly #updateMergeCancelled: number;
  readonly #updateOutOfMergeWindow: number;

  /** `deliver` sends what has changed in a priority; a window of 0 sends everything at once. */
  constructor(windowMs: number, clock: Clock, lane: StatLane, deliver: (priority: number) => void) {
    this.#windowMs = windowMs;
    this.#clock = clock;
    this.#lane = lane;
    this.#deliver = deliver;
    this.#clusterUpdated = lane.counter('cluster_manager.cluster_updated');
    this.#clusterUpdatedViaMerge = lane.counter('cluster_manager.cluster_updated_via_merge');
    this.#updateMergeCancelled = lane.counter('cluster_manager.update_merge_cancelled');
    this.#updateOutOfMergeWindow = lane.counter('cluster_manager.update_out_of_merge_window');
  }

  /** Hosts of the priority have changed; with `mergeable` none has come or gone. */
  update(priority: number, mergeable: boolean): void {
    if (this.#windowMs > 0 && this.#waits(priority, mergeable)) return;
    this.#lane.inc(this.#clusterUpdated);
    this.#deliver(priority);
  }

  close(): void {
    for (const window of this.#windows.values()) window.cancelTimer();
    this.#windows.clear();
  }

  #waits(priority: number, mergeable: boolean): boolean {
    const nowMs = this.#clock.nowMs();
    let window = this.#windows.get(priority);
    if (window === undefined) {
      window = { lastMs: Number.NEGATIVE_INFINITY, waiting: false, cancelTimer: () => {} };
      this.#windows.set(priority, window);
    }
    const outside = nowMs - window.lastMs > this.#windowMs;
    if (mergeable && !outside) {
      if (!window.waiting) this.#startWindow(priority, window);
      return true;
    }
    if (mergeable) this.#lane.inc(this.#updateOutOfMergeWindow);
    if (window.waiting) {
      window.cancelTimer();
      window.waiting = false;
      this.#lane.inc(this.#updateMergeCancelled);
    }
    window.lastMs = nowMs;
    return false;
  }

  #startWindow(priority: number, window: Window): void {
    window.waiting = true;
    window.cancelTimer = this.#clock.after(this.#windowMs, () => {
      window.waiting = false;
      window.lastMs = this.#clock.nowMs();
      this.#lane.inc(this.#clusterUpdatedViaMerge);
      this.#deliver(priority);
    });
  }
}
