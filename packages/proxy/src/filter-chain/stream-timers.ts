// The timeouts of one stream: idle, whole request, whole duration: when they run, and how a request is answered whose time is
// up.

import { Timer, type Timers } from '@dragoman/base';
import { HeaderId, type RequestHeaders } from '@dragoman/http';
import type { ConnectionManager } from '../connection-manager/connection-manager.ts';
import type { ManagerSettings } from '../connection-manager/settings.ts';
import { readGrpcTimeout, writeGrpcTimeout } from '../format/grpc-timeout.ts';
import { ResponseFlag } from '../format/response-flags.ts';
import type { Route } from '../route/route.ts';
import type { WorkerServices } from '../server/worker-services.ts';
import { isGrpcContentType } from './local-reply.ts';
import type { StreamInfo } from './stream-info.ts';

/** The stream, as its timers see it. */
export interface TimedStream {
  readonly worker: WorkerServices;
  readonly manager: ConnectionManager;
  readonly info: StreamInfo;
  readonly requestEnded: boolean;
  readonly responseStarted: boolean;
  sendLocalReply(status: number, body: string, details: string, headers: null, grpcStatus?: number): void;
  resetStream(): void;
}

export class StreamTimers {
  readonly #timers: Timers;
  readonly #stream: TimedStream;
  readonly #idle: Timer;
  readonly #request: Timer;
  readonly #duration: Timer;
  #idleTimeoutMs = 0;

  constructor(timers: Timers, stream: TimedStream) {
    this.#timers = timers;
    this.#stream = stream;
    this.#idle = new Timer(() => this.#onIdle());
    this.#request = new Timer(() => this.#onRequest());
    this.#duration = new Timer(() => this.#onMaxDuration());
  }

  begin(settings: ManagerSettings, requestEnded: boolean, nowMs: number): void {
    this.#idleTimeoutMs = this.#stream.worker.reducedTimeouts.streamIdleMs(settings.streamIdleTimeoutMs);
    if (this.#idleTimeoutMs > 0) this.#timers.start(this.#idle, this.#idleTimeoutMs, nowMs);
    if (settings.requestTimeoutMs > 0 && !requestEnded)
      this.#timers.start(this.#request, settings.requestTimeoutMs, nowMs);
    if (settings.maxStreamDurationMs > 0)
      this.#timers.start(this.#duration, settings.maxStreamDurationMs, nowMs);
  }

  /** A route can override the idle timeout and limit the stream's duration. */
  applyRoute(route: Route, headers: RequestHeaders | null): void {
    if (route.idleTimeoutMs >= 0 && route.idleTimeoutMs !== this.#idleTimeoutMs) {
      this.#idleTimeoutMs = route.idleTimeoutMs;
      if (this.#idleTimeoutMs > 0) this.#timers.start(this.#idle, this.#idleTimeoutMs);
      else this.#idle.stop();
    }
    if (route.grpcTimeoutHeaderMaxMs >= 0 && headers?.hasId(HeaderId.GRPC_TIMEOUT)) {
      const timeoutMs = readGrpcTimeout(headers.getId(HeaderId.GRPC_TIMEOUT));
      if (timeoutMs >= 0) {
        this.#startGrpcDuration(route, headers, timeoutMs);
        return;
      }
    }
    if (route.maxStreamDurationMs > 0) this.#timers.start(this.#duration, route.maxStreamDurationMs);
    else if (route.maxStreamDurationMs === 0) this.#duration.stop();
  }

  /** The client says how long it waits: that holds, within the route's limits, and the upstream is told. */
  #startGrpcDuration(route: Route, headers: RequestHeaders, askedMs: number): void {
    const maxMs = route.grpcTimeoutHeaderMaxMs;
    let timeoutMs = maxMs > 0 ? Math.min(askedMs, maxMs) : askedMs;
    timeoutMs = Math.max(0, timeoutMs - route.grpcTimeoutHeaderOffsetMs);
    if (isGrpcContentType(headers.getId(HeaderId.CONTENT_TYPE)))
      headers.set('grpc-timeout', writeGrpcTimeout(timeoutMs));
    this.#timers.start(this.#duration, timeoutMs || 1);
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

  #onIdle(): void {
    const { manager, info } = this.#stream;
    manager.lane.inc(manager.stats.downstreamRqIdleTimeout);
    info.addResponseFlag(ResponseFlag.StreamIdleTimeout);
    this.#end('stream timeout', 'stream_idle_timeout');
  }

  #onRequest(): void {
    const { manager } = this.#stream;
    manager.lane.inc(manager.stats.downstreamRqTimeout);
    this.#stream.sendLocalReply(408, 'request timeout', 'request_overall_timeout', null);
  }

  #onMaxDuration(): void {
    const { manager } = this.#stream;
    manager.lane.inc(manager.stats.downstreamRqMaxDurationReached);
    this.#end('downstream duration timeout', 'max_duration_timeout', GRPC_DEADLINE_EXCEEDED);
  }

  #end(body: string, details: string, grpcStatus?: number): void {
    const stream = this.#stream;
    if (stream.responseStarted) {
      stream.info.responseCodeDetails = details;
      stream.resetStream();
      return;
    }
    // While its request is not complete it is the client that has kept us waiting.
    stream.sendLocalReply(stream.requestEnded ? 504 : 408, body, details, null, grpcStatus);
  }
}

const GRPC_DEADLINE_EXCEEDED = 4;
