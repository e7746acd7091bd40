// Time that stands still until a test moves it. It has the shape of base's Clock without importing it: tools of tests
// stand on nothing.

interface PendingTimer {
  readonly at: number;
  readonly callback: () => void;
}

/** A Clock whose timers fire while `advance` runs, in order and each at its own time. */
export class StoppedClock {
  /** Monotonic milliseconds; a test may set it. */
  now = 1_000_000;
  /** Wall-clock time minus monotonic time. */
  wallOffsetMs = 1_700_000_000_000;
  #timers: PendingTimer[] = [];

  nowMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.now + this.wallOffsetMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.now + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer);
    };
  }

  /** Delays of the timers that are running, shortest first. */
  get pending(): number[] {
    return this.#timers.map(timer => timer.at - this.now).sort((a, b) => a - b);
  }

  /** Moves time on and runs what falls due, also what is started meanwhile. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = this.#timers.filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter(other => other !== due);
      this.now = Math.max(this.now, due.at);
      due.callback();
    }
    this.now = end;
  }
}
