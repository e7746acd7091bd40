// One HTTP/2 stream of a client: its request goes into a proxy stream, the response comes back as frames. Pooled: the object
// and its proxy stream serve one HTTP/2 stream after the other. Worker threads only.

import type { ServerHttp2Stream } from 'node:http2';
import { HeaderMap, type ResponseHeaders } from '@dragoman/http';
import type { ConnectionManager } from '../connection-manager/connection-manager.ts';
import type { ResponseEncoder } from '../filter-chain/response-encoder.ts';
import { Stream } from '../filter-chain/stream.ts';
import { opensTunnel } from '../filter-chain/upgrade.ts';
import { ResponseFlag } from '../format/response-flags.ts';
import { ownBytes, SMALL_WRITE_BYTES } from '../socket/body-writer.ts';
import { HeldPiece } from '../socket/held-piece.ts';
import type { Http2Connection } from './http2-connection.ts';
import { readTrailers } from './http2-request-head.ts';

/** Error codes of RFC 9113 7. */
export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  ENHANCE_YOUR_CALM: 11,
} as const;

/** Where a node:http2 stream keeps ours, so that its listeners can be shared functions. */
const OWNER = Symbol('stream');
type OwnedStream = ServerHttp2Stream & { [OWNER]?: Http2ServerStream };

export class Http2ServerStream implements ResponseEncoder {
  readonly protocol = 'HTTP/2';
  readonly stream: Stream;
  readonly #manager: ConnectionManager;
  #connection: Http2Connection | null = null;
  #http2: ServerHttp2Stream | null = null;
  /** Response headers that wait for what comes next: then it is known whether there can be trailers. */
  #head: ResponseHeaders | null = null;
  #requestTrailers: HeaderMap | null = null;
  #responseTrailers: HeaderMap | null = null;
  #listensForDrain = false;
  #ended = false;
  #held: HeldPiece | null = null;

  constructor(manager: ConnectionManager) {
    this.#manager = manager;
    this.stream = new Stream(manager.worker, manager);
  }

  /** Attaches to a new stream, before the request begins. */
  begin(connection: Http2Connection, http2: ServerHttp2Stream, hasBody: boolean): void {
    this.#connection = connection;
    this.#http2 = http2;
    this.#head = null;
    this.#requestTrailers = null;
    this.#responseTrailers = null;
    this.#listensForDrain = false;
    this.#ended = false;
    (http2 as OwnedStream)[OWNER] = this;
    http2.on('close', onClose);
    http2.on('error', ignoreError);
    if (!hasBody) return;
    http2.on('data', onData);
    http2.on('end', onEnd);
    http2.on('trailers', onTrailers);
  }

  // --- ResponseEncoder ---

  encodeInformational(headers: ResponseHeaders): void {
    const http2 = this.#http2;
    if (http2 === null || http2.destroyed || this.#head !== null) return;
    const fields: Record<string, string | number> = { ':status': headers.status };
    headers.forEach((name, value) => {
      if (name.charCodeAt(0) !== 0x3a && !CONNECTION_FIELDS.has(name)) fields[name] = value;
    });
    http2.additionalHeaders(fields);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#connection?.onResponse();
    if (this.stream.upgrade !== '') this.#openTunnel(headers);
    if (endStream) this.#respond(headers, true, false);
    else this.#head = headers;
  }

  /** The answer to an upgrade: 101 is HTTP/1's word for what is 200 here (RFC 8441 5). */
  #openTunnel(headers: ResponseHeaders): void {
    if (!opensTunnel(this.stream.upgrade, headers.status)) return;
    if (headers.status === 101) headers.status = 200;
    for (const name of ['connection', 'upgrade', 'content-length']) headers.remove(name);
    this.#http2?.resume();
  }

