// One raw connection to an upstream host: for the TCP proxy, and for CONNECT requests that end here. Each side may finish
// sending before the other. Worker threads only.

import type { Socket } from 'node:net';
import { Timer } from '@dragoman/base';
import { type CircuitBreakers, Resource } from '../cluster/circuit-breakers.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import type { UpstreamServices } from '../server/worker-services.ts';
import { writeBorrowed } from '../socket/body-writer.ts';
import { BufferedRead, type BytesConsumer } from '../socket/buffered-read.ts';
import type { ConnectionDemand, ConnectionKind, Connector } from './connector.ts';
import { ResetReason } from './upstream-stream.ts';

export interface TcpClientHandler {
  onTcpConnected(): void;
  /** No connection came about; nothing more comes. */
  onTcpConnectFailed(reason: ResetReason, transportFailure: string): void;
  /** `bytes` is borrowed. */
  onTcpData(bytes: Buffer): void;
  /** The host has finished sending. */
  onTcpEnd(): void;
  /** The connection is gone: broken, or because both sides had finished. */
  onTcpClosed(): void;
  onTcpWritable(): void;
}

export class TcpClient implements BytesConsumer {
  readonly host: Host;
  readonly #cluster: Cluster;
  readonly #worker: UpstreamServices;
  readonly #breakers: CircuitBreakers;
  readonly #connector: Connector;
  readonly #kind: ConnectionKind;
  readonly #socket: Socket;
  readonly #read: BufferedRead;
  readonly #connectTimer: Timer;
  readonly #startMs: number;
  #handler: TcpClientHandler | null;
  #connected = false;
  #closed = false;

