// Reads the responses of one upstream HTTP/1 connection out of the bytes as they come: head, body by its framing, end.
// Says what it finds to a sink and never writes. Worker threads only.

import type { Socket } from 'node:net';
import {
  BodyEnd,
  ChunkedDecoder,
  type ChunkedSink,
  type HeaderMap,
  ResponseHead,
  type ResponseHeaders,
  type ResponseParserOptions,
  responseParserOptions,
} from '@dragoman/http';
import type { ProtocolOptions } from '../cluster/protocol-options.ts';
import { BufferedRead, type BytesConsumer } from '../socket/buffered-read.ts';
import type { CaseSettings } from '../socket/case-settings.ts';
import type { ReadBuffers } from '../socket/read-buffers.ts';

/** Hears what is in the bytes. After onResponseDone or onProtocolError of a message nothing more of it comes. */
export interface ResponseSink {
  onBytesRead(count: number): void;
  /** The bytes of one read have been handed over. */
  onReadDone(): void;
  onInformational(headers: ResponseHeaders): void;
  onHead(headers: ResponseHeaders, endStream: boolean): void;
  /** `bytes` is borrowed. */
  onBody(bytes: Buffer, endStream: boolean): void;
  onTrailers(trailers: HeaderMap): void;
  /** The chunks of one read are to come as one piece. */
  readonly wantsWholeReads: boolean;
  onResponseDone(): void;
  onProtocolError(): void;
  onUnexpectedBytes(): void;
}

const State = { Idle: 0, Head: 1, Length: 2, Chunked: 3, UntilClose: 4, Dead: 5 } as const;

export class Http1ResponseReader implements ChunkedSink, BytesConsumer {
  readonly #sink: ResponseSink;
  readonly #read: BufferedRead;
  readonly #options: ResponseParserOptions;
  readonly #chunks: ChunkedDecoder;
  readonly #headerCase: CaseSettings;
  #state: number = State.Idle;
  #head: ResponseHead | null = null;
  #requestMethod = '';
  #tunnel = false;
  #left = 0;
  /** Chunks of this read that wait to be passed on as one piece. */
  #gathered: Buffer[] | null = null;
  /** The beginning of a head whose rest has not come. */
  #partial: Buffer | null = null;
  /** False when this connection must not carry another request. */
  persistent = true;

  constructor(
    sink: ResponseSink,
    buffers: ReadBuffers,
    {
      maxHeadersCount,
      http1Trailers,
      headerCase,
    }: Pick<ProtocolOptions, 'maxHeadersCount' | 'http1Trailers' | 'headerCase'>,
  ) {
    this.#headerCase = headerCase;
    this.#sink = sink;
    this.#read = new BufferedRead(this, buffers);
    this.#options = responseParserOptions({ maxHeadersCount });
    this.#chunks = new ChunkedDecoder({ keepTrailers: http1Trailers });
  }

  /** The `onread` option of net.connect: bytes without the stream machinery. */
  get onread(): BufferedRead['onread'] {
    return this.#read.onread;
  }

