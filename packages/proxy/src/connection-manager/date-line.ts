// The date header, formatted once a second per worker (RFC 9110, 6.6.1), and wall time at the price of an addition.

import type { Clock } from '@dragoman/base';

export class DateLine {
  readonly #clock: Clock;
  #value = '';
  #line = '';
  #untilMs = Number.NEGATIVE_INFINITY;
  /** Wall time minus monotonic time; the system's clock may be set, so it is looked at once a second. */
  #wallOffsetMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** "date: ...\r\n" for the second that contains the monotonic time `nowMs`. */
  lineAt(nowMs: number): string {
    if (nowMs >= this.#untilMs) this.#refresh(nowMs);
    return this.#line;
  }

  valueAt(nowMs: number): string {
    if (nowMs >= this.#untilMs) this.#refresh(nowMs);
    return this.#value;
  }

  /** Wall-clock milliseconds at the monotonic time `nowMs`, without asking the system. */
  wallMsAt(nowMs: number): number {
    if (nowMs >= this.#untilMs) this.#refresh(nowMs);
    return nowMs + this.#wallOffsetMs;
  }

  #refresh(nowMs: number): void {
    const wallMs = this.#clock.wallMs();
    this.#wallOffsetMs = wallMs - nowMs;
    this.#value = new Date(wallMs).toUTCString();
    this.#line = `date: ${this.#value}\r\n`;
    this.#untilMs = nowMs + (1000 - (wallMs % 1000));
  }
}