  /** Begins to connect; counts the connection in the cluster, as every pool does. */
  constructor(
    host: Host,
    cluster: Cluster,
    worker: UpstreamServices,
    connector: Connector,
    demand: ConnectionDemand,
    handler: TcpClientHandler,
  ) {
    this.host = host;
    this.#cluster = cluster;
    this.#worker = worker;
    this.#breakers = cluster.breakers[0];
    this.#connector = connector;
    this.#kind = { ...connector.kindFor(demand), raw: true };
    this.#handler = handler;
    this.#read = new BufferedRead(this, worker.readBuffers);
    this.#read.streaming = true;
    this.#connectTimer = new Timer(() => this.#onConnectTimeout());
    this.#startMs = worker.timers.clock.nowMs();
    this.#countOpened();
    worker.timers.start(this.#connectTimer, cluster.connectTimeoutMs, this.#startMs);
    const { socket, readyEvent, reading } = connector.connect(host, this.#kind, this.#read.onread);
    this.#socket = socket;
    if (!reading) socket.on('data', (bytes: Buffer) => this.onBytes(bytes, bytes.length));
    socket.on(readyEvent, () => this.#onReady());
    socket.on('end', () => this.#onEnd());
    socket.on('drain', () => this.#handler?.onTcpWritable());
    socket.on('error', (error: NodeJS.ErrnoException) => this.#onError(error));
    socket.on('close', () => this.#onClose());
  }

  get localAddress(): string {
    return `${this.#socket.localAddress}:${this.#socket.localPort}`;
  }

  get tls(): TlsConnectionInfo | null {
    return this.#connector.tlsInfo(this.host, this.#socket);
  }

  get socket(): Socket {
    return this.#socket;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get needsDrain(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** `bytes` is borrowed. */
  write(bytes: Buffer): void {
    const { lane, stats } = this.#cluster;
    if (bytes.length === 0 || this.#closed) return;
    lane.add(stats.upstreamCxTxBytesTotal, bytes.length);
    writeBorrowed(this.#socket, bytes, this.#worker.readBuffers);
  }

  /** The client has finished sending. */
  end(): void {
    if (!this.#closed) this.#socket.end();
  }

  pauseReading(paused: boolean): void {
    const { lane, stats } = this.#cluster;
    if (this.#closed) return;
    this.#read.paused = paused;
    if (paused) {
      lane.inc(stats.upstreamFlowControlPausedReadingTotal);
      this.#socket.pause();
    } else {
      lane.inc(stats.upstreamFlowControlResumedReadingTotal);
      this.#socket.resume();
    }
  }

  /** Closes now; the handler hears nothing any more. */
  close(): void {
    this.#handler = null;
    this.#teardown(true);
  }

  onBytes(buffer: Buffer, count: number): void {
    const { lane, stats } = this.#cluster;
    if (this.#closed) return;
    lane.add(stats.upstreamCxRxBytesTotal, count);
    this.#handler?.onTcpData(count === buffer.length ? buffer : buffer.subarray(0, count));
  }

  #onReady(): void {
    const failure = this.#connector.verify(this.host, this.#kind, this.#socket);
    if (failure !== '') {
      this.#failConnect(ResetReason.RemoteConnectionFailure, failure);
      return;
    }
    const { lane, stats } = this.#cluster;
    this.#connectTimer.stop();
    this.#connected = true;
    lane.record(stats.upstreamCxConnectMs, this.#worker.timers.clock.nowMs() - this.#startMs);
    this.#handler?.onTcpConnected();
  }

  #onConnectTimeout(): void {
    this.#cluster.lane.inc(this.#cluster.stats.upstreamCxConnectTimeout);
    this.#failConnect(ResetReason.ConnectionTimeout, '');
  }

  #onEnd(): void {
    if (this.#connected && !this.#closed) this.#handler?.onTcpEnd();
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#connected) this.#onClose();
    else
      this.#failConnect(ResetReason.RemoteConnectionFailure, this.#connector.failureText(this.host, error));
  }

  #onClose(): void {
    if (!this.#connected) {
      this.#failConnect(ResetReason.RemoteConnectionFailure, 'delayed connect error: Unknown error');
      return;
    }
    const handler = this.#handler;
    this.#handler = null;
    this.#teardown(false);
    handler?.onTcpClosed();
  }

  #failConnect(reason: ResetReason, transportFailure: string): void {
    if (this.#closed) return;
    const { lane, stats } = this.#cluster;
    const handler = this.#handler;
    this.#handler = null;
    lane.inc(stats.upstreamCxConnectFail);
    lane.inc(this.host.stats.cxConnectFail);
    this.#teardown(false);
    handler?.onTcpConnectFailed(reason, transportFailure);
  }

  #countOpened(): void {
    const { lane, stats } = this.#cluster;
    const { host } = this;
    lane.inc(stats.upstreamCxTotal);
    lane.gaugeInc(stats.upstreamCxActive);
    lane.inc(stats.upstreamRqTotal);
    lane.gaugeInc(stats.upstreamRqActive);
    lane.inc(host.stats.cxTotal);
    lane.gaugeInc(host.stats.cxActive);
    lane.inc(host.stats.rqTotal);
    lane.gaugeInc(host.stats.rqActive);
    host.activeRequests++;
    this.#breakers.increment(Resource.CONNECTIONS);
  }

  #teardown(local: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    const { lane, stats } = this.#cluster;
    const { host } = this;
    this.#connectTimer.stop();
    this.#socket.destroy();
    this.#read.release();
    lane.gaugeDec(stats.upstreamCxActive);
    lane.gaugeDec(stats.upstreamRqActive);
    lane.gaugeDec(host.stats.cxActive);
    lane.gaugeDec(host.stats.rqActive);
    host.activeRequests--;
    this.#breakers.decrement(Resource.CONNECTIONS);
    if (!this.#connected) return;
    lane.inc(stats.upstreamCxDestroy);
    lane.inc(local ? stats.upstreamCxDestroyLocal : stats.upstreamCxDestroyRemote);
    lane.record(stats.upstreamCxLengthMs, this.#worker.timers.clock.nowMs() - this.#startMs);
  }
}