  /** A request goes out: the next bytes are its response. */
  expectResponse(requestMethod: string): void {
    if (this.#head?.headers.inUse) this.#head = null;
    this.#state = State.Head;
    this.#requestMethod = requestMethod;
  }

  /** The request was an upgrade or CONNECT: the response may make a tunnel of the connection. */
  expectTunnel(): void {
    this.#tunnel = true;
  }

  /** Some bytes of the response have come, and not all. */
  get inMessage(): boolean {
    return this.#state >= State.Length || this.#partial !== null;
  }

  /** The end of the connection is the end of the body. */
  get endsWithConnection(): boolean {
    return this.#state === State.UntilClose;
  }

  onConnectionEnd(): void {
    this.#state = State.Dead;
    this.persistent = false;
    this.#sink.onBody(Buffer.alloc(0), true);
    this.#sink.onReadDone();
  }

  pause(socket: Socket): void {
    this.#read.paused = true;
    socket.pause();
  }

  resume(socket: Socket): void {
    this.#read.paused = false;
    socket.resume();
  }

  release(): void {
    this.#state = State.Dead;
    this.#partial = null;
    this.#read.release();
  }

  onBytes(buffer: Buffer, count: number): void {
    if (this.#state === State.Dead) return;
    this.#sink.onBytesRead(count);
    this.#consume(buffer, 0, count);
    // Bodies that span reads get memory of their own, so that it can stay lent to a slow client's socket.
    this.#read.streaming = this.#state >= State.Length && this.#state !== State.Dead;
    this.#sink.onReadDone();
  }

  #consume(buffer: Buffer, offset: number, end: number): void {
    switch (this.#state) {
      case State.Idle:
        this.#sink.onUnexpectedBytes();
        return;
      case State.Head:
        this.#consumeHead(buffer, offset, end);
        return;
      case State.Length:
        this.#consumeLength(buffer, offset, end);
        return;
      case State.Chunked:
        this.#consumeChunks(buffer, offset, end);
        return;
      case State.UntilClose:
        this.#sink.onBody(buffer.subarray(offset, end), false);
    }
  }

  #consumeHead(buffer: Buffer, offset: number, end: number): void {
    if (this.#partial !== null) {
      buffer = Buffer.concat([this.#partial, buffer.subarray(offset, end)]);
      offset = 0;
      end = buffer.length;
      if (!mayEndHead(buffer, this.#partial.length) && end <= this.#options.maxHeadersBytes) {
        this.#partial = buffer;
        return;
      }
      this.#partial = null;
    }
    for (;;) {
      const head = this.#takeHead();
      const consumed = this.#headerCase.parseResponse(head, buffer, offset, end, this.#options);
      if (consumed < 0 || (consumed === 0 && end - offset > this.#options.maxHeadersBytes)) {
        this.#protocolError();
        return;
      }
      if (consumed === 0) {
        this.#partial = Buffer.from(buffer.subarray(offset, end));
        return;
      }
      offset += consumed;
      if (head.headers.status === 101 && !this.#tunnel) {
        this.#protocolError();
        return;
      }
      if (!head.interim) {
        this.#begin(head, buffer, offset, end);
        return;
      }
      this.#sink.onInformational(head.headers);
      if (offset === end || this.#state !== State.Head) return;
    }
  }

  #takeHead(): ResponseHead {
    this.#head ??= new ResponseHead();
    return this.#head;
  }

  #begin(head: ResponseHead, buffer: Buffer, offset: number, end: number): void {
    const { headers } = head;
    this.persistent = head.persistent;
    headers.inUse = true;
    const length = head.bodyEnd(this.#requestMethod);
    if (this.#tunnel && this.#opensTunnel(head)) {
      this.#state = State.UntilClose;
      this.#sink.onHead(headers, false);
      if (offset < end) this.#consume(buffer, offset, end);
      return;
    }
    if (length === 0) {
      // An answer to HEAD, a 204 or a 304 has no body: what follows is nobody's, and the connection not to be trusted.
      if (offset < end) this.persistent = false;
      this.#state = State.Idle;
      this.#sink.onHead(headers, true);
      this.#sink.onResponseDone();
      return;
    }
    if (length === BodyEnd.CHUNKED) {
      this.#chunks.reset();
      this.#state = State.Chunked;
    } else if (length > 0) {
      this.#left = length;
      this.#state = State.Length;
    } else {
      this.persistent = false;
      this.#state = State.UntilClose;
    }
    this.#sink.onHead(headers, false);
    if (offset < end) this.#consume(buffer, offset, end);
  }

  /** 101, or 2xx to CONNECT: all that follows are bytes. Puts back what the parser took for its own. */
  #opensTunnel(head: ResponseHead): boolean {
    const { headers } = head;
    this.persistent = false;
    if (this.#requestMethod === 'CONNECT') return headers.status >= 200 && headers.status < 300;
    if (headers.status !== 101) return false;
    if (head.upgrade !== '') {
      headers.addLine(`upgrade: ${head.upgrade}\r\n`, 'upgrade', head.upgrade);
      headers.addLine('connection: Upgrade\r\n', 'connection', 'Upgrade');
    }
    return true;
  }

  #consumeLength(buffer: Buffer, offset: number, end: number): void {
    const available = end - offset;
    if (available < this.#left) {
      this.#left -= available;
      this.#sink.onBody(buffer.subarray(offset, end), false);
      return;
    }
    const bodyEnd = offset + this.#left;
    if (bodyEnd < end) this.persistent = false;
    this.#left = 0;
    this.#state = State.Idle;
    this.#sink.onBody(buffer.subarray(offset, bodyEnd), true);
    this.#sink.onResponseDone();
  }

  #consumeChunks(buffer: Buffer, offset: number, end: number): void {
    const consumed = this.#chunks.feed(buffer, offset, end, this);
    if (this.#gathered !== null) this.#passGathered();
    if (this.#state === State.Dead) return;
    if (consumed < 0) {
      this.#protocolError();
      return;
    }
    if (!this.#chunks.done) return;
    if (consumed < end) this.persistent = false;
    this.#state = State.Idle;
    const { trailers } = this.#chunks;
    if (trailers !== null) this.#sink.onTrailers(trailers);
    else this.#sink.onBody(Buffer.alloc(0), true);
    this.#sink.onResponseDone();
  }

  onChunkData(buffer: Buffer, start: number, end: number): void {
    if (this.#state === State.Dead) return;
    const bytes = buffer.subarray(start, end);
    if (this.#sink.wantsWholeReads) (this.#gathered ??= []).push(bytes);
    else this.#sink.onBody(bytes, false);
  }

  #passGathered(): void {
    const pieces = this.#gathered!;
    this.#gathered = null;
    if (this.#state !== State.Dead)
      this.#sink.onBody(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces), false);
  }

  #protocolError(): void {
    this.#state = State.Dead;
    this.persistent = false;
    this.#sink.onProtocolError();
  }
}

/** True when the bytes from shortly before `from` on contain the empty line that ends a head. */
function mayEndHead(buffer: Buffer, from: number): boolean {
  return buffer.indexOf('\r\n\r\n', Math.max(0, from - 3), 'latin1') >= 0;
}
