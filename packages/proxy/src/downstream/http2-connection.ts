// One HTTP/2 client connection: a session of node:http2 on its socket, the streams on it, and when it ends: idle, drained,
// in error, or by the client. Worker threads only.

import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { Timer } from '@dragoman/base';
import type { RequestHeaders } from '@dragoman/http';
import type { ConnectionManager } from '../connection-manager/connection-manager.ts';
import type { DownstreamConnectionInfo } from '../filter-chain/stream-info.ts';
import type { ConnectionOwner, DownstreamConnection } from './connection-owner.ts';
import type { Http2Codec } from './http2-codec.ts';
import { countClosed, countOpened } from './http2-connection-stats.ts';
import { HeadRefusal, Http2RequestHead } from './http2-request-head.ts';
import { ErrorCode, type Http2ServerStream } from './http2-server-stream.ts';

/** Loaded with the first connection: as an import it would cost every thread 16 ms at its start. */
const http2 = (): typeof import('node:http2') => process.getBuiltinModule('node:http2');

const NGHTTP2_FLAG_END_STREAM = 1;
/** The last stream number of a shutdown notice: streams that are on their way are still served (RFC 9113 6.8). */
const MAX_STREAM_ID = 2 ** 31 - 1;

export class Http2Connection implements DownstreamConnection {
  readonly info: DownstreamConnectionInfo;
  readonly #codec: Http2Codec;
  readonly #manager: ConnectionManager;
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #head = new Http2RequestHead();
  readonly #timer: Timer;
  readonly #drainTimer: Timer;
  readonly #keepaliveTimer: Timer;
  /** Null where a connection may last for ever. */
  readonly #durationTimer: Timer | null;
  readonly #startMs: number;
  readonly #active = new Set<Http2ServerStream>();
  #session: ServerHttp2Session | null = null;
  #requests = 0;
  #draining = false;
  #closed = false;
  #local = false;
  #pingUnanswered = false;
  #rxBytes = 0;
  #txBytes = 0;
  /** The client has closed the connection: streams that end now were not reset one by one. */
  gone = false;

