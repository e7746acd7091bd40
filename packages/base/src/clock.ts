// Where time comes from. Production code takes a Clock so that tests can stop and move it; nothing
// else in the house reads the system's clocks on a decision path.

/** Monotonic and wall time in milliseconds, and one-shot timers. */
export interface Clock {
  /** Monotonic milliseconds with a fraction. */
  nowMs(): number;
  /** Wall-clock milliseconds since 1970, with a fraction. */
  wallMs(): number;
  /** Calls `callback` once, `delayMs` from now; the result cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

/** setTimeout's own limit: a longer delay would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => performance.timeOrigin + performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
};