  encodeData(bytes: Buffer, endStream: boolean): void {
    if (this.#head !== null) this.#sendHead(!endStream);
    const http2 = this.#http2;
    if (http2 === null || http2.destroyed || this.#ended) return;
    if (endStream) {
      this.#ended = true;
      if (bytes.length === 0) http2.end();
      else if (bytes.length <= SMALL_WRITE_BYTES) http2.end(bytes.latin1Slice(0, bytes.length), 'latin1');
      else http2.end(ownBytes(bytes, this.#manager.worker.readBuffers));
    } else if (bytes.length > 0) {
      http2.write(ownBytes(bytes, this.#manager.worker.readBuffers));
    }
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.#responseTrailers = trailers;
    if (this.#head !== null) this.#sendHead(true);
    const http2 = this.#http2;
    if (http2 === null || http2.destroyed || this.#ended) return;
    this.#ended = true;
    http2.end();
  }

  flush(): void {
    if (this.#head !== null) this.#sendHead(true);
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
    if (paused) http2.pause();
    else http2.resume();
  }

  complete(): void {
    const http2 = this.#http2;
    if (http2 === null || http2.destroyed) return;
    // What nobody reads any more would keep the stream open for ever.
    if (http2.isPaused()) http2.resume();
    if (this.stream.requestEnded) return;
    // The client need not send the rest of a request that is answered (RFC 9113 8.1). A reset in the same turn of the
    // event loop would overtake the answer.
    const close = (): void => void setImmediate(() => http2.close(ErrorCode.NO_ERROR));
    if (http2.writableFinished) close();
    else http2.once('finish', close);
  }

  abort(): void {
    this.reset(ErrorCode.INTERNAL_ERROR);
  }

  /** Ends the HTTP/2 stream with an error of ours. */
  reset(code: number): void {
    const http2 = this.#http2;
    if (http2 === null || http2.destroyed) return;
    this.#connection?.countReset();
    this.#head = null;
    if (http2.isPaused()) http2.resume();
    resetStream(http2, code);
  }

  #sendHead(moreToCome: boolean): void {
    const headers = this.#head!;
    this.#head = null;
    this.#respond(headers, false, moreToCome);
  }

  #respond(headers: ResponseHeaders, endStream: boolean, waitForTrailers: boolean): void {
    const http2 = this.#http2;
    if (http2 === null || http2.destroyed || http2.closed) return;
    // Most responses end with their only piece of data: no trailers, and none of the events they cost.
    if (waitForTrailers) http2.on('wantTrailers', onWantTrailers);
    if (endStream) this.#ended = true;
    const pairs = headers.toPairs();
    try {
      http2.respond(pairs, { endStream, waitForTrailers });
    } catch {
      // Fields that HTTP/2 does not know, from a filter: node:http2 refuses the whole list.
      http2.respond(withoutConnectionFields(pairs), { endStream, waitForTrailers });
    }
  }

  // --- what happens on the HTTP/2 stream ---

  onData(bytes: Buffer): void {
    if (!this.stream.active) return;
    if (this.stream.decode.showsData)
      (this.#held ??= new HeldPiece(held => this.#passData(held))).hold(bytes);
    else this.#passData(bytes);
  }

  #passData(bytes: Buffer): void {
    if (!this.stream.active) return;
    this.stream.onRequestData(bytes, false);
    this.stream.onRequestReadDone();
  }

  onTrailers(raw: readonly string[]): void {
    this.#requestTrailers = readTrailers(raw, new HeaderMap());
  }

  onEnd(): void {
    const { stream } = this;
    if (!stream.active || stream.requestEnded) return;
    // A stream that was reset ends, too, when the code is NO_ERROR: its body is not complete.
    if (this.#http2 === null || this.#http2.closed) return;
    if (this.#requestTrailers !== null) {
      this.#held?.passOn();
      if (!stream.active) return;
      this.#connection?.countTrailers();
      stream.onRequestTrailers(this.#requestTrailers);
    } else {
      stream.onRequestData(this.#held?.take() ?? EMPTY, true);
    }
    stream.onRequestReadDone();
  }

  onDrain(): void {
    this.stream.onDownstreamWritable();
  }

  onWantTrailers(): void {
    const trailers = this.#responseTrailers;
    // No fields: node:http2 sends an empty DATA frame with END_STREAM.
    this.#http2?.sendTrailers(trailers === null ? {} : trailerFields(trailers));
  }

  onClose(): void {
    const http2 = this.#http2;
    const connection = this.#connection;
    if (http2 === null || connection === null) return;
    // The object is used again: late events of this HTTP/2 stream must not reach it.
    (http2 as OwnedStream)[OWNER] = undefined;
    this.#http2 = null;
    this.#connection = null;
    this.#head = null;
    this.#held?.take();
    if (this.stream.active) {
      if (connection.gone) this.stream.onDownstreamReset('downstream_remote_disconnect');
      else this.stream.onDownstreamReset('http2.remote_reset', ResponseFlag.DownstreamRemoteReset);
    }
    connection.onStreamClosed(this, http2.rstCode ?? 0);
  }
}

/**
 * Sends RST_STREAM. The public close() ends the writable side first, and then a response that was cut off looks like a
 * complete one: DATA with END_STREAM goes out, and the reset is dropped (Node 26).
 */
function resetStream(http2: ServerHttp2Stream, code: number): void {
  const symbol = Object.getOwnPropertySymbols(http2).find(({ description }) => description === 'kHandle');
  const handle =
    symbol === undefined ? undefined : (http2 as unknown as Record<symbol, StreamHandle>)[symbol];
  if (handle?.rstStream === undefined) http2.close(code);
  else handle.rstStream(code);
}

interface StreamHandle {
  rstStream?(code: number): void;
}

function trailerFields(trailers: HeaderMap): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  trailers.forEach((name, value) => {
    const before = fields[name];
    if (CONNECTION_FIELDS.has(name)) return;
    fields[name] = before === undefined ? value : [before, value].flat();
  });
  return fields;
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
    if (!CONNECTION_FIELDS.has(pairs[i])) kept.push(pairs[i], pairs[i + 1]);
  return kept;
}

const EMPTY = Buffer.alloc(0);

function ignoreError(): void {}

function onData(this: OwnedStream, bytes: Buffer): void {
  this[OWNER]?.onData(bytes);
}

function onEnd(this: OwnedStream): void {
  this[OWNER]?.onEnd();
}

function onTrailers(this: OwnedStream, _fields: unknown, _flags: number, raw?: string[]): void {
  this[OWNER]?.onTrailers(raw ?? []);
}

function onDrain(this: OwnedStream): void {
  this[OWNER]?.onDrain();
}

function onWantTrailers(this: OwnedStream): void {
  this[OWNER]?.onWantTrailers();
}

function onClose(this: OwnedStream): void {
  this[OWNER]?.onClose();
}