  /** `startMs` >= 0: the connection began then, and was counted when its protocol was not known yet. */
  constructor(
    socket: Socket,
    info: DownstreamConnectionInfo,
    codec: Http2Codec,
    owner: ConnectionOwner,
    startMs = -1,
  ) {
    const { manager } = codec;
    this.#socket = socket;
    this.info = info;
    this.#codec = codec;
    this.#manager = manager;
    this.#owner = owner;
    this.#timer = new Timer(() => this.#onIdleTimeout());
    this.#drainTimer = new Timer(() => this.#session?.close());
    this.#keepaliveTimer = new Timer(() => this.#onKeepalive());
    const { maxConnectionDurationMs } = manager.settings;
    this.#durationTimer = maxConnectionDurationMs > 0 ? new Timer(() => this.#onMaxDuration()) : null;
    if (this.#durationTimer !== null)
      manager.worker.timers.start(this.#durationTimer, maxConnectionDurationMs);
    this.#startMs = startMs >= 0 ? startMs : manager.worker.timers.clock.nowMs();
    if (startMs < 0) countOpened(manager, info);
    socket.once('close', () => this.#onSocketClose());
    socket.once('end', () => this.#onSocketEnd());
    this.#start();
  }

  #start(): void {
    const { options } = this.#codec;
    const session = http2().performServerHandshake(this.#socket, options.node) as ServerHttp2Session;
    this.#session = session;
    session.setLocalWindowSize(options.connectionWindowBytes);
    session.on('stream', (stream, _headers, flags, raw) =>
      this.#onStream(stream, flags, raw as unknown as string[]),
    );
    session.on('error', () => this.#onProtocolError());
    session.on('close', () => this.#onSessionClose());
    // What was put back into the socket is read by the session in the next tick; then the socket has to flow.
    if (this.#socket.isPaused()) setImmediate(() => this.#socket.resume());
    this.#startIdleTimer();
    if (options.keepaliveIntervalMs > 0) this.#startKeepalive(options.keepaliveIntervalMs);
  }

  // --- for the listener ---

  /** Tells the client to open no more streams; what is in flight goes on. */
  drain(): void {
    const session = this.#session;
    if (session === null || this.#draining) return;
    const { lane, stats, worker, settings } = this.#manager;
    this.#draining = true;
    lane.inc(stats.downstreamCxDrainClose);
    lane.inc(this.#codec.stats.goawaySent);
    if (this.#active.size === 0 || settings.drainTimeoutMs === 0) {
      session.close();
      return;
    }
    session.goaway(ErrorCode.NO_ERROR, MAX_STREAM_ID);
    worker.timers.start(this.#drainTimer, settings.drainTimeoutMs);
  }

  /** The proxy drains, or gives up keep-alive because of overload. */
  #isToEnd(): boolean {
    const { overload, lane, stats } = this.#manager;
    if (this.#manager.drainsConnection()) return true;
    if (!overload.endsKeepalive) return false;
    lane.inc(stats.downstreamCxOverloadDisableKeepalive);
    return true;
  }

  #onMaxDuration(): void {
    if (this.#draining) return;
    this.#manager.lane.inc(this.#manager.stats.downstreamCxMaxDurationReached);
    this.drain();
  }

  destroy(): void {
    this.#local = true;
    if (this.#session !== null) this.#session.destroy();
    else this.#socket.destroy();
  }

  // --- requests ---

  #onStream(http2Stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    const codec = this.#codec;
    const manager = this.#manager;
    const { lane } = manager;
    const nowMs = manager.worker.timers.clock.nowMs();
    const entry = codec.takeStream();
    const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    this.#timer.stop();
    this.#requests++;
    this.#active.add(entry);
    lane.gaugeInc(codec.stats.streamsActive);
    entry.begin(this, http2Stream, !endStream);
    const head = this.#head;
    const refusal = head.read(raw, manager.settings);
    if (refusal !== HeadRefusal.None) {
      this.#refuse(entry, refusal, nowMs);
      return;
    }
    if (head.droppedUnderscores > 0)
      lane.add(codec.stats.droppedHeadersWithUnderscores, head.droppedUnderscores);
    if (head.expectContinue) this.#expectContinue(http2Stream, endStream);
    const { maxRequestsPerConnection } = manager.settings;
    if (maxRequestsPerConnection > 0 && this.#requests >= maxRequestsPerConnection && !this.#draining) {
      lane.inc(manager.stats.downstreamCxMaxRequestsReached);
      this.drain();
    }
    const upgrade = takeUpgrade(head.headers);
    // As over HTTP/1, a tunnel's bytes wait until the other side has agreed to it.
    if (upgrade !== '') http2Stream.pause();
    entry.stream.begin(entry, this.info, head.headers, endStream, nowMs, upgrade);
  }

  #expectContinue(http2Stream: ServerHttp2Stream, endStream: boolean): void {
    if (this.#manager.settings.proxy100Continue)
      this.#head.headers.addLine('expect: 100-continue\r\n', 'expect', '100-continue');
    else if (!endStream) http2Stream.additionalHeaders({ ':status': 100 });
  }

  /** A message that cannot be trusted: by default the whole connection ends, as in Envoy. */
  #refuse(entry: Http2ServerStream, refusal: HeadRefusal, nowMs: number): void {
    const { stats } = this.#codec;
    const { lane } = this.#manager;
    entry.stream.discard(entry, this.info, refusal, nowMs);
    if (refusal === HeadRefusal.Underscore) {
      lane.inc(stats.requestsRejectedWithUnderscoresInHeaders);
      entry.reset(ErrorCode.INTERNAL_ERROR);
    } else if (refusal === HeadRefusal.TooManyHeaders) {
      lane.inc(stats.headerOverflow);
      entry.reset(ErrorCode.INTERNAL_ERROR);
    } else {
      lane.inc(stats.rxMessagingError);
      if (this.#codec.options.streamErrors) entry.reset(ErrorCode.PROTOCOL_ERROR);
      else this.#closeInError();
    }
  }

  #closeInError(): void {
    const { lane, stats } = this.#manager;
    lane.inc(stats.downstreamCxProtocolError);
    this.#local = true;
    this.#socket.destroy();
  }

  // --- from the streams ---

  /** A response begins: a proxy that drains tells the client with it. */
  onResponse(): void {
    if (!this.#draining && this.#isToEnd()) this.drain();
  }

  countReset(): void {
    this.#manager.lane.inc(this.#codec.stats.txReset);
  }

  countTrailers(): void {
    this.#manager.lane.inc(this.#codec.stats.trailers);
  }

  onStreamClosed(entry: Http2ServerStream, code: number): void {
    const { lane } = this.#manager;
    this.#active.delete(entry);
    lane.gaugeDec(this.#codec.stats.streamsActive);
    if (code !== ErrorCode.NO_ERROR && !this.gone) lane.inc(this.#codec.stats.rxReset);
    this.#countBytes();
    this.#codec.giveStream(entry);
    if (this.#active.size === 0 && !this.#closed) this.#startIdleTimer();
  }

  // --- timers ---

  #startIdleTimer(): void {
    const { idleTimeoutMs } = this.#manager.settings;
    if (idleTimeoutMs > 0) this.#manager.worker.timers.start(this.#timer, idleTimeoutMs);
  }

  #onIdleTimeout(): void {
    const { lane, stats } = this.#manager;
    lane.inc(stats.downstreamCxIdleTimeout);
    this.drain();
  }

  #startKeepalive(delayMs: number): void {
    this.#manager.worker.timers.start(this.#keepaliveTimer, delayMs);
  }

  /** Sends a ping when it is time, or finds that one was not answered. */
  #onKeepalive(): void {
    const session = this.#session;
    if (session === null || session.destroyed) return;
    const { options, stats } = this.#codec;
    if (this.#pingUnanswered) {
      this.#manager.lane.inc(stats.keepaliveTimeout);
      this.destroy();
      return;
    }
    this.#pingUnanswered = true;
    session.ping(error => {
      if (error !== null) return;
      this.#pingUnanswered = false;
      this.#startKeepalive(options.keepaliveIntervalMs);
    });
    this.#startKeepalive(options.keepaliveTimeoutMs);
  }

  // --- the end ---

  #onProtocolError(): void {
    this.#manager.lane.inc(this.#manager.stats.downstreamCxProtocolError);
  }

  #onSocketClose(): void {
    this.gone = true;
    if (this.#session === null || this.#session.destroyed) this.#onSessionClose();
  }

  /** There is no half-closed HTTP/2: a client that sends no more takes no answers either. The listener's sockets would wait. */
  #onSocketEnd(): void {
    this.gone = true;
    this.#session?.destroy();
  }

  #countBytes(): void {
    const { lane, stats } = this.#manager;
    const { bytesRead, bytesWritten } = this.#socket;
    lane.add(stats.downstreamCxRxBytesTotal, bytesRead - this.#rxBytes);
    lane.add(stats.downstreamCxTxBytesTotal, bytesWritten - this.#txBytes);
    this.#rxBytes = bytesRead;
    this.#txBytes = bytesWritten;
  }

  #onSessionClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { lane, stats } = this.#manager;
    this.#timer.stop();
    this.#drainTimer.stop();
    this.#keepaliveTimer.stop();
    this.#durationTimer?.stop();
    if (this.#active.size > 0)
      lane.inc(
        this.#local ? stats.downstreamCxDestroyLocalActiveRq : stats.downstreamCxDestroyRemoteActiveRq,
      );
    for (const entry of [...this.#active]) entry.onClose();
    this.#countBytes();
    countClosed(this.#manager, this.info, this.#local || this.#draining, this.#startMs);
    this.#socket.destroy();
    this.#owner.onConnectionClosed(this);
  }
}

/** CONNECT as the upgrade it is; an extended CONNECT (RFC 8441) becomes the GET that HTTP/1 writes for it. */
function takeUpgrade(headers: RequestHeaders): string {
  const { method, protocol } = headers;
  if (method !== 'CONNECT') return '';
  if (protocol === '') return 'CONNECT';
  headers.method = 'GET';
  headers.protocol = '';
  return protocol;
}
