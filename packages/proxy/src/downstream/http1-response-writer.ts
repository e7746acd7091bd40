// Writes responses of one HTTP/1 client connection: head and body in one write where both are at hand, framing that always
// fits the bytes that follow, and the decision whether the connection lives on.

import type { Socket } from 'node:net';
import {
  CHUNKED_END,
  chunkHeader,
  HeaderId,
  type HeaderMap,
  type RequestHead,
  type ResponseHeaders,
  statusLine,
  statusLineHttp10,
  withHeaderCase,
} from '@dragoman/http';
import type { ConnectionManager } from '../connection-manager/connection-manager.ts';
import type { ResponseEncoder } from '../filter-chain/response-encoder.ts';
import type { Stream } from '../filter-chain/stream.ts';
import { opensTunnel } from '../filter-chain/upgrade.ts';
import { SMALL_WRITE_BYTES, writeBorrowed } from '../socket/body-writer.ts';

/** The connection behind the writer. */
export interface WriterOwner {
  pauseReading(paused: boolean): void;
  onResponseDone(close: boolean): void;
  onResponseAborted(): void;
  /** The head of a response that makes a tunnel of the connection is out. */
  onTunnelOpened(): void;
}

const Framing = { None: 0, Length: 1, Chunked: 2, UntilClose: 3 } as const;

export class Http1ResponseWriter implements ResponseEncoder {
  protocol = 'HTTP/1.1';
  readonly #socket: Socket;
  readonly #manager: ConnectionManager;
  readonly #owner: WriterOwner;
  #stream: Stream | null = null;
  #headRequest = false;
  #http10 = false;
  #close = false;
  #framing: number = Framing.None;
  #left = 0;
  #pending = '';
  /** Clients are asked to close; the connection lives on for those that do not. */
  askToClose = false;
  /** The connection ends with this response. */
  lastResponse = false;

  constructor(socket: Socket, manager: ConnectionManager, owner: WriterOwner) {
    this.#socket = socket;
    this.#manager = manager;
    this.#owner = owner;
  }

  /** A request begins. `head` is null for one that could not be parsed. */
  begin(head: RequestHead | null, stream: Stream, requests: number): void {
    const { maxRequestsPerConnection } = this.#manager.settings;
    this.#stream = stream;
    this.#headRequest = head !== null && head.headers.method === 'HEAD';
    this.#http10 = head?.http10 ?? false;
    this.protocol = this.#http10 ? 'HTTP/1.0' : 'HTTP/1.1';
    this.#close = head === null || !head.persistent;
    if (maxRequestsPerConnection > 0 && requests >= maxRequestsPerConnection) {
      this.#manager.lane.inc(this.#manager.stats.downstreamCxMaxRequestsReached);
      this.#close = true;
    }
    this.#pending = '';
  }

  writeContinue(): void {
    this.#write('HTTP/1.1 100 Continue\r\n\r\n');
  }

