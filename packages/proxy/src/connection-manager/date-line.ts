// The date header, formatted once a second per worker (RFC 9110, 6.6.1).

import type { Clock } from '@dragoman/base';

export class DateLine {
  readonly #clock: Clock;
  #value = '';
  #line = '';
  #untilMs = Number.NEGATIVE_INFINITY;

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

  #refresh(nowMs: number): void {
    const wallMs = this.#clock.wallMs();
    this.#value = new Date(wallMs).toUTCString();
    this.#line = `date: ${this.#value}\r\n`;
    this.#untilMs = nowMs + (1000 - (wallMs % 1000));
  }
}
