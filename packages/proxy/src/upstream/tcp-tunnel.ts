// CONNECT that ends at this proxy: the request's bytes go to a host over a connection of their own, and what comes back is the
// response's body. The response itself is made here (Envoy: TcpConnPool, TcpUpstream).

import { type HeaderMap, type RequestHeaders, ResponseHeaders } from '@dragoman/http';
import { Resource } from '../cluster/circuit-breakers.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import type { UpstreamServices } from '../server/worker-services.ts';
import type { ConnectionDemand, Connector } from './connector.ts';
import { TcpClient, type TcpClientHandler } from './tcp-client.ts';
import {
  type ConnectionPool,
  type PendingRequest,
  ResetReason,
  type UpstreamHandler,
  type UpstreamStream,
} from './upstream-stream.ts';

/** Makes a connection for each request: none of them can be used again. */
export class TunnelPool implements ConnectionPool {
  readonly unused = true;
  readonly #host: Host;
  readonly #cluster: Cluster;
  readonly #worker: UpstreamServices;
  readonly #connector: Connector;
  readonly #demand: ConnectionDemand;

  constructor(
    host: Host,
    cluster: Cluster,
    worker: UpstreamServices,
    connector: Connector,
    demand: ConnectionDemand,
  ) {
    this.#host = host;
    this.#cluster = cluster;
    this.#worker = worker;
    this.#connector = connector;
    this.#demand = demand;
  }

  newStream(handler: UpstreamHandler): PendingRequest | null {
    const { lane, stats, breakers } = this.#cluster;
    if (!breakers[0].canCreate(Resource.CONNECTIONS)) {
      lane.inc(stats.upstreamCxOverflow);
      handler.onUpstreamReset(ResetReason.Overflow, '');
      return null;
    }
    return new TcpTunnel(this.#host, this.#cluster, this.#worker, this.#connector, this.#demand, handler);
  }

  drain(): void {}

  closeAll(): void {}
}

class TcpTunnel implements UpstreamStream, PendingRequest, TcpClientHandler {
  readonly host: Host;
  readonly protocol = '';
  readonly requestsBefore = 0;
  readonly #client: TcpClient;
  #handler: UpstreamHandler | null;

  constructor(
    host: Host,
    cluster: Cluster,
    worker: UpstreamServices,
    connector: Connector,
    demand: ConnectionDemand,
    handler: UpstreamHandler,
  ) {
    this.host = host;
    this.#handler = handler;
    this.#client = new TcpClient(host, cluster, worker, connector, demand, this);
  }

  // --- UpstreamStream ---

  get localAddress(): string {
    return this.#client.localAddress;
  }

  get tls(): TlsConnectionInfo | null {
    return this.#client.tls;
  }

  get needsDrain(): boolean {
    return this.#client.needsDrain;
  }

  /** There is nobody to send them to: the connection is the answer. */
  sendHeaders(_headers: RequestHeaders, endStream: boolean): void {
    if (endStream) this.#client.end();
    process.nextTick(() => this.#answer());
  }

  sendData(bytes: Buffer, endStream: boolean): void {
    this.#client.write(bytes);
    if (endStream) this.#client.end();
  }

  sendTrailers(_trailers: HeaderMap): void {
    this.#client.end();
  }

  flush(): void {}

  pauseReading(paused: boolean): void {
    this.#client.pauseReading(paused);
  }

  cancel(): void {
    this.#handler = null;
    this.#client.close();
  }

  #answer(): void {
    const handler = this.#handler;
    if (handler === null) return;
    const headers = new ResponseHeaders();
    headers.status = 200;
    handler.onUpstreamHeaders(headers, false);
    this.#handler?.onUpstreamReadDone();
  }

  // --- TcpClientHandler ---

  onTcpConnected(): void {
    this.#handler?.onUpstreamReady(this);
  }

  onTcpConnectFailed(reason: ResetReason, transportFailure: string): void {
    const handler = this.#handler;
    this.#handler = null;
    handler?.onUpstreamReset(reason, transportFailure);
  }

  onTcpData(bytes: Buffer): void {
    this.#handler?.onUpstreamData(bytes, false);
    this.#handler?.onUpstreamReadDone();
  }

  onTcpEnd(): void {
    const handler = this.#handler;
    this.#handler = null;
    handler?.onUpstreamData(EMPTY, true);
    handler?.onUpstreamReadDone();
    this.#client.close();
  }

  onTcpClosed(): void {
    const handler = this.#handler;
    this.#handler = null;
    handler?.onUpstreamReset(ResetReason.ConnectionTermination, '');
  }

  onTcpWritable(): void {
    this.#handler?.onUpstreamWritable();
  }
}

const EMPTY = Buffer.alloc(0);
