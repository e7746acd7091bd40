// Reads the trailer section of a chunked body (RFC 9112 7.1.2): as strict as a head, with the fields left out that would
// change framing, routing or credentials after the fact (RFC 9110 6.5.1).

import { HeaderMap } from '../header-map.ts';
import { HeaderId } from '../header-names.ts';
import { MAX_TRAILERS_BYTES, MAX_TRAILERS_COUNT } from '../limits.ts';
import { parseHeaderLines } from './header-lines.ts';
import { MessageHead } from './message-head.ts';

const LF = 0x0a;
const CR = 0x0d;
const INITIAL_BYTES = 256;

/** Known names that are dropped from trailers, besides the codec's own and everything in x-envoy-*. */
const DROPPED_IDS: readonly number[] = [
  HeaderId.TRAILER,
  HeaderId.X_FORWARDED_FOR,
  HeaderId.X_FORWARDED_PROTO,
  HeaderId.X_FORWARDED_HOST,
  HeaderId.X_FORWARDED_PORT,
  HeaderId.X_FORWARDED_CLIENT_CERT,
  HeaderId.X_REQUEST_ID,
  HeaderId.FORWARDED,
  HeaderId.VIA,
  HeaderId.MAX_FORWARDS,
  HeaderId.AUTHORIZATION,
  HeaderId.PROXY_AUTHENTICATE,
  HeaderId.PROXY_AUTHORIZATION,
  HeaderId.WWW_AUTHENTICATE,
  HeaderId.COOKIE,
  HeaderId.SET_COOKIE,
  HeaderId.CACHE_CONTROL,
  HeaderId.CONTENT_ENCODING,
  HeaderId.CONTENT_TYPE,
  HeaderId.CONTENT_RANGE,
  HeaderId.RANGE,
];

/** Collects trailer lines for the one header map; every line of the codec's own names is dropped. */
class TrailerHead extends MessageHead {
  readonly trailers: HeaderMap = new HeaderMap();

  override takeCodecLine(_id: number, line: number): number {
    this.removeLine(line);
    return 0;
  }
}

/** One trailer section, fed in pieces. */
export class TrailerSection {
  #bytes: Buffer | null = null;
  #length = 0;
  /** The bytes read so far end with a line, or there are none. */
  #lineStart = true;
  #afterCr = false;
  #emptyLine = false;
  #done = false;
  #trailers: HeaderMap | null = null;

  get done(): boolean {
    return this.#done;
  }

  /** The fields that may be forwarded, or null when there are none. */
  takeTrailers(): HeaderMap | null {
    return this.#trailers;
  }

  /** Answers the position behind what was consumed, or -1. */
  feed(buffer: Buffer, offset: number, end: number): number {
    for (let i = offset; i < end; i++) {
      const byte = buffer[i];
      if (this.#afterCr) {
        if (byte !== LF) return -1;
        this.#afterCr = false;
        if (this.#emptyLine) return this.#finish(buffer, offset, i + 1);
        this.#lineStart = true;
      } else if (byte === CR) {
        this.#afterCr = true;
        this.#emptyLine = this.#lineStart;
      } else if (byte === LF) {
        return -1;
      } else {
        this.#lineStart = false;
      }
    }
    return this.#keep(buffer, offset, end) ? end : -1;
  }

  #keep(buffer: Buffer, offset: number, end: number): boolean {
    const length = this.#length + end - offset;
    if (length > MAX_TRAILERS_BYTES) return false;
    if (this.#bytes === null || this.#bytes.length < length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(INITIAL_BYTES, 2 * length));
      this.#bytes?.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    buffer.copy(this.#bytes, this.#length, offset, end);
    this.#length = length;
    return true;
  }

  #finish(buffer: Buffer, offset: number, end: number): number {
    this.#done = true;
    // Nothing but the empty line: by far the most frequent section.
    if (this.#length + end - offset === 2) return end;
    if (!this.#keep(buffer, offset, end)) return -1;
    const head = new TrailerHead();
    head.begin();
    const bytes = this.#bytes!;
    const parsed = parseHeaderLines(head, bytes, 0, 0, this.#length, MAX_TRAILERS_COUNT, 'ALLOW');
    if (parsed !== this.#length) return -1;
    const trailers = head.trailers;
    trailers.adopt(bytes.latin1Slice(0, this.#length), head.table);
    for (const id of DROPPED_IDS) trailers.removeId(id);
    removeEnvoyTrailers(trailers);
    if (trailers.lineCount > 0) this.#trailers = trailers.copy();
    head.release();
    return end;
  }
}

function removeEnvoyTrailers(trailers: HeaderMap): void {
  const names: string[] = [];
  trailers.forEachLine(name => {
    if (name.startsWith('x-envoy-')) names.push(name);
  });
  for (const name of names) trailers.remove(name);
}
