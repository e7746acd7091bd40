// One request of our own to a cluster, piece by piece in both directions: the ground under whole calls (AsyncClient.send)
// and gRPC. Worker threads only.

import { Timer } from '@dragoman/base';
import { BodyBuffer, type HeaderMap, type RequestHeaders, type ResponseHeaders } from '@dragoman/http';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { resetDetails, resetFailure } from '../router/failure.ts';
import type { UpstreamServices } from '../server/worker-services.ts';
import type { ConnectionPools } from './connection-pools.ts';
import type { ConnectionDemand } from './connector.ts';
import type { PendingRequest, ResetReason, UpstreamHandler, UpstreamStream } from './upstream-stream.ts';

/** Why there is no (complete) response, as the answer that Envoy makes of it. */
export interface AsyncFailure {
  readonly status: number;
  readonly text: string;
  /** As %RESPONSE_CODE_DETAILS% says it: "upstream_reset_before_response_started{remote_reset}". */
  readonly details: string;
  /** The response's headers had been handed over. */
  readonly responseStarted: boolean;
}

/**
 * Hears of the response: headers, then data and trailers, or a failure at any point. Nothing comes before start() has
 * returned, after the end, or after cancel().
 */
export interface AsyncStreamListener {
  /** `headers` are the listener's to keep. */
  onHeaders(headers: ResponseHeaders, endStream: boolean): void;
  /** `bytes` is borrowed: valid until the call returns. */
  onData(bytes: Buffer, endStream: boolean): void;
  onTrailers(trailers: HeaderMap): void;
  onFailure(failure: AsyncFailure): void;
  /** `needsDrain` was true and is no longer. */
  onWritable(): void;
}

export interface AsyncStreamOptions {
  /** From the end of the request to the end of the response; 0 or absent waits for ever. */
  readonly timeoutMs?: number;
  /** The request has no body. */
  readonly endStream?: boolean;
  /** Says in x-forwarded-for who asks; true where absent. */
  readonly forwardedFor?: boolean;
}

/** What waits for a connection before needsDrain asks for patience (Envoy's per_connection_buffer_limit_bytes). */
const WAITING_LIMIT_BYTES = 1024 * 1024;

/** Requests of our own come from no client connection. */
export const NO_CLIENT: ConnectionDemand['info'] = { protocol: '', connection: null };

/** Made and started by AsyncClient. */
export class AsyncStream implements UpstreamHandler, ConnectionDemand {
  readonly info = NO_CLIENT;
  readonly requestHeaders: RequestHeaders;
  readonly #cluster: Cluster;
  readonly #listener: AsyncStreamListener;
  readonly #timeoutMs: number;
  readonly #worker: UpstreamServices;
  readonly #onOver: (stream: AsyncStream) => void;
  readonly #timer: Timer;
  /** Body that waits for a connection. */
  readonly #waiting = new BodyBuffer();
  #trailers: HeaderMap | null = null;
  readonly #host: Host | null;
  #pending: PendingRequest | null = null;
  #upstream: UpstreamStream | null = null;
  #requestEnded: boolean;
  #responseStarted = false;
  #paused = false;
  #drainAwaited = false;
  #requestEndMs = 0;
  #over = false;

  constructor(
    cluster: Cluster,
    headers: RequestHeaders,
    listener: AsyncStreamListener,
    options: AsyncStreamOptions,
    worker: UpstreamServices,
    onOver: (stream: AsyncStream) => void,
  ) {
    this.#cluster = cluster;
    this.requestHeaders = headers;
    this.#listener = listener;
    this.#timeoutMs = options.timeoutMs ?? 0;
    this.#worker = worker;
    this.#onOver = onOver;
    this.#timer = new Timer(() => this.#onTimeout());
    this.#requestEnded = false;
    this.#host = cluster.chooseHost(null);
    if (options.endStream === true) this.#endRequest();
  }

  /** False: the cluster has no host to be had, and onFailure is all that will come. */
  get hasHost(): boolean {
    return this.#host !== null;
  }

