// A lock between threads that knows who holds it, so that the lock of a thread that has died can be taken over.
// Waiting blocks the thread: what happens under the lock takes microseconds.

import { DragomanError } from '@dragoman/base';

/** Set in the lock word while somebody sleeps on it. The rest of the word is the holder's owner id, 0 for none. */
const CONTENDED = 1 << 30;
const OWNER_MASK = CONTENDED - 1;

/** Tries before sleeping; a critical section is usually shorter than falling asleep. */
const SPINS = 200;

export class RobustLock {
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #owner: number;
  readonly #waitLimitMs: number;

  /** `owner` is this thread's id, unique among the living and below 2^30. */
  constructor(words: Int32Array, index: number, owner: number, waitLimitMs: number) {
    this.#words = words;
    this.#index = index;
    this.#owner = owner;
    this.#waitLimitMs = waitLimitMs;
  }

  /** ERR_DRAGOMAN_SHM_LOCK_TIMEOUT when the lock cannot be had within the limit. */
  acquire(): void {
    for (let spin = 0; spin < SPINS; spin++)
      if (Atomics.compareExchange(this.#words, this.#index, 0, this.#owner) === 0) return;
    this.#acquireAsleep();
  }

  #acquireAsleep(): void {
    const deadlineMs = performance.now() + this.#waitLimitMs;
    for (;;) {
      const seen = Atomics.load(this.#words, this.#index);
      if (seen === 0) {
        // Others may still sleep, so whoever wakes up leaves the mark.
        if (Atomics.compareExchange(this.#words, this.#index, 0, this.#owner | CONTENDED) === 0) return;
        continue;
      }
      const marked = seen | CONTENDED;
      if (seen !== marked && Atomics.compareExchange(this.#words, this.#index, seen, marked) !== seen)
        continue;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0)
        throw new DragomanError(
          'SHM_LOCK_TIMEOUT',
          `the shared memory lock was held by owner ${seen & OWNER_MASK} for more than ${this.#waitLimitMs} ms`,
        );
      Atomics.wait(this.#words, this.#index, marked, leftMs);
    }
  }

  release(): void {
    const was = Atomics.exchange(this.#words, this.#index, 0);
    if ((was & CONTENDED) !== 0) Atomics.notify(this.#words, this.#index, 1);
  }

  /** Takes the lock from an owner that is dead for certain; false when that owner does not hold it. */
  takeOver(deadOwner: number): boolean {
    for (;;) {
      const seen = Atomics.load(this.#words, this.#index);
      if ((seen & OWNER_MASK) !== deadOwner) return false;
      const mine = (seen & CONTENDED) | this.#owner;
      if (Atomics.compareExchange(this.#words, this.#index, seen, mine) === seen) return true;
    }
  }
}
