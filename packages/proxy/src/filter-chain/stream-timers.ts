// The timeouts of one stream: idle, whole request, whole duration. What they mean is the stream's affair; here is only
// when they run.

import { Timer, type Timers } from '@dragoman/base';
import type { ManagerSettings } from '../connection-manager/settings.ts';
import type { Route } from '../route/route.ts';

/** What happens when a timeout of a stream passes. */
export interface StreamTimeouts {
  onIdleTimeout(): void;
  onRequestTimeout(): void;
  onMaxDuration(): void;
}

export class StreamTimers {
  readonly #timers: Timers;
  readonly #idle: Timer;
  readonly #request: Timer;
  readonly #duration: Timer;
  #idleTimeoutMs = 0;

  constructor(timers: Timers, timeouts: StreamTimeouts) {
    this.#timers = timers;
    this.#idle = new Timer(() => timeouts.onIdleTimeout());
    this.#request = new Timer(() => timeouts.onRequestTimeout());
    this.#duration = new Timer(() => timeouts.onMaxDuration());
  }

  begin(settings: ManagerSettings, requestEnded: boolean, nowMs: number): void {
    this.#idleTimeoutMs = settings.streamIdleTimeoutMs;
    if (this.#idleTimeoutMs > 0) this.#timers.start(this.#idle, this.#idleTimeoutMs, nowMs);
    if (settings.requestTimeoutMs > 0 && !requestEnded)
      this.#timers.start(this.#request, settings.requestTimeoutMs, nowMs);
    if (settings.maxStreamDurationMs > 0)
      this.#timers.start(this.#duration, settings.maxStreamDurationMs, nowMs);
  }

  /** A route can override the idle timeout and limit the stream's duration. */
  applyRoute(route: Route): void {
    if (route.idleTimeoutMs >= 0 && route.idleTimeoutMs !== this.#idleTimeoutMs) {
      this.#idleTimeoutMs = route.idleTimeoutMs;
      if (this.#idleTimeoutMs > 0) this.#timers.start(this.#idle, this.#idleTimeoutMs);
      else this.#idle.stop();
    }
    if (route.maxStreamDurationMs > 0) this.#timers.start(this.#duration, route.maxStreamDurationMs);
    else if (route.maxStreamDurationMs === 0) this.#duration.stop();
  }

  /** Something came or went: the stream is not idle. */
  touch(): void {
    if (this.#idleTimeoutMs > 0) this.#timers.start(this.#idle, this.#idleTimeoutMs);
  }

  onRequestEnd(): void {
    this.#request.stop();
  }

  stop(): void {
    this.#idle.stop();
    this.#request.stop();
    this.#duration.stop();
  }
}
