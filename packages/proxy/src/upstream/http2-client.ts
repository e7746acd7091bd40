// One HTTP/2 connection to an upstream host: it carries many requests at a time until it is full, told to go away, idle for
// too long or broken. Worker threads only.

import type { ClientHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { Timer } from '@dragoman/base';
import type { Host } from '../cluster/host.ts';
import type { TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import type { ReadBuffers } from '../socket/read-buffers.ts';
import { type ClientStreamOwner, Http2ClientStream } from './http2-client-stream.ts';
import type { Http2Pool } from './http2-pool.ts';
import { ResetReason, type UpstreamHandler } from './upstream-stream.ts';

/** Envoy's defaults of Http2ProtocolOptions, for the upstream side. */
const DEFAULTS = {
  hpackTableBytes: 4096,
  maxConcurrentStreams: 1024,
  streamWindowBytes: 16 * 1024 * 1024,
  connectionWindowBytes: 24 * 1024 * 1024,
} as const;

const MAX_SESSION_MEGABYTES = 96;

/** Loaded with the first connection: as an import it would cost every thread 16 ms at its start. */
const http2 = (): typeof import('node:http2') => process.getBuiltinModule('node:http2');

export class Http2Client implements ClientStreamOwner {
  readonly host: Host;
  readonly readBuffers: ReadBuffers;
  localAddress = '';
  tls: TlsConnectionInfo | null = null;
  gone = false;
  readonly #pool: Http2Pool;
  #socket: Socket | null = null;
  readonly #connectTimer: Timer;
  readonly #idleTimer: Timer;
  readonly #durationTimer: Timer;
  readonly #keepaliveTimer: Timer;
  readonly #connectStartMs: number;
  readonly #active = new Set<Http2ClientStream>();
  readonly #maxStreams: number;
  #session: ClientHttp2Session | null = null;
  #requests = 0;
  #closed = false;
  #draining = false;
  #pingUnanswered = false;
  #rxBytes = 0;
  #txBytes = 0;

  constructor(pool: Http2Pool) {
    const { worker, host, cluster } = pool;
    this.#pool = pool;
    this.host = host;
    this.readBuffers = worker.readBuffers;
    this.#connectTimer = new Timer(() => this.#onConnectTimeout());
    this.#idleTimer = new Timer(() => this.#onIdleTimeout());
    this.#durationTimer = new Timer(() => this.#onMaxDuration());
    this.#keepaliveTimer = new Timer(() => this.#onKeepalive());
    this.#connectStartMs = worker.timers.clock.nowMs();
    this.#maxStreams = cluster.protocolOptions.http2?.maxConcurrentStreams ?? DEFAULTS.maxConcurrentStreams;
  }

  // --- for the pool ---

  /** `established`: a socket on which HTTP/2 has been agreed already; otherwise one is connected. */
  start(established: Socket | null): void {
    const { worker, cluster, connector, kind } = this.#pool;
    const connecting = established === null ? connector.connect(this.host, kind, null) : null;
    const socket = established ?? connecting!.socket;
    this.#socket = socket;
    socket.on('error', error => this.#onError(error as NodeJS.ErrnoException));
    socket.on('close', () => this.#onClose());
    if (connecting === null) {
      this.#onConnect(socket);
      return;
    }
    worker.timers.start(this.#connectTimer, cluster.connectTimeoutMs, this.#connectStartMs);
    socket.once(connecting.readyEvent, () => this.#onReady(socket));
  }

  get idle(): boolean {
    return this.#active.size === 0;
  }

  /** A request fits on this connection. */
  get available(): boolean {
    const session = this.#session;
    if (session === null || this.#draining || this.#closed || session.closed || session.destroyed)
      return false;
    const limit = session.remoteSettings?.maxConcurrentStreams ?? this.#maxStreams;
    return this.#active.size < Math.min(limit, this.#maxStreams);
  }

  get session(): ClientHttp2Session {
    return this.#session!;
  }

  attach(handler: UpstreamHandler): void {
    const { cluster, breakers } = this.#pool;
    const { lane, stats } = cluster;
    const stream = new Http2ClientStream(this, handler, this.#requests++);
    this.#idleTimer.stop();
    this.#active.add(stream);
    lane.inc(stats.upstreamRqTotal);
    lane.gaugeInc(stats.upstreamRqActive);
    lane.inc(this.host.stats.rqTotal);
    lane.gaugeInc(this.host.stats.rqActive);
    lane.gaugeInc(cluster.http2Stats.streamsActive);
    this.host.activeRequests++;
    breakers.increment(2);
    if (this.#requests >= cluster.protocolOptions.maxRequestsPerConnection) {
      lane.inc(stats.upstreamCxMaxRequests);
      this.#draining = true;
    }
    handler.onUpstreamReady(stream);
  }

  /** No more requests; closes when the last one is done. */
  drain(): void {
    this.#draining = true;
    if (this.#active.size === 0) this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#charge(this.#pool.cluster.stats.upstreamCxDestroyLocal);
    if (this.#active.size > 0) this.#chargeCut(this.#pool.cluster.stats.upstreamCxDestroyLocalWithActiveRq);
    this.#teardown();
  }

  // --- from the streams ---

  onStreamClosed(stream: Http2ClientStream): void {
    if (!this.#active.delete(stream)) return;
    const { cluster, breakers } = this.#pool;
    const { lane, stats } = cluster;
    lane.gaugeDec(stats.upstreamRqActive);
    lane.gaugeDec(this.host.stats.rqActive);
    lane.gaugeDec(cluster.http2Stats.streamsActive);
    this.host.activeRequests--;
    breakers.decrement(2);
    this.#countBytes();
    if (this.#closed) return;
    if (this.#active.size === 0) {
      if (this.#draining) {
        this.close();
        return;
      }
      const { idleTimeoutMs } = cluster.protocolOptions;
      if (idleTimeoutMs !== Number.POSITIVE_INFINITY)
        this.#pool.worker.timers.start(this.#idleTimer, idleTimeoutMs);
    }
    if (this.available) this.#pool.onAvailable(this);
  }

  countPaused(paused: boolean): void {
    const { stats } = this.#pool.cluster;
    this.#charge(
      paused ? stats.upstreamFlowControlPausedReadingTotal : stats.upstreamFlowControlResumedReadingTotal,
    );
  }

  countReset(remote: boolean): void {
    const { stats, http2Stats } = this.#pool.cluster;
    this.#charge(remote ? http2Stats.rxReset : http2Stats.txReset);
    this.#charge(remote ? stats.upstreamRqRxReset : stats.upstreamRqTxReset);
  }

  countTrailers(): void {
    this.#charge(this.#pool.cluster.http2Stats.trailers);
  }

  // --- the connection ---

  #onReady(socket: Socket): void {
    const failure = this.#pool.connector.verify(this.host, this.#pool.kind, socket);
    if (failure === '') this.#onConnect(socket);
    else this.#failConnect(ResetReason.RemoteConnectionFailure, failure);
  }

  #onConnect(socket: Socket): void {
    const { worker, cluster } = this.#pool;
    const { http2: options, maxConnectionDurationMs } = cluster.protocolOptions;
    this.#connectTimer.stop();
    this.localAddress = `${socket.localAddress}:${socket.localPort}`;
    this.tls = this.#pool.connector.tlsInfo(this.host, socket);
    cluster.lane.record(
      cluster.stats.upstreamCxConnectMs,
      worker.timers.clock.nowMs() - this.#connectStartMs,
    );
    const session = http2().connect('http://upstream', {
      createConnection: () => socket,
      settings: {
        enablePush: false,
        headerTableSize: options?.hpackTableSize ?? DEFAULTS.hpackTableBytes,
        initialWindowSize: options?.initialStreamWindowSize ?? DEFAULTS.streamWindowBytes,
      },
      maxHeaderListPairs: cluster.protocolOptions.maxHeadersCount + 16,
      maxSessionMemory: MAX_SESSION_MEGABYTES,
      peerMaxConcurrentStreams: this.#maxStreams,
    });
    this.#session = session;
    session.on('error', () => this.#onSessionError());
    session.on('goaway', () => this.#onGoaway());
    session.on('close', () => this.#onClose());
    session.on('remoteSettings', () => {
      if (this.available) this.#pool.onAvailable(this);
    });
    session.setLocalWindowSize(options?.initialConnectionWindowSize ?? DEFAULTS.connectionWindowBytes);
    if (maxConnectionDurationMs !== Number.POSITIVE_INFINITY)
      worker.timers.start(this.#durationTimer, maxConnectionDurationMs);
    const intervalMs = options?.connectionKeepalive?.interval ?? 0;
    if (intervalMs > 0) worker.timers.start(this.#keepaliveTimer, intervalMs);
    this.#pool.onConnected(this);
  }

  #onGoaway(): void {
    this.#charge(this.#pool.cluster.stats.upstreamCxCloseNotify);
    this.#draining = true;
    if (this.#active.size === 0) this.close();
  }

  #onSessionError(): void {
    this.#charge(this.#pool.cluster.stats.upstreamCxProtocolError);
  }

  #onConnectTimeout(): void {
    this.#charge(this.#pool.cluster.stats.upstreamCxConnectTimeout);
    this.#failConnect(ResetReason.ConnectionTimeout, '');
  }

  #onIdleTimeout(): void {
    this.#charge(this.#pool.cluster.stats.upstreamCxIdleTimeout);
    this.close();
  }

  #onMaxDuration(): void {
    this.#charge(this.#pool.cluster.stats.upstreamCxMaxDurationReached);
    this.drain();
  }

  #onKeepalive(): void {
    const session = this.#session;
    const keepalive = this.#pool.cluster.protocolOptions.http2?.connectionKeepalive;
    if (session === null || session.destroyed || keepalive === undefined) return;
    const { timers } = this.#pool.worker;
    if (this.#pingUnanswered) {
      this.#charge(this.#pool.cluster.http2Stats.keepaliveTimeout);
      this.close();
      return;
    }
    this.#pingUnanswered = true;
    session.ping(error => {
      if (error !== null) return;
      this.#pingUnanswered = false;
      timers.start(this.#keepaliveTimer, keepalive.interval ?? 0);
    });
    timers.start(this.#keepaliveTimer, keepalive.timeout ?? 0);
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#session === null)
      this.#failConnect(
        ResetReason.RemoteConnectionFailure,
        this.#pool.connector.failureText(this.host, error),
      );
    else this.#onClose();
  }

  #onClose(): void {
    if (this.#closed) return;
    if (this.#session === null) {
      this.#failConnect(ResetReason.RemoteConnectionFailure, 'delayed connect error: Unknown error');
      return;
    }
    const { stats } = this.#pool.cluster;
    this.#charge(this.#draining ? stats.upstreamCxDestroyLocal : stats.upstreamCxDestroyRemote);
    if (this.#active.size > 0) this.#chargeCut(stats.upstreamCxDestroyRemoteWithActiveRq);
    this.#teardown();
  }

  #failConnect(reason: ResetReason, transportFailure: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connectTimer.stop();
    this.#socket?.destroy();
    this.#pool.onConnectFailed(this, reason, transportFailure);
  }

  #teardown(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.gone = true;
    const { cluster, worker } = this.#pool;
    this.#connectTimer.stop();
    this.#idleTimer.stop();
    this.#durationTimer.stop();
    this.#keepaliveTimer.stop();
    this.#countBytes();
    if (this.#session === null) {
      this.#socket?.destroy();
      this.#pool.onConnectFailed(this, ResetReason.LocalConnectionFailure, '');
      return;
    }
    for (const stream of [...this.#active]) stream.onClose(0);
    this.#session.destroy();
    this.#socket?.destroy();
    this.#charge(cluster.stats.upstreamCxDestroy);
    cluster.lane.record(cluster.stats.upstreamCxLengthMs, worker.timers.clock.nowMs() - this.#connectStartMs);
    this.#pool.onClosed(this);
  }

  #countBytes(): void {
    const { lane, stats } = this.#pool.cluster;
    if (this.#socket === null) return;
    const { bytesRead, bytesWritten } = this.#socket;
    lane.add(stats.upstreamCxRxBytesTotal, bytesRead - this.#rxBytes);
    lane.add(stats.upstreamCxTxBytesTotal, bytesWritten - this.#txBytes);
    this.#rxBytes = bytesRead;
    this.#txBytes = bytesWritten;
  }

  /** The connection ends with requests on it. */
  #chargeCut(slot: number): void {
    this.#charge(slot);
    this.#charge(this.#pool.cluster.stats.upstreamCxDestroyWithActiveRq);
  }

  #charge(slot: number): void {
    this.#pool.cluster.lane.inc(slot);
  }
}
