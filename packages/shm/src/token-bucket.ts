// A token bucket that all workers draw from without a lock, with Envoy's fill rule (type.v3.TokenBucket): every
// fill interval adds tokens_per_fill, up to max_tokens. A few atomic operations per call.

import { DragomanError } from '@dragoman/base';

export interface TokenBucketOptions {
  readonly maxTokens: number;
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
}

/** Goes to the workers as it is. */
export interface TokenBucketMemory extends TokenBucketOptions {
  readonly buffer: SharedArrayBuffer;
  /** When the intervals are counted from. */
  readonly startMs: number;
}

const TOKENS = 0;
const FILLS = 1;

export class TokenBucket {
  readonly #words: Int32Array;
  readonly #options: TokenBucketMemory;

  constructor(memory: TokenBucketMemory) {
    this.#words = new Int32Array(memory.buffer);
    this.#options = memory;
  }

  /**
   * A full bucket. `nowMs` here and in consume() is a clock that all threads have in common, such as
   * performance.timeOrigin + performance.now().
   */
  static create(options: TokenBucketOptions, nowMs: number): TokenBucketMemory {
    const { maxTokens, tokensPerFill, fillIntervalMs } = options;
    if (!(maxTokens > 0 && maxTokens < 2 ** 31 && tokensPerFill > 0 && fillIntervalMs > 0))
      throw new DragomanError(
        'TOKEN_BUCKET',
        `a token bucket needs 1 to 2^31-1 tokens, a positive fill and interval; not ${maxTokens}, ${tokensPerFill}, ${fillIntervalMs} ms`,
      );
    const buffer = new SharedArrayBuffer(8);
    new Int32Array(buffer)[TOKENS] = maxTokens;
    return { maxTokens, tokensPerFill, fillIntervalMs, buffer, startMs: nowMs };
  }

  /** Takes `count` tokens; false, and none taken, when there are fewer. */
  consume(count: number, nowMs: number): boolean {
    this.#fill(nowMs);
    for (;;) {
      const tokens = Atomics.load(this.#words, TOKENS);
      if (tokens < count) return false;
      if (Atomics.compareExchange(this.#words, TOKENS, tokens, tokens - count) === tokens) return true;
    }
  }

  /** Tokens there are now. */
  remaining(nowMs: number): number {
    this.#fill(nowMs);
    return Atomics.load(this.#words, TOKENS);
  }

  /** Milliseconds until the next fill. */
  nextFillMs(nowMs: number): number {
    const { startMs, fillIntervalMs } = this.#options;
    return fillIntervalMs - ((nowMs - startMs) % fillIntervalMs);
  }

  #fill(nowMs: number): void {
    const { startMs, fillIntervalMs, tokensPerFill, maxTokens } = this.#options;
    const fills = Math.floor((nowMs - startMs) / fillIntervalMs) | 0;
    const before = Atomics.load(this.#words, FILLS);
    const missed = (fills - before) | 0;
    // Whoever moves the count adds the tokens; a thread whose clock is a little behind adds none.
    if (missed <= 0 || Atomics.compareExchange(this.#words, FILLS, before, fills) !== before) return;
    const added = Math.min(maxTokens, missed * tokensPerFill);
    for (;;) {
      const tokens = Atomics.load(this.#words, TOKENS);
      const filled = Math.min(maxTokens, tokens + added);
      if (Atomics.compareExchange(this.#words, TOKENS, tokens, filled) === tokens) return;
    }
  }
}
