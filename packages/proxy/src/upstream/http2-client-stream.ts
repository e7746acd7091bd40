// One request on an HTTP/2 connection to an upstream host: frames out, events of node:http2 in. Worker threads only.

import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { HeaderMap, type RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type { Host } from '../cluster/host.ts';
import type { TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import { ownBytes, SMALL_WRITE_BYTES } from '../socket/body-writer.ts';
import { HeldPiece } from '../socket/held-piece.ts';
import type { ReadBuffers } from '../socket/read-buffers.ts';
import { ResetReason, type UpstreamHandler, type UpstreamStream } from './upstream-stream.ts';

/** The connection a stream is on. */
export interface ClientStreamOwner {
  readonly host: Host;
  readonly localAddress: string;
  readonly tls: TlsConnectionInfo | null;
  readonly session: ClientHttp2Session;
  readonly readBuffers: ReadBuffers;
  /** The connection is gone: streams that end now were not reset one by one. */
  readonly gone: boolean;
  onStreamClosed(stream: Http2ClientStream): void;
  countPaused(paused: boolean): void;
  /** A reset by the host (`remote`), or by us. */
  countReset(remote: boolean): void;
  countTrailers(): void;
}

const OWNER = Symbol('stream');
type OwnedStream = ClientHttp2Stream & { [OWNER]?: Http2ClientStream };

const NGHTTP2_FLAG_END_STREAM = 1;
const ErrorCode = { NO_ERROR: 0, PROTOCOL_ERROR: 1, INTERNAL_ERROR: 2, REFUSED_STREAM: 7 } as const;
/**
 * Of the streams that are given up here; what Envoy sends. CANCEL is no choice: node:http2 puts such a reset off while it
 * reads, and aborts the process when the stream is gone by then (Http2Stream::OnTrailers, assertion !is_destroyed).
 */
const RESET_CODE = ErrorCode.INTERNAL_ERROR;

export class Http2ClientStream implements UpstreamStream {
  readonly host: Host;
  readonly protocol = 'HTTP/2';
  readonly localAddress: string;
  readonly tls: TlsConnectionInfo | null;
  readonly requestsBefore: number;
  readonly #owner: ClientStreamOwner;
  #handler: UpstreamHandler | null;
  #http2: ClientHttp2Stream | null = null;
  /** Request headers that wait for what comes next: then it is known whether there can be trailers. */
  #head: RequestHeaders | null = null;
  #requestTrailers: HeaderMap | null = null;
  #responseTrailers: HeaderMap | null = null;
  #listensForDrain = false;
  #requestEnded = false;
  #closed = false;
  /** Bytes the response still has to bring, by its content-length; -1 when it has none. */
  #left = -1;
  #held: HeldPiece | null = null;

  constructor(owner: ClientStreamOwner, handler: UpstreamHandler, requestsBefore: number) {
    this.#owner = owner;
    this.#handler = handler;
    this.host = owner.host;
    this.localAddress = owner.localAddress;
    this.tls = owner.tls;
    this.requestsBefore = requestsBefore;
  }

  // --- UpstreamStream ---

  sendHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#requestEnded = endStream;
    if (endStream) this.#request(headers, true, false);
    else this.#head = headers;
  }

  sendData(bytes: Buffer, endStream: boolean): void {
    if (endStream) this.#requestEnded = true;
    this.#sendHead(!endStream);
    const http2 = this.#http2;
    if (http2 === null || http2.destroyed) return;
    const { readBuffers } = this.#owner;
    if (!endStream) {
      if (bytes.length > 0) http2.write(ownBytes(bytes, readBuffers));
    } else if (bytes.length === 0) http2.end();
    else if (bytes.length <= SMALL_WRITE_BYTES) http2.end(bytes.latin1Slice(0, bytes.length), 'latin1');
    else http2.end(ownBytes(bytes, readBuffers));
  }

  sendTrailers(trailers: HeaderMap): void {
    this.#requestEnded = true;
    this.#requestTrailers = trailers;
    this.#sendHead(true);
    this.#http2?.end();
  }

  flush(): void {
    this.#sendHead(true);
  }

  get needsDrain(): boolean {
    const http2 = this.#http2;
    if (http2 === null || !http2.writableNeedDrain) return false;
    if (!this.#listensForDrain) {
      this.#listensForDrain = true;
      http2.on('drain', onDrain);
    }
    return true;
  }

  pauseReading(paused: boolean): void {
    const http2 = this.#http2;
    if (http2 === null || http2.destroyed) return;
    this.#owner.countPaused(paused);
    if (paused) http2.pause();
    else http2.resume();
  }

  cancel(): void {
    if (this.#handler === null) return;
    this.#handler = null;
    this.#owner.countReset(false);
    if (this.#http2 === null) this.#close();
    else this.#http2.close(RESET_CODE);
  }

  #sendHead(moreToCome: boolean): void {
    const head = this.#head;
    if (head === null) return;
    this.#head = null;
    this.#request(head, false, moreToCome);
  }

  #request(headers: RequestHeaders, endStream: boolean, waitForTrailers: boolean): void {
    if (this.#closed) return;
    const { session } = this.#owner;
    const options = { endStream, waitForTrailers };
    const pairs = headers.toPairs();
    let http2: ClientHttp2Stream;
    try {
      http2 = session.request(pairs, options);
    } catch {
      // Fields that HTTP/2 does not know, from a filter: node:http2 refuses the whole list.
      http2 = session.request(withoutConnectionFields(pairs), options);
    }
    this.#http2 = http2;
    (http2 as OwnedStream)[OWNER] = this;
    http2.on('response', onResponse);
    http2.on('headers', onInformational);
    http2.on('data', onData);
    http2.on('end', onEnd);
    http2.on('trailers', onTrailers);
    http2.on('close', onClose);
    http2.on('error', ignoreError);
    if (waitForTrailers) http2.on('wantTrailers', onWantTrailers);
  }

  // --- what happens on the HTTP/2 stream ---

  onInformational(raw: readonly string[]): void {
    const headers = responseHeaders(raw);
    if (headers.status !== 101) this.#handler?.onUpstreamInformational(headers);
    this.#handler?.onUpstreamReadDone();
  }

  onResponse(raw: readonly string[], flags: number): void {
    const handler = this.#handler;
    if (handler === null) return;
    const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    const headers = responseHeaders(raw);
    const length = headers.get('content-length');
    this.#left = length === undefined || endStream ? -1 : Number(length);
    if (endStream) this.#onResponseEnd();
    handler.onUpstreamHeaders(headers, endStream);
    handler.onUpstreamReadDone();
  }

  onData(bytes: Buffer): void {
    const handler = this.#handler;
    if (handler === null) return;
    if (this.#left >= 0) this.#left -= bytes.length;
    if (handler.showsData === true) (this.#held ??= new HeldPiece(held => this.#passData(held))).hold(bytes);
    else this.#passData(bytes);
  }

  #passData(bytes: Buffer): void {
    this.#handler?.onUpstreamData(bytes, false);
    this.#handler?.onUpstreamReadDone();
  }

  onTrailers(raw: readonly string[]): void {
    const trailers = new HeaderMap();
    for (let i = 0; i < raw.length; i += 2)
      if (!CONNECTION_FIELDS.has(raw[i]))
        trailers.addLine(`${raw[i]}: ${raw[i + 1]}\r\n`, raw[i], raw[i + 1]);
    this.#responseTrailers = trailers;
  }

  onEnd(): void {
    const handler = this.#handler;
    const http2 = this.#http2;
    if (handler === null || http2 === null || http2.rstCode !== ErrorCode.NO_ERROR) return;
    // A reset without error in the middle of a body looks like its end: the announced length tells.
    if (this.#left > 0) return;
    if (this.#responseTrailers !== null) this.#held?.passOn();
    if (this.#handler !== handler) return;
    this.#onResponseEnd();
    if (this.#responseTrailers !== null) {
      this.#owner.countTrailers();
      handler.onUpstreamTrailers(this.#responseTrailers);
    } else {
      handler.onUpstreamData(this.#held?.take() ?? EMPTY, true);
    }
    handler.onUpstreamReadDone();
  }

  /** Nobody sends the rest of a request that was answered early: without a reset its stream would stay open. */
  #onResponseEnd(): void {
    this.#handler = null;
    if (this.#requestEnded) return;
    this.#owner.countReset(false);
    this.#http2?.close(RESET_CODE);
  }

  onDrain(): void {
    this.#handler?.onUpstreamWritable();
  }

  onWantTrailers(): void {
    const trailers = this.#requestTrailers;
    const fields: Record<string, string | string[]> = {};
    trailers?.forEach((name, value) => {
      const before = fields[name];
      if (!CONNECTION_FIELDS.has(name)) fields[name] = before === undefined ? value : [before, value].flat();
    });
    this.#http2?.sendTrailers(fields);
  }

  onClose(code: number): void {
    if (this.#closed) return;
    this.#held?.passOn();
    const handler = this.#handler;
    this.#handler = null;
    const gone = this.#owner.gone;
    this.#close();
    if (handler === null) return;
    if (gone) {
      handler.onUpstreamReset(ResetReason.ConnectionTermination, '');
      return;
    }
    this.#owner.countReset(true);
    handler.onUpstreamReset(
      code === ErrorCode.REFUSED_STREAM
        ? ResetReason.RemoteRefusedStream
        : code === ErrorCode.PROTOCOL_ERROR
          ? ResetReason.ProtocolError
          : ResetReason.RemoteReset,
      '',
    );
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#head = null;
    this.#owner.onStreamClosed(this);
  }
}

function responseHeaders(raw: readonly string[]): ResponseHeaders {
  const headers = new ResponseHeaders();
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i];
    const value = raw[i + 1];
    if (name === ':status') headers.status = Number(value);
    else headers.addLine(`${name}: ${value}\r\n`, name, value);
  }
  return headers;
}

const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

function withoutConnectionFields(pairs: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < pairs.length; i += 2)
    if (!CONNECTION_FIELDS.has(pairs[i]) || (pairs[i] === 'te' && pairs[i + 1] === 'trailers'))
      kept.push(pairs[i], pairs[i + 1]);
  return kept;
}

const EMPTY = Buffer.alloc(0);

function ignoreError(): void {}

function onResponse(this: OwnedStream, _fields: unknown, flags: number, raw?: unknown): void {
  this[OWNER]?.onResponse(raw as string[], flags);
}

function onInformational(this: OwnedStream, _fields: unknown, _flags: number, raw?: unknown): void {
  this[OWNER]?.onInformational(raw as string[]);
}

function onTrailers(this: OwnedStream, _fields: unknown, _flags: number, raw?: unknown): void {
  this[OWNER]?.onTrailers(raw as string[]);
}

function onData(this: OwnedStream, bytes: Buffer): void {
  this[OWNER]?.onData(bytes);
}

function onEnd(this: OwnedStream): void {
  this[OWNER]?.onEnd();
}

function onDrain(this: OwnedStream): void {
  this[OWNER]?.onDrain();
}

function onWantTrailers(this: OwnedStream): void {
  this[OWNER]?.onWantTrailers();
}

function onClose(this: OwnedStream): void {
  this[OWNER]?.onClose(this.rstCode ?? 0);
}
