// The timeouts of one request: of all of it, and of each attempt at it: its time, its time without anything coming, its whole
// duration. When they run and what the upstream is told of them; what they mean is the router's affair.

import { Timer, type Timers } from '@dragoman/base';
import type { RequestHeaders } from '@dragoman/http';
import type { Route } from '../route/route.ts';
import type { RouterSettings } from './router-settings.ts';
import { requestTimeouts, setTimeoutHeaders } from './timeouts.ts';

export interface RequestTimerHandler {
  onTimeout(): void;
  onPerTryTimeout(): void;
  onPerTryIdleTimeout(): void;
  onMaxDuration(): void;
}

export class RequestTimers {
  readonly #timers: Timers;
  readonly #settings: RouterSettings;
  readonly #global: Timer;
  readonly #perTry: Timer;
  readonly #idle: Timer;
  readonly #duration: Timer;
  /** For the whole request; 0 = none. */
  timeoutMs = 0;
  attemptStartMs = 0;
  /** The client wants 204 instead of 504. */
  altResponse = false;
  #perTryMs = 0;
  #idleMs = 0;
  #maxDurationMs = Number.POSITIVE_INFINITY;
  #tellsGrpcTimeout = false;

  constructor(timers: Timers, settings: RouterSettings, handler: RequestTimerHandler) {
    this.#timers = timers;
    this.#settings = settings;
    this.#global = new Timer(() => handler.onTimeout());
    this.#perTry = new Timer(() => handler.onPerTryTimeout());
    this.#idle = new Timer(() => handler.onPerTryIdleTimeout());
    this.#duration = new Timer(() => handler.onMaxDuration());
  }

  begin(route: Route, headers: RequestHeaders, clusterMaxDurationMs: number): void {
    const timeouts = requestTimeouts(route, headers, this.#settings, clusterMaxDurationMs);
    this.timeoutMs = timeouts.globalMs;
    this.altResponse = timeouts.altResponse;
    this.#perTryMs = timeouts.perTryMs;
    this.#idleMs = timeouts.perTryIdleMs;
    this.#maxDurationMs = timeouts.maxDurationMs;
    this.#tellsGrpcTimeout = timeouts.tellsGrpcTimeout;
  }

  /** Tells the upstream how long an attempt that begins now has. */
  tell(headers: RequestHeaders, elapsedMs: number): void {
    setTimeoutHeaders(headers, {
      globalMs: this.timeoutMs,
      perTryMs: this.#perTryMs,
      elapsedMs,
      suppressEnvoyHeaders: this.#settings.suppressEnvoyHeaders,
      tellsGrpcTimeout: this.#tellsGrpcTimeout,
    });
  }

  /** The whole request has come from the client. */
  onRequestEnd(nowMs: number): void {
    if (this.timeoutMs > 0) this.#timers.start(this.#global, this.timeoutMs, nowMs);
  }

  /** An attempt asks for a connection. */
  onConnecting(): void {
    this.attemptStartMs = this.#timers.clock.nowMs();
  }

  /** How long the attempt has waited for it. */
  waitedMs(): number {
    return this.#timers.clock.nowMs() - this.attemptStartMs;
  }

  /** There is a connection. */
  onReady(): void {
    if (this.#maxDurationMs !== Number.POSITIVE_INFINITY)
      this.#timers.start(this.#duration, this.#maxDurationMs);
  }

  /** There is a connection, and the whole request has come. */
  onRequestSent(): void {
    if (this.#perTryMs > 0) this.#timers.start(this.#perTry, this.#perTryMs);
    if (this.#idleMs > 0) this.#timers.start(this.#idle, this.#idleMs);
  }

  onResponseHeaders(): void {
    this.#perTry.stop();
    this.touch();
  }

  /** Something has come from the upstream. */
  touch(): void {
    if (this.#idleMs > 0 && this.#idle.running) this.#timers.start(this.#idle, this.#idleMs);
  }

  /** The attempt is over. */
  stopAttempt(): void {
    this.#perTry.stop();
    this.#idle.stop();
    this.#duration.stop();
  }

  stop(): void {
    this.#global.stop();
    this.stopAttempt();
  }
}
