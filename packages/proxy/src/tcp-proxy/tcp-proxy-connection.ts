// One client connection of a TCP proxy and its connection to an upstream host: bytes both ways with backpressure, half-closes
// passed on, timeouts, and the access log at the end (Envoy: TcpProxy::Filter).

import type { Socket } from 'node:net';
import { Timer } from '@dragoman/base';
import { Resource } from '../cluster/circuit-breakers.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { LbContext } from '../cluster/load-balancer/load-balancer.ts';
import { xxHash64 } from '../cluster/load-balancer/xxhash64.ts';
import { OutlierResult } from '../cluster/outlier/outlier-monitor.ts';
import type { ConnectionOwner, DownstreamConnection } from '../downstream/connection-owner.ts';
import { type DownstreamConnectionInfo, StreamInfo } from '../filter-chain/stream-info.ts';
import type { FormatInput } from '../format/format-input.ts';
import { ResponseFlag } from '../format/response-flags.ts';
import { failureFlag } from '../router/failure.ts';
import { writeBorrowed } from '../socket/body-writer.ts';
import { attachReader, type BytesReader, type ReadingSocket } from '../socket/socket-reader.ts';
import { TcpClient, type TcpClientHandler } from '../upstream/tcp-client.ts';
import { ResetReason } from '../upstream/upstream-stream.ts';
import type { TcpProxyHandler } from './tcp-proxy-handler.ts';

export class TcpProxyConnection implements DownstreamConnection, BytesReader, TcpClientHandler, FormatInput {
  readonly requestHeaders = null;
  readonly responseHeaders = null;
  readonly responseTrailers = null;
  readonly route = null;
  readonly info: StreamInfo;
  readonly #handler: TcpProxyHandler;
  readonly #owner: ConnectionOwner;
  readonly #connection: DownstreamConnectionInfo;
  readonly #reader: ReadingSocket;
  readonly #socket: Socket;
  readonly #lb = new LbContext();
  readonly #idleTimer: Timer;
  readonly #durationTimer: Timer;
  readonly #logTimer: Timer;
  #cluster: Cluster | null = null;
  #upstream: TcpClient | null = null;
  #connected = false;
  #clientEnded = false;
  #upstreamEnded = false;
  /** The upstream is not read because the client does not take what is there, or the other way round. */
  #upstreamPaused = false;
  #clientPaused = false;
  #closed = false;

  constructor(
    socket: Socket,
    connection: DownstreamConnectionInfo,
    handler: TcpProxyHandler,
    owner: ConnectionOwner,
  ) {
    const { worker, stats } = handler;
    const { clock } = worker.timers;
    this.#handler = handler;
    this.#owner = owner;
    this.#connection = connection;
    this.#idleTimer = new Timer(() => this.#onIdleTimeout());
    this.#durationTimer = new Timer(() => this.#onMaxDuration());
    this.#logTimer = new Timer(() => this.#onLogInterval());
    this.info = connection.streamInfo ?? StreamInfo.ofConnection(connection, clock);
    worker.lane.inc(stats.downstreamCxTotal);
    this.#reader = attachReader(socket, this, worker.readBuffers);
    this.#reader.setStreaming(true);
    this.#socket = this.#reader.socket;
    this.#socket.on('drain', () => this.#onClientWritable());
    this.#socket.on('error', () => this.#onClientGone());
    this.#socket.on('close', () => this.#onClientGone());
    // Nothing is read before there is somebody to give it to.
    this.#reader.pause();
  }