  encodeInformational(headers: ResponseHeaders): void {
    if (this.#http10) return;
    headers.removeId(HeaderId.CONTENT_LENGTH);
    this.#write(`${statusLine(headers.status)}${headers.serialize()}\r\n`);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.#stream !== null && opensTunnel(this.#stream.upgrade, headers.status)) {
      this.#encodeTunnelHead(headers);
      return;
    }
    if (this.#mustClose()) this.#close = true;
    let head =
      (this.#http10 ? statusLineHttp10(headers.status) : statusLine(headers.status)) + headers.serialize();
    if (this.#close || this.askToClose) head += 'connection: close\r\n';
    else if (this.#http10) head += 'connection: keep-alive\r\n';
    head += `${this.#chooseFraming(headers, endStream)}\r\n`;
    head = withHeaderCase(head, headers.headerCase ?? this.#manager.settings.headerCase.own);
    if (endStream) this.#write(head);
    else this.#pending = head;
  }

  /** 101, or 2xx to CONNECT: no framing, and no word about the connection's end. */
  #encodeTunnelHead(headers: ResponseHeaders): void {
    headers.removeId(HeaderId.CONTENT_LENGTH);
    this.#framing = Framing.UntilClose;
    this.#close = true;
    this.#write(`${statusLine(headers.status)}${headers.serialize()}\r\n`);
    this.#owner.onTunnelOpened();
  }

  /** A response that begins before its request has ended, or that refuses it as malformed, is the last one. */
  #mustClose(): boolean {
    const stream = this.#stream;
    if (this.lastResponse) return true;
    if (this.#manager.drainsConnection()) {
      this.#manager.lane.inc(this.#manager.stats.downstreamCxDrainClose);
      return true;
    }
    if (this.#manager.overload.endsKeepalive) {
      this.#manager.lane.inc(this.#manager.stats.downstreamCxOverloadDisableKeepalive);
      return true;
    }
    return stream !== null && (!stream.requestEnded || stream.closeConnection);
  }

  /** Decides how the body's end is told, and gives the header line for it ('' when there is one already). */
  #chooseFraming(headers: ResponseHeaders, endStream: boolean): string {
    const { status } = headers;
    const length = headers.getId(HeaderId.CONTENT_LENGTH);
    if (endStream || this.#headRequest || status === 204 || status === 304) {
      this.#framing = Framing.None;
      if (length !== undefined || status === 204 || (status >= 100 && status < 200)) return '';
      if (!this.#headRequest) return 'content-length: 0\r\n';
      return this.#http10 ? '' : 'transfer-encoding: chunked\r\n';
    }
    if (length !== undefined) {
      this.#framing = Framing.Length;
      this.#left = Number(length);
      return '';
    }
    if (this.#http10) {
      this.#framing = Framing.UntilClose;
      this.#close = true;
      return '';
    }
    this.#framing = Framing.Chunked;
    return 'transfer-encoding: chunked\r\n';
  }

  encodeData(bytes: Buffer, endStream: boolean): void {
    if (bytes.length > 0) {
      switch (this.#framing) {
        case Framing.Length:
          this.#left -= bytes.length;
          // More than the announced length must not reach the client: it would read it as the next response.
          if (this.#left >= 0) this.#writeBody(bytes);
          break;
        case Framing.Chunked:
          this.#writeChunk(bytes, endStream);
          break;
        case Framing.UntilClose:
          this.#writeBody(bytes);
      }
    } else if (endStream && this.#framing === Framing.Chunked) {
      this.#write(this.#takeHead() + CHUNKED_END);
    }
    if (endStream) this.flush();
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (this.#framing === Framing.Chunked) {
      const lines = this.#manager.settings.enableTrailers ? trailers.serialize() : '';
      this.#write(`${this.#takeHead()}0\r\n${lines}\r\n`);
    }
    this.flush();
  }

  complete(): void {
    this.#stream = null;
    if (this.#framing === Framing.Length && this.#left !== 0) this.#owner.onResponseAborted();
    else this.#owner.onResponseDone(this.#close);
  }

  flush(): void {
    if (this.#pending !== '') this.#write(this.#takeHead());
  }

  get needsDrain(): boolean {
    return this.#socket.writableNeedDrain;
  }

  pauseReading(paused: boolean): void {
    this.#owner.pauseReading(paused);
  }

  abort(): void {
    this.flush();
    this.#owner.onResponseAborted();
  }

  #takeHead(): string {
    const head = this.#pending;
    this.#pending = '';
    return head;
  }

  #write(text: string): void {
    this.#manager.lane.add(this.#manager.stats.downstreamCxTxBytesTotal, text.length);
    this.#socket.write(text, 'latin1');
  }

  #writeBody(bytes: Buffer): void {
    const { lane, stats, worker } = this.#manager;
    const head = this.#takeHead();
    lane.add(stats.downstreamCxTxBytesTotal, head.length + bytes.length);
    if (head === '') writeBorrowed(this.#socket, bytes, worker.readBuffers);
    else if (bytes.length <= SMALL_WRITE_BYTES)
      this.#socket.write(head + bytes.latin1Slice(0, bytes.length), 'latin1');
    else this.#socket.write(joined(head, bytes, ''));
  }

  #writeChunk(bytes: Buffer, last: boolean): void {
    const { lane, stats } = this.#manager;
    const head = this.#takeHead() + chunkHeader(bytes.length);
    const tail = last ? `\r\n${CHUNKED_END}` : '\r\n';
    lane.add(stats.downstreamCxTxBytesTotal, head.length + bytes.length + tail.length);
    if (bytes.length <= SMALL_WRITE_BYTES)
      this.#socket.write(head + bytes.latin1Slice(0, bytes.length) + tail, 'latin1');
    else this.#socket.write(joined(head, bytes, tail));
  }
}

/** One buffer of text, bytes and text: a copy costs less than a second system call. */
function joined(head: string, bytes: Buffer, tail: string): Buffer {
  const out = Buffer.allocUnsafe(head.length + bytes.length + tail.length);
  out.latin1Write(head, 0, head.length);
  out.set(bytes, head.length);
  if (tail !== '') out.latin1Write(tail, head.length + bytes.length, tail.length);
  return out;
}
