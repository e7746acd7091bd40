// Requests of our own to clusters: call-outs of plugins, mirrors, authorization checks. The whole request is there at
// the start, the whole response at the end; a failure arrives as the response Envoy would make of it. Worker threads.

import { Timer } from '@dragoman/base';
import { BodyBuffer, type HeaderMap, type RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { ownAddress } from '../connection-manager/client-address.ts';
import { failureBody, failureStatus } from '../router/failure.ts';
import type { WorkerServices } from '../server/worker-services.ts';
import type { ConnectionPools } from './connection-pools.ts';
import type { ConnectionDemand } from './connector.ts';
import type { PendingRequest, ResetReason, UpstreamHandler, UpstreamStream } from './upstream-stream.ts';

export interface AsyncRequest {
  readonly headers: RequestHeaders;
  readonly body: Buffer | null;
  readonly trailers?: HeaderMap | null;
  /** For the whole response; 0 waits for ever. */
  readonly timeoutMs: number;
}

export interface AsyncResponse {
  readonly headers: ResponseHeaders;
  readonly body: Buffer;
  readonly trailers: HeaderMap | null;
  /** Made here: no (complete) response came. */
  readonly local: boolean;
}

/** Most bytes of a response that are kept; a longer one is a failure. */
export const MAX_ASYNC_RESPONSE_BYTES = 16 * 1024 * 1024;

export class AsyncClient {
  readonly #worker: WorkerServices;
  readonly #pools: ConnectionPools;
  readonly #active = new Set<AsyncCall>();

  constructor(worker: WorkerServices, pools: ConnectionPools) {
    this.#worker = worker;
    this.#pools = pools;
  }

  /**
   * Sends a request to a cluster. Null: there is no such cluster. Otherwise `onDone` is called exactly once, never
   * before send() has returned, unless the call is cancelled first.
   */
  send(
    clusterName: string,
    request: AsyncRequest,
    onDone: (response: AsyncResponse) => void,
  ): { cancel(): void } | null {
    const cluster = this.#worker.clusters.get(clusterName);
    if (cluster === undefined) return null;
    const { headers } = request;
    headers.set('x-envoy-internal', 'true');
    headers.set('x-forwarded-for', ownAddress());
    if (request.timeoutMs > 0)
      headers.set('x-envoy-expected-rq-timeout-ms', String(Math.ceil(request.timeoutMs)));
    if (request.body !== null && request.body.length > 0 && !headers.has('content-length'))
      headers.set('content-length', String(request.body.length));
    const call = new AsyncCall(cluster, request, onDone, this.#worker, done => this.#active.delete(done));
    this.#active.add(call);
    setImmediate(() => call.start(this.#pools));
    return call;
  }

  cancelAll(): void {
    for (const call of [...this.#active]) call.cancel();
  }
}

class AsyncCall implements UpstreamHandler, ConnectionDemand {
  readonly info = NO_CLIENT;
  readonly #cluster: Cluster;
  readonly #request: AsyncRequest;
  readonly #onDone: (response: AsyncResponse) => void;
  readonly #worker: WorkerServices;
  readonly #onOver: (call: AsyncCall) => void;
  readonly #timer: Timer;
  readonly #body = new BodyBuffer();
  #host: Host | null = null;
  #pending: PendingRequest | null = null;
  #upstream: UpstreamStream | null = null;
  #headers: ResponseHeaders | null = null;
  #startMs = 0;
  #over = false;

  constructor(
    cluster: Cluster,
    request: AsyncRequest,
    onDone: (response: AsyncResponse) => void,
    worker: WorkerServices,
    onOver: (call: AsyncCall) => void,
  ) {
    this.#cluster = cluster;
    this.#request = request;
    this.#onDone = onDone;
    this.#worker = worker;
    this.#onOver = onOver;
    this.#timer = new Timer(() => this.#onTimeout());
  }

  get requestHeaders(): RequestHeaders {
    return this.#request.headers;
  }

  start(pools: ConnectionPools): void {
    if (this.#over) return;
    this.#startMs = this.#worker.timers.clock.nowMs();
    if (this.#request.timeoutMs > 0)
      this.#worker.timers.start(this.#timer, this.#request.timeoutMs, this.#startMs);
    this.#host = this.#cluster.chooseHost(null);
    if (this.#host === null) this.#fail(503, 'no healthy upstream');
    else this.#pending = pools.poolFor(this.#host, this.#cluster, 0, this).newStream(this);
  }

  cancel(): void {
    if (this.#over) return;
    this.#end();
    this.#pending?.cancel();
    this.#upstream?.cancel();
  }

  onUpstreamReady(upstream: UpstreamStream): void {
    const { headers, body, trailers } = this.#request;
    const hasTrailers = trailers !== undefined && trailers !== null;
    const hasBody = body !== null && body.length > 0;
    this.#pending = null;
    this.#upstream = upstream;
    upstream.sendHeaders(headers, !hasBody && !hasTrailers);
    if (hasBody) upstream.sendData(body, !hasTrailers);
    if (hasTrailers) upstream.sendTrailers(trailers);
    upstream.flush();
  }

  onUpstreamInformational(): void {}

  onUpstreamHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#headers = headers.copy();
    headers.inUse = false;
    const timeMs = Math.round(this.#worker.timers.clock.nowMs() - this.#startMs);
    this.#headers.set('x-envoy-upstream-service-time', String(timeMs));
    this.#charge(headers.status);
    if (endStream) this.#succeed(null);
  }

  onUpstreamData(bytes: Buffer, endStream: boolean): void {
    if (this.#body.length + bytes.length > MAX_ASYNC_RESPONSE_BYTES) {
      this.#upstream?.cancel();
      this.#fail(502, 'response of a call-out over the limit');
      return;
    }
    if (bytes.length > 0) this.#body.appendCopy(bytes);
    if (endStream) this.#succeed(null);
  }

  onUpstreamTrailers(trailers: HeaderMap): void {
    this.#succeed(trailers);
  }

  onUpstreamReset(reason: ResetReason): void {
    if (this.#over) return;
    this.#charge(failureStatus(reason));
    this.#fail(failureStatus(reason), failureBody(reason, false));
  }

  onUpstreamWritable(): void {}

  onUpstreamReadDone(): void {}

  #onTimeout(): void {
    const { lane, stats } = this.#cluster;
    lane.inc(stats.upstreamRqTimeout);
    if (this.#host !== null) lane.inc(this.#host.stats.rqTimeout);
    this.#pending?.cancel();
    this.#upstream?.cancel();
    this.#charge(504);
    this.#fail(504, 'upstream request timeout');
  }

  #charge(status: number): void {
    const canary = this.#host?.canary ?? false;
    this.#cluster.responses.chargeResponse(status, true, canary);
    if (this.#host !== null)
      this.#cluster.lane.inc(status >= 500 ? this.#host.stats.rqError : this.#host.stats.rqSuccess);
  }

  #succeed(trailers: HeaderMap | null): void {
    if (this.#over) return;
    this.#end();
    const timeMs = this.#worker.timers.clock.nowMs() - this.#startMs;
    this.#cluster.responses.chargeResponseTime(timeMs, true, this.#host?.canary ?? false);
    this.#onDone({ headers: this.#headers!, body: this.#body.toBuffer(), trailers, local: false });
  }

  #fail(status: number, text: string): void {
    if (this.#over) return;
    this.#end();
    const headers = new ResponseHeaders();
    headers.status = status;
    headers.set('content-length', String(text.length));
    headers.set('content-type', 'text/plain');
    this.#onDone({ headers, body: Buffer.from(text), trailers: null, local: true });
  }

  #end(): void {
    this.#over = true;
    this.#timer.stop();
    this.#onOver(this);
  }
}

/** Requests of our own come from no client connection. */
const NO_CLIENT: ConnectionDemand['info'] = { protocol: '', connection: null };
