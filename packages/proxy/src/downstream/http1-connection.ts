// One HTTP/1 client connection: requests in through the codec, one at a time, responses out in one write where possible,
// and when and how the connection ends. The stream it feeds is reused for every request. Worker threads only.

import type { Socket } from 'node:net';
import { Timer } from '@dragoman/base';
import {
  BODY_REFUSAL,
  ChunkedDecoder,
  type ChunkedSink,
  HeadError,
  RequestHead,
  type RequestRefusal,
  requestRefusal,
} from '@dragoman/http';
import type { ConnectionManager } from '../connection-manager/connection-manager.ts';
import { Stream } from '../filter-chain/stream.ts';
import type { DownstreamConnectionInfo } from '../filter-chain/stream-info.ts';
import { attachReader, type BytesReader, type ReadingSocket } from '../socket/socket-reader.ts';
import type { ConnectionOwner, DownstreamConnection } from './connection-owner.ts';
import { Http1ResponseWriter } from './http1-response-writer.ts';
import type { Http2Codec } from './http2-codec.ts';
import { Http2Connection } from './http2-connection.ts';
import { countHttp2 } from './http2-connection-stats.ts';
import { mayBePreface, PREFACE } from './http2-preface-reader.ts';
import { RequestPieces } from './request-pieces.ts';

const Phase: Readonly<
  Record<'Head' | 'Length' | 'Chunked' | 'Tunnel' | 'Waiting' | 'Closing' | 'Closed', number>
> = {
  Head: 0,
  Length: 1,
  Chunked: 2,
  /** After an upgrade or CONNECT: bytes, held back until the other side has agreed. */
  Tunnel: 3,
  Waiting: 4,
  Closing: 5,
  Closed: 6,
};

export class Http1Connection implements BytesReader, ChunkedSink, DownstreamConnection {
  readonly info: DownstreamConnectionInfo;
  readonly #manager: ConnectionManager;
  readonly #owner: ConnectionOwner;
  /** Takes over when the client turns out to speak HTTP/2; null where it must not. */
  readonly #http2: Http2Codec | null;
  readonly #socket: Socket;
  readonly #reader: ReadingSocket;
  readonly #writer: Http1ResponseWriter;
  readonly #head = new RequestHead();
  readonly #stream: Stream;
  readonly #pieces: RequestPieces;
  readonly #timer: Timer;
  /** Null where a connection may last for ever. */
  readonly #durationTimer: Timer | null;
  readonly #startMs: number;
  #chunks: ChunkedDecoder | null = null;
  #phase = Phase.Head;
  #left = 0;
  /** Bytes of a head whose rest has not come, or of the next request while one is being answered. */
  #kept: Buffer | null = null;
  #requests = 0;
  /** The idle timeout has passed; the drain time runs. */
  #idleDraining = false;
  /** The timer counts the time the client takes for a head. */
  #headTimed = false;
  #pausedByStream = false;
  #pausedByPipeline = false;
  #tunnelOpen = false;

