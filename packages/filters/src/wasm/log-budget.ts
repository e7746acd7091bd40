// How many lines the guests of one VM may write on a worker, so that none can drown the log of the others. What is dropped is
// counted, and the log says that it was.

import type { Clock } from '@dragoman/base';

const WINDOW_MS = 1000;

export class LogBudget {
  readonly #clock: Clock;
  readonly #linesPerSecond: number;
  readonly #onDrop: (first: boolean) => void;
  #windowEndMs = Number.NEGATIVE_INFINITY;
  #left = 0;
  #dropping = false;

  /** `linesPerSecond` 0: as many as they like. `onDrop` is told of each line, and whether it is the first in its second. */
  constructor(clock: Clock, linesPerSecond: number, onDrop: (first: boolean) => void) {
    this.#clock = clock;
    this.#linesPerSecond = linesPerSecond;
    this.#onDrop = onDrop;
  }

  /** True when the line may be written. */
  take(): boolean {
    if (this.#left > 0) {
      this.#left--;
      return true;
    }
    return this.#linesPerSecond === 0 || this.#takeInNextWindow();
  }

  #takeInNextWindow(): boolean {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#windowEndMs) {
      this.#onDrop(!this.#dropping);
      this.#dropping = true;
      return false;
    }
    this.#windowEndMs = nowMs + WINDOW_MS;
    this.#left = this.#linesPerSecond - 1;
    this.#dropping = false;
    return true;
  }
}
