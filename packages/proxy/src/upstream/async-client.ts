// Requests of our own to clusters: call-outs of plugins, mirrors, authorization checks, gRPC. Whole calls here, with a
// failure as the response Envoy would make of it; streams in async-stream.ts. Worker threads.

import { BodyBuffer, type HeaderMap, type RequestHeaders, ResponseHeaders } from '@dragoman/http';
import { Resource } from '../cluster/circuit-breakers.ts';
import type { ClusterManager } from '../cluster/cluster-manager.ts';
import { ownAddress } from '../connection-manager/client-address.ts';
import type { UpstreamServices } from '../server/worker-services.ts';
import {
  type AsyncFailure,
  AsyncStream,
  type AsyncStreamListener,
  type AsyncStreamOptions,
  NO_CLIENT,
} from './async-stream.ts';
import type { ConnectionPools } from './connection-pools.ts';
import { TcpClient, type TcpClientHandler } from './tcp-client.ts';

export interface AsyncRequest {
  readonly headers: RequestHeaders;
  readonly body: Buffer | null;
  readonly trailers?: HeaderMap | null;
  /** For the whole response; 0 waits for ever. */
  readonly timeoutMs: number;
  /** False: the request does not say in x-forwarded-for where it comes from. */
  readonly forwardedFor?: boolean;
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

/** Where clusters are found. */
type ClientServices = UpstreamServices & { readonly clusters: Pick<ClusterManager, 'get'> };

export class AsyncClient {
  readonly #worker: ClientServices;
  readonly #pools: ConnectionPools;
  readonly #active = new Set<AsyncStream>();
  readonly #connections = new Set<TcpClient>();
  readonly #onOver = (stream: AsyncStream): void => {
    this.#active.delete(stream);
  };

  constructor(worker: ClientServices, pools: ConnectionPools) {
    this.#worker = worker;
    this.#pools = pools;
  }

  /**
   * Sends a request to a cluster. Null: there is no such cluster. Otherwise `onDone` is called exactly once, never
   * before send() has returned, unless the call is cancelled first. Without a host (`hasHost`) it will be a 503.
   */
  send(
    clusterName: string,
    request: AsyncRequest,
    onDone: (response: AsyncResponse) => void,
  ): Pick<AsyncStream, 'cancel' | 'hasHost'> | null {
    const { headers, body, trailers, timeoutMs, forwardedFor = true } = request;
    const hasBody = body !== null && body.length > 0;
    const hasTrailers = trailers !== undefined && trailers !== null;
    if (hasBody && !headers.has('content-length')) headers.set('content-length', String(body.length));
    const call = new WholeCall(onDone);
    const endStream = !hasBody && !hasTrailers;
    const stream = this.start(clusterName, headers, call, { timeoutMs, endStream, forwardedFor });
    if (stream === null) return null;
    call.stream = stream;
    if (hasBody) stream.sendData(body, !hasTrailers);
    if (hasTrailers) stream.sendTrailers(trailers);
    return stream;
  }

  /**
   * Opens a request whose body the caller sends piece by piece; its headers go out at once. Null: there is no such
   * cluster. The listener hears nothing before start() has returned.
   */
  start(
    clusterName: string,
    headers: RequestHeaders,
    listener: AsyncStreamListener,
    options: AsyncStreamOptions = {},
  ): AsyncStream | null {
    const cluster = this.#worker.clusters.get(clusterName);
    if (cluster === undefined) return null;
    const { timeoutMs = 0, forwardedFor = true } = options;
    headers.set('x-envoy-internal', 'true');
    if (forwardedFor) headers.set('x-forwarded-for', ownAddress());
    if (timeoutMs > 0) headers.set('x-envoy-expected-rq-timeout-ms', String(Math.ceil(timeoutMs)));
    const stream = new AsyncStream(cluster, headers, listener, options, this.#worker, this.#onOver);
    this.#active.add(stream);
    setImmediate(() => stream.connect(this.#pools));
    return stream;
  }

  hasCluster(clusterName: string): boolean {
    return this.#worker.clusters.get(clusterName) !== undefined;
  }

  /**
   * Begins a raw connection to a host of a cluster; the handler hears nothing before openConnection() has returned.
   * Null: no such cluster, no host to be had, or no room for one more connection.
   */
  openConnection(clusterName: string, handler: TcpClientHandler): TcpClient | null {
    const cluster = this.#worker.clusters.get(clusterName);
    if (cluster === undefined) return null;
    if (!cluster.breakers[0].canCreate(Resource.CONNECTIONS)) {
      cluster.lane.inc(cluster.stats.upstreamCxOverflow);
      return null;
    }
    const host = cluster.chooseHost(null);
    if (host === null) return null;
    for (const old of this.#connections) if (old.closed) this.#connections.delete(old);
    const demand = { requestHeaders: null, info: NO_CLIENT };
    const connector = this.#pools.connectorOf(cluster);
    const connection = new TcpClient(host, cluster, this.#worker, connector, demand, handler);
    this.#connections.add(connection);
    return connection;
  }

  cancelAll(): void {
    for (const stream of [...this.#active]) stream.cancel();
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
  }
}

/** Gathers a response. */
class WholeCall implements AsyncStreamListener {
  stream: AsyncStream | null = null;
  readonly #onDone: (response: AsyncResponse) => void;
  readonly #body = new BodyBuffer();
  #headers: ResponseHeaders | null = null;

  constructor(onDone: (response: AsyncResponse) => void) {
    this.#onDone = onDone;
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#headers = headers;
    if (endStream) this.#succeed(null);
  }

  onData(bytes: Buffer, endStream: boolean): void {
    if (this.#body.length + bytes.length > MAX_ASYNC_RESPONSE_BYTES) {
      this.stream?.cancel();
      this.#onDone(localResponse(502, 'response of a call-out over the limit'));
      return;
    }
    if (bytes.length > 0) this.#body.appendCopy(bytes);
    if (endStream) this.#succeed(null);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#succeed(trailers);
  }

  onFailure({ status, text }: AsyncFailure): void {
    this.#onDone(localResponse(status, text));
  }

  onWritable(): void {}

  #succeed(trailers: HeaderMap | null): void {
    this.#onDone({ headers: this.#headers!, body: this.#body.toBuffer(), trailers, local: false });
  }
}

function localResponse(status: number, text: string): AsyncResponse {
  const headers = new ResponseHeaders();
  headers.status = status;
  headers.set('content-length', String(text.length));
  headers.set('content-type', 'text/plain');
  return { headers, body: Buffer.from(text), trailers: null, local: true };
}