  connect(pools: ConnectionPools): void {
    if (this.#over) return;
    if (this.#host === null) this.#fail(503, 'no healthy upstream', 'no_healthy_upstream');
    else this.#pending = pools.poolFor(this.#host, this.#cluster, 0, this).newStream(this);
  }

  // --- the request ---

  /** `bytes` is borrowed. Without effect once the stream is over, which a peer may decide at any time. */
  sendData(bytes: Buffer, endStream: boolean): void {
    if (this.#over || this.#requestEnded) return;
    if (endStream) this.#endRequest();
    if (this.#upstream === null) this.#waiting.appendCopy(bytes);
    else this.#upstream.sendData(bytes, endStream);
  }

  /** Ends the request. */
  sendTrailers(trailers: HeaderMap): void {
    if (this.#over || this.#requestEnded) return;
    this.#endRequest();
    if (this.#upstream === null) this.#trailers = trailers;
    else this.#upstream.sendTrailers(trailers);
  }

  /** True when more data should wait for onWritable. */
  get needsDrain(): boolean {
    const needed =
      this.#upstream === null
        ? this.#waiting.length >= WAITING_LIMIT_BYTES
        : !this.#over && this.#upstream.needsDrain;
    if (needed) this.#drainAwaited = true;
    return needed;
  }

  /** Stops the reading of the response, or lets it go on. */
  pauseReading(paused: boolean): void {
    if (this.#paused === paused || this.#over) return;
    this.#paused = paused;
    this.#upstream?.pauseReading(paused);
  }

  /** Gives the request up (HTTP/2: RST_STREAM); the listener hears nothing any more. */
  cancel(): void {
    if (this.#over) return;
    this.#end();
    this.#pending?.cancel();
    this.#upstream?.cancel();
  }

  #endRequest(): void {
    const { clock } = this.#worker.timers;
    this.#requestEnded = true;
    this.#requestEndMs = clock.nowMs();
    if (this.#timeoutMs > 0) this.#worker.timers.start(this.#timer, this.#timeoutMs, this.#requestEndMs);
  }

  // --- the connection ---

  onUpstreamReady(upstream: UpstreamStream): void {
    const trailers = this.#trailers;
    const hasBody = this.#waiting.length > 0;
    this.#pending = null;
    this.#upstream = upstream;
    upstream.sendHeaders(this.requestHeaders, this.#requestEnded && !hasBody && trailers === null);
    if (hasBody) upstream.sendData(this.#waiting.toBuffer(), this.#requestEnded && trailers === null);
    if (trailers !== null) upstream.sendTrailers(trailers);
    upstream.flush();
    this.#waiting.clear();
    if (this.#paused) upstream.pauseReading(true);
    if (this.#drainAwaited && !upstream.needsDrain) this.onUpstreamWritable();
  }

  onUpstreamWritable(): void {
    if (this.#over || !this.#drainAwaited) return;
    this.#drainAwaited = false;
    this.#listener.onWritable();
  }

  // --- the response ---

  onUpstreamInformational(): void {}

  onUpstreamHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.#over) return;
    this.#responseStarted = true;
    if (this.#requestEnded) {
      const timeMs = Math.round(this.#worker.timers.clock.nowMs() - this.#requestEndMs);
      headers.set('x-envoy-upstream-service-time', String(timeMs));
    }
    this.#charge(headers.status);
    if (endStream) this.#complete();
    this.#listener.onHeaders(headers, endStream);
  }

  onUpstreamData(bytes: Buffer, endStream: boolean): void {
    if (this.#over) return;
    if (endStream) this.#complete();
    this.#listener.onData(bytes, endStream);
  }

  onUpstreamTrailers(trailers: HeaderMap): void {
    if (this.#over) return;
    this.#complete();
    this.#listener.onTrailers(trailers);
  }

  onUpstreamReset(reason: ResetReason, transportFailure: string): void {
    if (this.#over) return;
    const { status, body } = resetFailure(reason, transportFailure, false);
    const when = this.#responseStarted ? 'after' : 'before';
    this.#charge(status);
    this.#fail(status, body, resetDetails(when, reason, transportFailure));
  }

  onUpstreamReadDone(): void {}

  #onTimeout(): void {
    const { lane, stats } = this.#cluster;
    lane.inc(stats.upstreamRqTimeout);
    if (this.#host !== null) lane.inc(this.#host.stats.rqTimeout);
    this.#pending?.cancel();
    this.#upstream?.cancel();
    this.#charge(504);
    this.#fail(504, 'upstream request timeout', 'response_timeout');
  }

  #charge(status: number): void {
    const canary = this.#host?.canary ?? false;
    this.#cluster.responses.chargeResponse(status, true, canary);
    if (this.#host !== null)
      this.#cluster.lane.inc(status >= 500 ? this.#host.stats.rqError : this.#host.stats.rqSuccess);
  }

  /** The response is whole. A request that is not is of no use to anybody: the upstream stream ends it by itself. */
  #complete(): void {
    this.#end();
    if (!this.#requestEnded) return;
    const timeMs = this.#worker.timers.clock.nowMs() - this.#requestEndMs;
    this.#cluster.responses.chargeResponseTime(timeMs, true, this.#host?.canary ?? false);
  }

  #fail(status: number, text: string, details: string): void {
    this.#end();
    this.#listener.onFailure({ status, text, details, responseStarted: this.#responseStarted });
  }

  #end(): void {
    this.#over = true;
    this.#timer.stop();
    this.#waiting.clear();
    this.#onOver(this);
  }
}
