// One HTTP/1.1 connection to an upstream host: writes one request at a time, hears the response from the reader,
// and decides whether the connection can carry another request. Worker threads only.

import type { Socket } from 'node:net';
import { Timer } from '@dragoman/base';
import {
  CHUNKED_END,
  chunkHeader,
  HeaderId,
  type HeaderMap,
  type RequestHeaders,
  type ResponseHeaders,
  requestHasNoBody,
  withHeaderCase,
} from '@dragoman/http';
import type { Host } from '../cluster/host.ts';
import { EMPTY } from '../filter-chain/filter-slot.ts';
import type { TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import { writeBorrowed } from '../socket/body-writer.ts';
import type { Http1Pool } from './http1-pool.ts';
import { Http1ResponseReader, type ResponseSink } from './http1-response-reader.ts';
import { ResetReason, type UpstreamHandler, type UpstreamStream } from './upstream-stream.ts';

export class Http1Client implements UpstreamStream, ResponseSink {
  readonly host: Host;
  readonly protocol = 'HTTP/1.1';
  localAddress = '';
  tls: TlsConnectionInfo | null = null;
  requestsBefore = 0;
  readonly #pool: Http1Pool;
  readonly #socket: Socket;
  readonly #reader: Http1ResponseReader;
  readonly #connectTimer: Timer;
  readonly #idleTimer: Timer;
  readonly #connectStartMs: number;
  #handler: UpstreamHandler | null = null;
  #connected = false;
  #closed = false;
  /** The whole request has been written. */
  #requestSent = true;
  #chunked = false;
  /** The request was one to make a tunnel of this connection: it carries no other. */
  #tunnel = false;
  #pendingHead = '';

  constructor(pool: Http1Pool) {
    const { worker, host, cluster } = pool;
    this.#pool = pool;
    this.host = host;
    this.#reader = new Http1ResponseReader(this, worker.readBuffers, cluster.protocolOptions);
    this.#connectTimer = new Timer(() => this.#onConnectTimeout());
    this.#idleTimer = new Timer(() => this.#onIdleTimeout());
    this.#connectStartMs = worker.timers.clock.nowMs();
    worker.timers.start(this.#connectTimer, cluster.connectTimeoutMs, this.#connectStartMs);
    const { onread } = this.#reader;
    const { socket, readyEvent, reading } = pool.connector.connect(host, pool.kind, onread);
    this.#socket = socket;
    if (!reading) socket.on('data', (bytes: Buffer) => void onread.callback(bytes.length, bytes));
    this.#socket.on(readyEvent, () => this.#onReady());
    this.#socket.on('drain', () => this.#handler?.onUpstreamWritable());
    this.#socket.on('error', error => this.#onError(error as NodeJS.ErrnoException));
    this.#socket.on('end', () => this.#onEnd());
    this.#socket.on('close', () => this.#onClose());
  }

  // --- for the pool ---

  attach(handler: UpstreamHandler): void {
    this.#idleTimer.stop();
    this.#handler = handler;
    const { lane, stats } = this.#pool.cluster;
    lane.inc(stats.upstreamRqTotal);
    lane.gaugeInc(stats.upstreamRqActive);
    lane.inc(this.host.stats.rqTotal);
    lane.gaugeInc(this.host.stats.rqActive);
    this.host.activeRequests++;
    this.#pool.breakers.increment(2);
  }

  startIdleTimer(): void {
    const { idleTimeoutMs } = this.#pool.cluster.protocolOptions;
    if (idleTimeoutMs !== Number.POSITIVE_INFINITY)
      this.#pool.worker.timers.start(this.#idleTimer, idleTimeoutMs);
  }

  close(): void {
    if (this.#closed) return;
    this.#charge(this.#pool.cluster.stats.upstreamCxDestroyLocal);
    if (this.#handler !== null) this.#chargeCut(this.#pool.cluster.stats.upstreamCxDestroyLocalWithActiveRq);
    this.#teardown();
  }

  // --- UpstreamStream ---

  get needsDrain(): boolean {
    return this.#socket.writableNeedDrain;
  }

  sendHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#reader.expectResponse(headers.method);
    this.#requestSent = endStream;
    this.#chunked = false;
    let head = headers.requestLine() + headers.serialize();
    if (!headers.hasId(HeaderId.CONTENT_LENGTH)) {
      if (!endStream) {
        this.#tunnel = headers.method === 'CONNECT' || headers.hasId(HeaderId.UPGRADE);
        if (this.#tunnel) this.#reader.expectTunnel();
        else {
          this.#chunked = true;
          head += 'transfer-encoding: chunked\r\n';
        }
      } else if (!requestHasNoBody(headers.method)) {
        head += 'content-length: 0\r\n';
      }
    }
    head += '\r\n';
    head = withHeaderCase(head, headers.headerCase ?? this.#pool.cluster.protocolOptions.headerCase.own);
    if (endStream) this.#write(head);
    else this.#pendingHead = head;
  }

  sendData(bytes: Buffer, endStream: boolean): void {
    if (endStream) this.#requestSent = true;
    const socket = this.#socket;
    if (bytes.length > 0)
      this.#pool.cluster.lane.add(this.#pool.cluster.stats.upstreamCxTxBytesTotal, bytes.length);
    if (!this.#chunked) {
      this.flush();
      if (bytes.length > 0) writeBorrowed(socket, bytes, this.#pool.worker.readBuffers);
      if (endStream && this.#tunnel) socket.end();
      return;
    }
    if (bytes.length > 0) {
      this.#write(this.#takeHead() + chunkHeader(bytes.length));
      writeBorrowed(socket, bytes, this.#pool.worker.readBuffers);
      this.#write(endStream ? `\r\n${CHUNKED_END}` : '\r\n');
    } else if (endStream) {
      this.#write(this.#takeHead() + CHUNKED_END);
    }
  }

  sendTrailers(trailers: HeaderMap): void {
    this.#requestSent = true;
    if (!this.#chunked) this.#write(this.#takeHead());
    else {
      const lines = this.#pool.cluster.protocolOptions.http1Trailers ? trailers.serialize() : '';
      this.#write(`${this.#takeHead()}0\r\n${lines}\r\n`);
    }
  }

  flush(): void {
    if (this.#pendingHead !== '') this.#write(this.#takeHead());
  }

  pauseReading(paused: boolean): void {
    const { lane, stats } = this.#pool.cluster;
    if (paused) {
      lane.inc(stats.upstreamFlowControlPausedReadingTotal);
      this.#reader.pause(this.#socket);
    } else {
      lane.inc(stats.upstreamFlowControlResumedReadingTotal);
      this.#reader.resume(this.#socket);
    }
  }

  cancel(): void {
    if (this.#handler === null) return;
    this.#charge(this.#pool.cluster.stats.upstreamCxDestroyLocal);
    this.#chargeCut(this.#pool.cluster.stats.upstreamCxDestroyLocalWithActiveRq);
    this.#detach();
    this.#teardown();
  }

  #takeHead(): string {
    const head = this.#pendingHead;
    this.#pendingHead = '';
    return head;
  }

  #write(text: string): void {
    if (text === '') return;
    this.#pool.cluster.lane.add(this.#pool.cluster.stats.upstreamCxTxBytesTotal, text.length);
    this.#socket.write(text, 'latin1');
  }

  // --- ResponseSink: what the reader finds ---

  onBytesRead(count: number): void {
    this.#pool.cluster.lane.add(this.#pool.cluster.stats.upstreamCxRxBytesTotal, count);
  }

  onReadDone(): void {
    this.#handler?.onUpstreamReadDone();
  }

  onInformational(headers: ResponseHeaders): void {
    this.#handler?.onUpstreamInformational(headers);
  }

  onHead(headers: ResponseHeaders, endStream: boolean): void {
    const handler = this.#handler;
    if (handler === null) return;
    if (endStream) this.#onResponseEnd();
    handler.onUpstreamHeaders(headers, endStream);
  }

  onBody(bytes: Buffer, endStream: boolean): void {
    const handler = this.#handler;
    if (handler === null) return;
    if (endStream && handler.showsData === true && bytes.length > 0) {
      // Filters see the end apart from the last bytes, as in Envoy, whose codec knows of it only when the message is complete.
      handler.onUpstreamData(bytes, false);
      if (this.#handler !== handler) return;
      bytes = EMPTY;
    }
    if (endStream) this.#onResponseEnd();
    handler.onUpstreamData(bytes, endStream);
  }

  /** Filters see the chunks of one read as one piece. */
  get wantsWholeReads(): boolean {
    return this.#handler?.showsData === true;
  }

  onTrailers(trailers: HeaderMap): void {
    const handler = this.#handler;
    if (handler === null) return;
    this.#onResponseEnd();
    handler.onUpstreamTrailers(trailers);
  }

  /** The reader has left the response's bytes: the connection goes back, or is done for. */
  onResponseDone(): void {
    if (this.#closed) return;
    const { cluster } = this.#pool;
    this.requestsBefore++;
    if (this.#tunnel || !this.#requestSent || !this.#reader.persistent || this.#socket.writableLength > 0) {
      this.close();
    } else if (this.requestsBefore >= cluster.protocolOptions.maxRequestsPerConnection) {
      this.#charge(cluster.stats.upstreamCxMaxRequests);
      this.close();
    } else {
      this.#pool.onReusable(this);
    }
  }

  onProtocolError(): void {
    this.#charge(this.#pool.cluster.stats.upstreamCxProtocolError);
    this.#fail(ResetReason.ProtocolError, '');
  }

  /** Bytes on a connection nobody asked anything on: it cannot be trusted any more. */
  onUnexpectedBytes(): void {
    this.#charge(this.#pool.cluster.stats.upstreamCxProtocolError);
    this.close();
  }

  /** The handler is let go before it hears of the end, so that it may start its next request from there. */
  #onResponseEnd(): void {
    this.#detach();
  }

  #detach(): void {
    if (this.#handler === null) return;
    this.#handler = null;
    const { lane, stats } = this.#pool.cluster;
    lane.gaugeDec(stats.upstreamRqActive);
    lane.gaugeDec(this.host.stats.rqActive);
    this.host.activeRequests--;
    this.#pool.breakers.decrement(2);
  }

  // --- the socket ---

  #onReady(): void {
    const failure = this.#pool.connector.verify(this.host, this.#pool.kind, this.#socket);
    if (failure === '') this.#onConnect();
    else this.#failConnect(ResetReason.RemoteConnectionFailure, failure);
  }

  #onConnect(): void {
    const { worker, cluster } = this.#pool;
    this.#connectTimer.stop();
    this.#connected = true;
    this.localAddress = `${this.#socket.localAddress}:${this.#socket.localPort}`;
    this.tls = this.#pool.connector.tlsInfo(this.host, this.#socket);
    cluster.lane.record(
      cluster.stats.upstreamCxConnectMs,
      worker.timers.clock.nowMs() - this.#connectStartMs,
    );
    this.#pool.onConnected(this);
  }

  #onConnectTimeout(): void {
    this.#charge(this.#pool.cluster.stats.upstreamCxConnectTimeout);
    this.#failConnect(ResetReason.ConnectionTimeout, '');
  }

  #onIdleTimeout(): void {
    this.#charge(this.#pool.cluster.stats.upstreamCxIdleTimeout);
    this.close();
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (!this.#connected) {
      const { connector } = this.#pool;
      this.#failConnect(ResetReason.RemoteConnectionFailure, connector.failureText(this.host, error));
    } else this.#onRemoteClose();
  }

  #onEnd(): void {
    if (this.#connected) this.#onRemoteClose();
  }

  #onClose(): void {
    if (!this.#connected)
      this.#failConnect(ResetReason.RemoteConnectionFailure, 'delayed connect error: Unknown error');
    else this.#onRemoteClose();
  }

  #onRemoteClose(): void {
    if (this.#closed) return;
    const { stats } = this.#pool.cluster;
    this.#charge(stats.upstreamCxDestroyRemote);
    if (this.#reader.endsWithConnection) {
      this.#reader.onConnectionEnd();
      if (!this.#closed) this.#teardown();
      return;
    }
    if (this.#handler !== null) this.#chargeCut(stats.upstreamCxDestroyRemoteWithActiveRq);
    if (this.#reader.inMessage) {
      this.#charge(stats.upstreamCxProtocolError);
      this.#fail(ResetReason.ProtocolError, '');
    } else {
      this.#fail(ResetReason.ConnectionTermination, '');
    }
  }

  #failConnect(reason: ResetReason, transportFailure: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connectTimer.stop();
    this.#socket.destroy();
    this.#pool.onConnectFailed(this, reason, transportFailure);
  }

  #fail(reason: ResetReason, transportFailure: string): void {
    const handler = this.#handler;
    this.#detach();
    this.#teardown();
    handler?.onUpstreamReset(reason, transportFailure);
  }

  #teardown(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { cluster, worker } = this.#pool;
    this.#detach();
    this.#idleTimer.stop();
    this.#connectTimer.stop();
    this.#socket.destroy();
    this.#reader.release();
    this.#charge(cluster.stats.upstreamCxDestroy);
    cluster.lane.record(cluster.stats.upstreamCxLengthMs, worker.timers.clock.nowMs() - this.#connectStartMs);
    if (this.#connected) this.#pool.onClosed(this);
    else this.#pool.onConnectFailed(this, ResetReason.LocalConnectionFailure, '');
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