  /** Finds an upstream host and connects to it; called once, right after the listener knows the connection. */
  start(): void {
    const { settings, worker } = this.#handler;
    const target = this.#handler.target(this.#connection);
    const { lane } = worker;
    const cluster = worker.clusters.get(target.cluster);
    if (cluster === undefined) {
      lane.inc(this.#handler.stats.downstreamCxNoRoute);
      this.info.addResponseFlag(ResponseFlag.NoClusterFound);
      this.#close();
      return;
    }
    this.#cluster = cluster;
    this.info.upstreamCluster = target.cluster;
    this.info.upstreamClusterObservabilityName = cluster.config.altStatName || cluster.name;
    this.info.upstreamClusterMetadata = cluster.metadata ?? null;
    this.#lb.metadataMatch = target.metadataMatch;
    if (settings.hashesSourceIp) {
      xxHash64(this.#connection.remoteAddress, this.#lb);
      this.#lb.hasHash = true;
    }
    this.#startIdleTimer();
    if (settings.maxConnectionDurationMs > 0)
      worker.timers.start(this.#durationTimer, settings.maxConnectionDurationMs);
    if (settings.logIntervalMs > 0) worker.timers.start(this.#logTimer, settings.logIntervalMs);
    this.#connect(cluster);
  }

  // --- for the listener ---

  drain(): void {}

  destroy(): void {
    this.#close();
  }

  // --- the upstream ---

  #connect(cluster: Cluster): void {
    const { worker, pools } = this.#handler;
    const { lane, stats } = cluster;
    if (!cluster.breakers[0].canCreate(Resource.CONNECTIONS)) {
      lane.inc(stats.upstreamCxOverflow);
      this.info.addResponseFlag(ResponseFlag.UpstreamOverflow);
      this.#close();
      return;
    }
    const host = cluster.chooseHost(this.#lb);
    if (host === null) {
      this.info.addResponseFlag(ResponseFlag.NoHealthyUpstream);
      this.#close();
      return;
    }
    this.info.attemptCount++;
    this.info.upstreamHost = host;
    const demand = { requestHeaders: null, info: this.info };
    this.#upstream = new TcpClient(host, cluster, worker, pools.connectorOf(cluster), demand, this);
  }

  onTcpConnected(): void {
    const upstream = this.#upstream!;
    this.#connected = true;
    this.info.upstreamLocalAddress = upstream.localAddress;
    this.info.upstreamTls = upstream.tls;
    this.info.upstreamRemoteAddress = upstream.host.addressText;
    upstream.host.outlier?.putResult(OutlierResult.LOCAL_ORIGIN_CONNECT_SUCCESS);
    this.#startIdleTimer();
    if (this.#handler.settings.logsOnConnected) this.#log('TcpUpstreamConnected');
    if (!this.#clientPaused) this.#reader.resume();
  }

  onTcpConnectFailed(reason: ResetReason, transportFailure: string): void {
    const cluster = this.#cluster!;
    const { settings } = this.#handler;
    this.#upstream = null;
    this.info.upstreamTransportFailureReason = transportFailure;
    const timedOut = reason === ResetReason.ConnectionTimeout;
    this.info.upstreamHost?.outlier?.putResult(
      timedOut ? OutlierResult.LOCAL_ORIGIN_TIMEOUT : OutlierResult.LOCAL_ORIGIN_CONNECT_FAILED,
    );
    if (this.#closed) return;
    if (this.info.attemptCount < settings.maxConnectAttempts) {
      this.#connect(cluster);
      return;
    }
    this.info.addResponseFlag(failureFlag(reason));
    this.info.addResponseFlag(ResponseFlag.UpstreamRetryLimitExceeded);
    cluster.lane.inc(cluster.stats.upstreamCxConnectAttemptsExceeded);
    this.#close();
  }

  onTcpData(bytes: Buffer): void {
    const { worker, stats } = this.#handler;
    if (this.#closed) return;
    this.info.bytesSent += bytes.length;
    worker.lane.add(stats.downstreamCxTxBytesTotal, bytes.length);
    this.#startIdleTimer();
    writeBorrowed(this.#socket, bytes, worker.readBuffers);
    if (this.#upstreamPaused || !this.#socket.writableNeedDrain) return;
    this.#upstreamPaused = true;
    this.#upstream?.pauseReading(true);
  }

  onTcpEnd(): void {
    this.#upstreamEnded = true;
    if (this.#closed) return;
    this.#socket.end();
    if (this.#clientEnded) this.#finish();
  }

  onTcpClosed(): void {
    this.#upstream = null;
    this.#finish();
  }

  onTcpWritable(): void {
    const { worker, stats } = this.#handler;
    if (!this.#clientPaused) return;
    this.#clientPaused = false;
    worker.lane.inc(stats.downstreamFlowControlResumedReadingTotal);
    this.#reader.resume();
  }

  // --- the client ---

  onBytes(buffer: Buffer, count: number): void {
    const { worker, stats } = this.#handler;
    const upstream = this.#upstream;
    if (this.#closed || upstream === null) return;
    this.info.bytesReceived += count;
    worker.lane.add(stats.downstreamCxRxBytesTotal, count);
    this.#startIdleTimer();
    upstream.write(count === buffer.length ? buffer : buffer.subarray(0, count));
    if (this.#clientPaused || !upstream.needsDrain) return;
    this.#clientPaused = true;
    worker.lane.inc(stats.downstreamFlowControlPausedReadingTotal);
    this.#reader.pause();
  }

  onEnd(): void {
    this.#clientEnded = true;
    if (this.#closed) return;
    if (!this.#connected || this.#upstreamEnded) {
      this.#finish();
      return;
    }
    this.#upstream?.end();
  }

  #onClientWritable(): void {
    if (!this.#upstreamPaused) return;
    this.#upstreamPaused = false;
    this.#upstream?.pauseReading(false);
  }

  #onClientGone(): void {
    this.#close();
  }

  // --- timers ---

  #startIdleTimer(): void {
    const { settings, worker } = this.#handler;
    if (settings.idleTimeoutMs > 0) worker.timers.start(this.#idleTimer, settings.idleTimeoutMs);
  }

  #onIdleTimeout(): void {
    this.#handler.worker.lane.inc(this.#handler.stats.idleTimeout);
    this.#close();
  }

  #onMaxDuration(): void {
    this.#handler.worker.lane.inc(this.#handler.stats.maxDownstreamConnectionDuration);
    this.info.addResponseFlag(ResponseFlag.DurationTimeout);
    this.#close();
  }

  #onLogInterval(): void {
    this.#log('TcpPeriodic');
    this.#handler.worker.timers.start(this.#logTimer, this.#handler.settings.logIntervalMs);
  }

  // --- the end ---

  /** Lets what is written go out; then the connection is over. */
  #finish(): void {
    if (this.#closed) return;
    if (this.#socket.destroyed || this.#socket.writableFinished) this.#close();
    else this.#socket.end(() => this.#close());
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { worker } = this.#handler;
    this.#idleTimer.stop();
    this.#durationTimer.stop();
    this.#logTimer.stop();
    this.#upstream?.close();
    this.#upstream = null;
    this.#socket.destroy();
    this.#reader.release();
    this.info.endMs = worker.timers.clock.nowMs();
    this.#log('TcpConnectionEnd');
    this.#owner.onConnectionClosed(this);
  }

  #log(logType: string): void {
    for (const log of this.#handler.settings.accessLogs) log.log(this, logType);
  }
}
