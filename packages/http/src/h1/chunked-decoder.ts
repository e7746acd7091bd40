// Decodes chunked bodies strictly (RFC 9112 7.1), handing out data ranges of the buffer it is fed.

import { HeaderMap } from '../header-map.ts';
import { MAX_CHUNK_EXTENSION_BYTES, MAX_CHUNK_SIZE_DIGITS } from '../limits.ts';
import { FIELD_VALUE, HEX_DIGIT, TOKEN_LOWER } from '../tables.ts';

export interface ChunkedSink {
  onChunkData(buffer: Buffer, start: number, end: number): void;
}
const MAX_TRAILER_BYTES = 8192;
const S = {
  Size: 0,
  Ext: 1,
  SizeLf: 2,
  Data: 3,
  DataCr: 4,
  DataLf: 5,
  LineStart: 6,
  Trailer: 7,
  TrailerLf: 8,
  EndLf: 9,
  Done: 10,
};

export class ChunkedDecoder {
  readonly #keep: boolean;
  #state = S.Size;
  #left = 0;
  #digits = 0;
  #ext = 0;
  #trailerBytes = 0;
  #line = '';
  trailers: HeaderMap | null = null;
  constructor(options: { keepTrailers: boolean } = { keepTrailers: false }) {
    this.#keep = options.keepTrailers;
  }
  get done(): boolean {
    return this.#state === S.Done;
  }
  reset(): void {
    this.#state = S.Size;
    this.#left = this.#digits = this.#ext = this.#trailerBytes = 0;
    this.#line = '';
    this.trailers = null;
  }
  feed(b: Buffer, i: number, n: number, sink: ChunkedSink): number {
    while (i < n) {
      switch (this.#state) {
        case S.Size: {
          const c = b[i];
          const v = HEX_DIGIT[c];
          if (v !== 0xff) {
            if (++this.#digits > MAX_CHUNK_SIZE_DIGITS) return -1;
            this.#left = this.#left * 16 + v;
            if (this.#left > Number.MAX_SAFE_INTEGER) return -1;
            i++;
            break;
          }
          if (this.#digits === 0) return -1;
          if (c === 59) this.#state = S.Ext;
          else if (c === 13) this.#state = S.SizeLf;
          else return -1;
          i++;
          break;
        }
        case S.Ext: {
          const c = b[i++];
          if (c === 13) this.#state = S.SizeLf;
          else if (FIELD_VALUE[c] === 0 || ++this.#ext > MAX_CHUNK_EXTENSION_BYTES) return -1;
          break;
        }
        case S.SizeLf:
          if (b[i++] !== 10) return -1;
          this.#digits = 0;
          this.#state = this.#left === 0 ? S.LineStart : S.Data;
          break;
        case S.Data: {
          const k = Math.min(n - i, this.#left);
          this.#left -= k;
          sink.onChunkData(b, i, i + k);
          i += k;
          if (this.#left === 0) this.#state = S.DataCr;
          break;
        }
        case S.DataCr:
          if (b[i++] !== 13) return -1;
          this.#state = S.DataLf;
          break;
        case S.DataLf:
          if (b[i++] !== 10) return -1;
          this.#state = S.Size;
          break;
        case S.LineStart:
          if (b[i] === 13) {
            this.#state = S.EndLf;
            i++;
            break;
          }
          if (TOKEN_LOWER[b[i]] === 0) return -1;
          this.#line = '';
          this.#state = S.Trailer;
          break;
        case S.Trailer: {
          const c = b[i++];
          if (c === 13) this.#state = S.TrailerLf;
          else if (FIELD_VALUE[c] === 0 || ++this.#trailerBytes > MAX_TRAILER_BYTES) return -1;
          else this.#line += String.fromCharCode(c);
          break;
        }
        case S.TrailerLf: {
          if (b[i++] !== 10) return -1;
          const colon = this.#line.indexOf(':');
          if (colon <= 0) return -1;
          if (this.#keep) {
            this.trailers ??= new HeaderMap();
            this.trailers.add(this.#line.slice(0, colon), this.#line.slice(colon + 1).trim());
          }
          this.#state = S.LineStart;
          break;
        }
        case S.EndLf:
          if (b[i++] !== 10) return -1;
          this.#state = S.Done;
          return i;
        default:
          return i;
      }
    }
    return i;
  }
}
export const CHUNKED_END = '0\r\n\r\n';
export function chunkHeader(length: number): string {
  return `${length.toString(16)}\r\n`;
}
export function requestHasNoBody(method: string): boolean {
  return (
    method === 'GET' || method === 'HEAD' || method === 'DELETE' || method === 'TRACE' || method === 'CONNECT'
  );
}
