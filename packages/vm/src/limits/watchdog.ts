// Finds calls into guests that run past their deadline and ends them, one by one, by their number. One watchdog serves all
// guards of a process, on a thread of its own (watchdog-program.ts); no clock and no thread in here.

import { KILLED } from './guard.ts';
import { KillWordLayout } from './module-rewriter/inserted-code.ts';

const CALL_NUMBER = KillWordLayout.CallNumber / 4;
const DEADLINE_MS = KillWordLayout.DeadlineMs / 4;
const THREAD_ID = KillWordLayout.ThreadId / 4;

/** Time between two looks when nothing is near its end. A call ends at most this much after its deadline. */
export const WATCH_INTERVAL_MS = 10;
const MIN_INTERVAL_MS = 1;
/** A killed call ends at the next check, in microseconds. One that is still there after this meets none: a host call hangs. */
const STUCK_AFTER_MS = 1000;

export interface WatchdogOptions {
  /** The call was told to end. */
  onKill?(id: number): void;
  /** The thread of this guard does not come out of a killed call; called once for each such call. */
  onStuck?(id: number): void;
  /** CPU time that a thread has used, by the id its guard gives, in milliseconds; null: not known. */
  cpuTimeMs?(threadId: number): number | null;
  readonly stuckAfterMs?: number;
}

interface Watched {
  readonly id: number;
  readonly words: Int32Array;
  /** What the kill word was at the last look. */
  seen: number;
  /** For how long, as far as that can be told. */
  elapsedMs: number;
  cpuMs: number | null;
  reported: boolean;
}

/** Looks at all guards when poll() is called. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #stuckAfterMs: number;
  readonly #watched = new Map<number, Watched>();
  #lastMs = Number.NEGATIVE_INFINITY;
  #waitMs = WATCH_INTERVAL_MS;

  constructor(options: WatchdogOptions = {}) {
    this.#options = options;
    this.#stuckAfterMs = options.stuckAfterMs ?? STUCK_AFTER_MS;
  }

  /** Looks after a guard, by its memory; one watched before under the same id is forgotten. */
  watch(id: number, memory: WebAssembly.Memory): void {
    const words = new Int32Array(memory.buffer);
    this.#watched.set(id, { id, words, seen: 0, elapsedMs: 0, cpuMs: null, reported: false });
  }

  unwatch(id: number): void {
    this.#watched.delete(id);
  }

  /** `nowMs` is monotonic. Answers in how many milliseconds it wants to be called again. */
  poll(nowMs: number): number {
    // A process that was paused, or has not been given the processor, must not kill everybody when it wakes up.
    const stepMs = Math.min(nowMs - this.#lastMs, 2 * this.#waitMs);
    this.#lastMs = nowMs;
    let waitMs = WATCH_INTERVAL_MS;
    for (const watched of this.#watched.values()) waitMs = Math.min(waitMs, this.#look(watched, stepMs));
    this.#waitMs = Math.max(MIN_INTERVAL_MS, waitMs);
    return this.#waitMs;
  }

  /** Milliseconds until this guard needs another look. */
  #look(watched: Watched, stepMs: number): number {
    const { words } = watched;
    const word = Atomics.load(words, CALL_NUMBER);
    if (word === 0) {
      watched.seen = 0;
      return WATCH_INTERVAL_MS;
    }
    if (word !== watched.seen) {
      watched.seen = word;
      watched.elapsedMs = 0;
      watched.cpuMs = null;
      watched.reported = false;
      const deadlineMs = words[DEADLINE_MS];
      return word < 0 || deadlineMs === 0 ? WATCH_INTERVAL_MS : deadlineMs;
    }
    if (word < 0) {
      watched.elapsedMs += stepMs;
      this.#reportStuck(watched);
      return WATCH_INTERVAL_MS;
    }
    watched.elapsedMs += this.#consumed(watched, stepMs);
    // Written before the number; by the second look, milliseconds later, it is there to be seen.
    const deadlineMs = words[DEADLINE_MS];
    if (deadlineMs === 0) return WATCH_INTERVAL_MS;
    if (watched.elapsedMs < deadlineMs) return deadlineMs - watched.elapsedMs;
    // Only this call: one that has ended meanwhile has left another number or none.
    if (Atomics.compareExchange(words, CALL_NUMBER, word, word | KILLED) === word)
      this.#options.onKill?.(watched.id);
    return WATCH_INTERVAL_MS;
  }

  /**
   * What a call has used of its time since the last look: where CPU time is known, no less than half of the time that has
   * passed. So a call whose thread waits for a processor has up to twice its deadline, and an endless one no more either.
   */
  #consumed(watched: Watched, stepMs: number): number {
    const cpuMs = this.#options.cpuTimeMs?.(watched.words[THREAD_ID]) ?? null;
    const before = watched.cpuMs;
    watched.cpuMs = cpuMs;
    if (cpuMs === null || before === null) return stepMs;
    return Math.min(stepMs, Math.max(cpuMs - before, stepMs / 2));
  }

  #reportStuck(watched: Watched): void {
    if (watched.reported || watched.elapsedMs < this.#stuckAfterMs) return;
    watched.reported = true;
    this.#options.onStuck?.(watched.id);
  }
}