  constructor(
    socket: Socket,
    info: DownstreamConnectionInfo,
    manager: ConnectionManager,
    owner: ConnectionOwner,
    http2: Http2Codec | null = null,
  ) {
    this.#http2 = http2;
    this.#reader = attachReader(socket, this, manager.worker.readBuffers);
    socket = this.#reader.socket;
    this.#socket = socket;
    this.info = info;
    this.#manager = manager;
    this.#owner = owner;
    this.#writer = new Http1ResponseWriter(socket, manager, this);
    this.#stream = new Stream(manager.worker, manager);
    this.#pieces = new RequestPieces(this.#stream);
    this.#timer = new Timer(() => this.#onTimeout());
    this.#startMs = manager.worker.timers.clock.nowMs();
    const { lane, stats } = manager;
    lane.inc(stats.downstreamCxTotal);
    lane.inc(stats.downstreamCxHttp1Total);
    lane.gaugeInc(stats.downstreamCxActive);
    lane.gaugeInc(stats.downstreamCxHttp1Active);
    if (info.tls !== null) {
      lane.inc(stats.downstreamCxSslTotal);
      lane.gaugeInc(stats.downstreamCxSslActive);
    }
    const { maxConnectionDurationMs } = manager.settings;
    this.#durationTimer = maxConnectionDurationMs > 0 ? new Timer(() => this.#onMaxDuration()) : null;
    if (this.#durationTimer !== null)
      manager.worker.timers.start(this.#durationTimer, maxConnectionDurationMs);
    this.#startIdleTimer();
    socket.on('drain', () => this.#stream.onDownstreamWritable());
    socket.on('error', () => this.#onRemoteClose());
    socket.on('close', () => this.#onRemoteClose());
  }

  /** No request is being read or answered. */
  get idle(): boolean {
    return this.#phase === Phase.Head && this.#kept === null;
  }

  /** Closes soon when idle; otherwise the response in flight asks the client to close. */
  drain(): void {
    if (!this.idle) return;
    if (this.#requests === 0) {
      // Its first request may be on its way: it gets its answer, and the news that it is the last one.
      this.#idleDraining = true;
      this.#manager.worker.timers.start(this.#timer, FIRST_REQUEST_GRACE_MS);
      return;
    }
    this.#manager.lane.inc(this.#manager.stats.downstreamCxDrainClose);
    this.#closeGracefully();
  }

  destroy(): void {
    this.#close(true);
  }

  // --- bytes in ---

  onBytes(buffer: Buffer, count: number): void {
    const { lane, stats } = this.#manager;
    lane.add(stats.downstreamCxRxBytesTotal, count);
    if (this.#phase >= Phase.Closing) return;
    if (this.#phase === Phase.Waiting) this.#keepPipelined(buffer, 0, count);
    else if (this.#kept !== null) this.#continueKept(buffer, count);
    else this.#consume(buffer, 0, count);
    this.#reader.setStreaming(this.#phase >= Phase.Length && this.#phase <= Phase.Tunnel);
    this.#stream.onRequestReadDone();
  }

  /** A client that finishes its side has gone, as in Envoy, also in a tunnel. */
  onEnd(): void {
    this.#onRemoteClose();
  }

  #continueKept(buffer: Buffer, count: number): void {
    if (this.#phase === Phase.Head) this.#continueHead(buffer, count);
    else this.#keepPipelined(buffer, 0, count);
  }

  /** The rest of a head may have come: parse again only when its end is in sight, or nothing more fits. */
  #continueHead(buffer: Buffer, count: number): void {
    const before = this.#kept!;
    const joined = Buffer.concat([before, buffer.subarray(0, count)]);
    const ended = joined.indexOf('\r\n\r\n', Math.max(0, before.length - 3), 'latin1') >= 0;
    const suspicious = joined.indexOf('\n', before.length, 'latin1') >= 0;
    if (!ended && !suspicious && joined.length <= this.#manager.parserOptions.maxHeadersBytes) {
      this.#kept = joined;
      return;
    }
    this.#kept = null;
    this.#consume(joined, 0, joined.length);
  }

  #consume(buffer: Buffer, offset: number, end: number): void {
    while (offset < end) {
      switch (this.#phase) {
        case Phase.Head:
          offset = this.#consumeHead(buffer, offset, end);
          break;
        case Phase.Length:
          offset = this.#consumeLength(buffer, offset, end);
          break;
        case Phase.Chunked:
          offset = this.#consumeChunks(buffer, offset, end);
          break;
        case Phase.Tunnel:
          this.#consumeTunnel(buffer, offset, end);
          return;
        case Phase.Waiting:
          this.#keepPipelined(buffer, offset, end);
          return;
        default:
          return;
      }
    }
  }

  #consumeHead(buffer: Buffer, offset: number, end: number): number {
    const { settings, parserOptions } = this.#manager;
    const consumed = settings.headerCase.parseRequest(this.#head, buffer, offset, end, parserOptions);
    if (consumed < 0) {
      if (this.#http2 !== null && this.#requests === 0 && this.#isPreface(buffer, offset, end)) return end;
      this.#refuse(requestRefusal(consumed), consumed);
      return end;
    }
    if (consumed === 0) {
      this.#kept = Buffer.from(buffer.subarray(offset, end));
      this.#startHeadTimer();
      return end;
    }
    this.#begin();
    return offset + consumed;
  }

  /** HTTP/1 has no request that begins like this one. False: it is none of HTTP/2 either. */
  #isPreface(buffer: Buffer, offset: number, end: number): boolean {
    const bytes = buffer.subarray(offset, end);
    if (!mayBePreface(bytes)) return false;
    this.#kept = Buffer.from(bytes);
    if (bytes.length >= PREFACE.length) this.#becomeHttp2(this.#kept);
    return true;
  }

  #becomeHttp2(bytes: Buffer): void {
    const manager = this.#manager;
    this.#phase = Phase.Closed;
    this.#timer.stop();
    this.#durationTimer?.stop();
    this.#head.release();
    manager.lane.add(manager.stats.downstreamCxHttp1Total, -1);
    manager.lane.gaugeDec(manager.stats.downstreamCxHttp1Active);
    countHttp2(manager);
    const socket = this.#reader.detach(bytes);
    const next = new Http2Connection(socket, this.info, this.#http2!, this.#owner, this.#startMs);
    this.#owner.onConnectionReplaced(this, next);
  }

  #begin(): void {
    const head = this.#head;
    const manager = this.#manager;
    const nowMs = manager.worker.timers.clock.nowMs();
    this.#timer.stop();
    this.#headTimed = false;
    this.#idleDraining = false;
    this.#requests++;
    const tunnel = head.upgrade !== '' || head.headers.method === 'CONNECT';
    const hasBody = head.hasBody || tunnel;
    if (tunnel) {
      this.#phase = Phase.Tunnel;
    } else if (head.chunked) {
      this.#phase = Phase.Chunked;
      this.#chunks ??= new ChunkedDecoder({ keepTrailers: manager.settings.enableTrailers });
      this.#chunks.reset();
    } else if (hasBody) {
      this.#phase = Phase.Length;
      this.#left = head.contentLength;
    } else {
      this.#phase = Phase.Waiting;
    }
    this.#writer.begin(head, this.#stream, this.#requests);
    if (head.droppedUnderscores > 0) manager.lane.add(manager.droppedUnderscores, head.droppedUnderscores);
    if (head.http10 && head.headers.authority === '')
      head.headers.authority = manager.settings.defaultHostForHttp10;
    if (head.expectContinue) {
      if (manager.settings.proxy100Continue)
        head.headers.addLine('expect: 100-continue\r\n', 'expect', '100-continue');
      else if (hasBody) this.#writer.writeContinue();
    }
    const upgrade = tunnel && head.upgrade === '' ? 'CONNECT' : head.upgrade;
    this.#stream.begin(this.#writer, this.info, head.headers, !hasBody, nowMs, upgrade);
  }

  #consumeTunnel(buffer: Buffer, offset: number, end: number): void {
    if (!this.#tunnelOpen) this.#keepPipelined(buffer, offset, end);
    else if (this.#stream.active) this.#stream.onRequestData(buffer.subarray(offset, end), false);
  }

  #consumeLength(buffer: Buffer, offset: number, end: number): number {
    const available = end - offset;
    if (available < this.#left) {
      this.#left -= available;
      if (this.#stream.active) this.#stream.onRequestData(buffer.subarray(offset, end), false);
      return end;
    }
    const bodyEnd = offset + this.#left;
    this.#left = 0;
    this.#phase = Phase.Waiting;
    this.#pieces.last(buffer.subarray(offset, bodyEnd));
    return bodyEnd;
  }

  #consumeChunks(buffer: Buffer, offset: number, end: number): number {
    const chunks = this.#chunks!;
    const consumed = chunks.feed(buffer, offset, end, this);
    this.#pieces.passChunks();
    if (this.#phase !== Phase.Chunked) return end;
    if (consumed < 0) {
      this.#manager.lane.inc(this.#manager.stats.downstreamCxProtocolError);
      this.#stream.onCodecError(BODY_REFUSAL);
      return end;
    }
    if (!chunks.done) return end;
    this.#phase = Phase.Waiting;
    if (this.#stream.active) {
      if (chunks.trailers !== null) this.#stream.onRequestTrailers(chunks.trailers);
      else this.#stream.onRequestData(EMPTY, true);
    }
    return consumed;
  }

  onChunkData(buffer: Buffer, start: number, end: number): void {
    this.#pieces.chunk(buffer.subarray(start, end));
  }

  /** The next request has to wait for the answer to this one: keep what came, read no further. */
  #keepPipelined(buffer: Buffer, offset: number, end: number): void {
    const bytes = Buffer.from(buffer.subarray(offset, end));
    this.#kept = this.#kept === null ? bytes : Buffer.concat([this.#kept, bytes]);
    this.#pausedByPipeline = true;
    this.#reader.pause();
  }

  #refuse(refusal: RequestRefusal, error: number, flag = 0): void {
    const { lane, stats } = this.#manager;
    if (refusal.protocolError) lane.inc(stats.downstreamCxProtocolError);
    if (error === HeadError.UNDERSCORE) lane.inc(this.#manager.rejectedUnderscores);
    this.#phase = Phase.Length;
    this.#left = Number.MAX_SAFE_INTEGER;
    this.#writer.begin(null, this.#stream, this.#requests);
    const headers = refusal.protocolError || this.#headTimed ? null : this.#head.headers;
    const nowMs = this.#manager.worker.timers.clock.nowMs();
    this.#headTimed = false;
    this.#stream.refuse(this.#writer, this.info, headers, refusal, nowMs, flag);
  }

  // --- from the writer ---

  pauseReading(paused: boolean): void {
    this.#pausedByStream = paused;
    if (paused) this.#reader.pause();
    else if (!this.#pausedByPipeline) this.#reader.resume();
  }

  /** The upstream has agreed: what the client has sent meanwhile goes there, and all that follows. */
  onTunnelOpened(): void {
    this.#tunnelOpen = true;
    setImmediate(() => this.#releaseTunnel());
  }

  #releaseTunnel(): void {
    if (this.#phase !== Phase.Tunnel) return;
    const bytes = this.#kept;
    this.#kept = null;
    if (bytes !== null) {
      this.#consumeTunnel(bytes, 0, bytes.length);
      this.#stream.onRequestReadDone();
    }
    this.#pausedByPipeline = false;
    if (!this.#pausedByStream && this.#phase === Phase.Tunnel) this.#reader.resume();
  }

  /** The response is out. `close`: the client was told that this was the last one. */
  onResponseDone(close: boolean): void {
    if (this.#phase >= Phase.Closing) return;
    if (this.#phase !== Phase.Waiting || this.#stream.closeConnection) {
      // More may still be coming: read past it, so that the client gets to see the answer before the connection ends.
      this.#closeDelayed();
    } else if (close) {
      this.#closeGracefully();
    } else {
      this.#phase = Phase.Head;
      this.#head.release();
      this.#startIdleTimer();
      if (this.#kept !== null) setImmediate(() => this.#resumePipelined());
    }
  }

  /** The response cannot be completed: the client sees the connection end in the middle of it. */
  onResponseAborted(): void {
    this.#close(true);
  }

  #resumePipelined(): void {
    if (this.#phase !== Phase.Head || this.#kept === null) return;
    const bytes = this.#kept;
    this.#kept = null;
    this.#consume(bytes, 0, bytes.length);
    this.#stream.onRequestReadDone();
    if (this.#kept !== null && this.#phase === Phase.Waiting) return;
    this.#pausedByPipeline = false;
    if (!this.#pausedByStream && this.#phase < Phase.Closing) this.#reader.resume();
  }

  // --- timers ---

  #startIdleTimer(): void {
    const idleTimeoutMs = this.#manager.worker.reducedTimeouts.connectionIdleMs(
      this.#manager.settings.idleTimeoutMs,
    );
    if (idleTimeoutMs > 0) this.#manager.worker.timers.start(this.#timer, idleTimeoutMs);
  }

  /** Runs from the first bytes of a head on, whatever comes of the rest. */
  #startHeadTimer(): void {
    const { headTimeout, worker } = this.#manager;
    if (this.#headTimed || headTimeout === null) return;
    this.#headTimed = true;
    worker.timers.start(this.#timer, headTimeout.afterMs);
  }

  /** The connection has lasted long enough: the next response is its last one, or the drain timeout ends it. */
  #onMaxDuration(): void {
    const { lane, stats, settings, worker } = this.#manager;
    if (this.#phase >= Phase.Closing) return;
    if (this.#writer.askToClose) {
      this.#writer.lastResponse = true;
      if (this.idle) this.#closeGracefully();
      return;
    }
    lane.inc(stats.downstreamCxMaxDurationReached);
    if (this.#requests === 0 && this.#kept === null) {
      this.#closeGracefully();
    } else if (settings.http1SafeMaxConnectionDuration) {
      this.#writer.lastResponse = true;
    } else {
      this.#writer.askToClose = true;
      worker.timers.start(this.#durationTimer!, settings.drainTimeoutMs || 1);
    }
  }

  #onTimeout(): void {
    const { lane, stats } = this.#manager;
    if (this.#phase === Phase.Closing) {
      lane.inc(stats.downstreamCxDelayedCloseTimeout);
      this.#close(true);
    } else if (this.#headTimed) {
      const { refusal, stat, flag } = this.#manager.headTimeout!;
      lane.inc(stat);
      this.#refuse(refusal, 0, flag);
    } else if (this.#requests === 0 || this.#idleDraining) {
      if (!this.#idleDraining) lane.inc(stats.downstreamCxIdleTimeout);
      this.#closeGracefully();
    } else {
      // A connection that has been used gets the drain time on top, as in Envoy: a request may be on its way.
      lane.inc(stats.downstreamCxIdleTimeout);
      this.#idleDraining = true;
      this.#manager.worker.timers.start(this.#timer, this.#manager.settings.drainTimeoutMs || 1);
    }
  }

  // --- the end ---

  #onRemoteClose(): void {
    if (this.#phase === Phase.Closed) return;
    const { lane, stats } = this.#manager;
    if (this.#stream.active) {
      lane.inc(stats.downstreamCxDestroyRemoteActiveRq);
      this.#stream.onDownstreamReset('downstream_remote_disconnect');
    }
    this.#close(false);
  }

  #closeGracefully(): void {
    this.#phase = Phase.Closing;
    this.#socket.end();
    this.#manager.worker.timers.start(this.#timer, this.#manager.settings.delayedCloseTimeoutMs || 1);
  }

  #closeDelayed(): void {
    const { delayedCloseTimeoutMs } = this.#manager.settings;
    if (delayedCloseTimeoutMs === 0) {
      this.#closeGracefully();
      return;
    }
    this.#phase = Phase.Closing;
    this.#reader.resume();
    this.#manager.worker.timers.start(this.#timer, delayedCloseTimeoutMs);
  }

  #close(local: boolean): void {
    if (this.#phase === Phase.Closed) return;
    this.#phase = Phase.Closed;
    const { lane, stats, worker } = this.#manager;
    this.#timer.stop();
    this.#durationTimer?.stop();
    if (this.#stream.active) {
      if (local) lane.inc(stats.downstreamCxDestroyLocalActiveRq);
      this.#stream.onDownstreamReset('downstream_local_disconnect');
    }
    this.#socket.destroy();
    this.#reader.release();
    this.#head.release();
    this.#kept = null;
    lane.inc(stats.downstreamCxDestroy);
    lane.inc(local ? stats.downstreamCxDestroyLocal : stats.downstreamCxDestroyRemote);
    lane.gaugeDec(stats.downstreamCxActive);
    lane.gaugeDec(stats.downstreamCxHttp1Active);
    if (this.info.tls !== null) lane.gaugeDec(stats.downstreamCxSslActive);
    lane.record(stats.downstreamCxLengthMs, worker.timers.clock.nowMs() - this.#startMs);
    this.#owner.onConnectionClosed(this);
  }
}

const EMPTY = Buffer.alloc(0);
/** How long a drain waits for the first request of a connection. */
const FIRST_REQUEST_GRACE_MS = 1000;
