// Decodes chunked bodies strictly (RFC 9112 7.1): hands out the data as ranges of the buffer it is fed, without copying.
// What a proxy may forward of the trailer section is decided in trailer-section.ts.

import type { HeaderMap } from '../header-map.ts';
import { MAX_CHUNK_EXTENSION_BYTES, MAX_CHUNK_SIZE_DIGITS } from '../limits.ts';
import { FIELD_VALUE, HEX_DIGIT } from '../tables.ts';
import { TrailerSection } from './trailer-section.ts';

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
const NOT_HEX = 0xff;

const State = {
  SIZE: 0,
  EXTENSION: 1,
  /** Inside a quoted extension value: a CR here would be data to one reader and the end of the line to another. */
  QUOTED: 2,
  ESCAPED: 3,
  SIZE_LF: 4,
  DATA: 5,
  DATA_CR: 6,
  DATA_LF: 7,
  TRAILERS: 8,
  DONE: 9,
  FAILED: 10,
} as const;

/** Takes the data of a chunked body. */
export interface ChunkedSink {
  /** buffer[start..end) is body data; valid during the call. */
  onChunkData(buffer: Buffer, start: number, end: number): void;
}

export interface ChunkedDecoderOptions {
  /** Keep the trailer fields a proxy may forward (Envoy: enable_trailers); otherwise they are checked and dropped. */
  readonly keepTrailers: boolean;
}

/** The decoder of one connection and direction; reset() between bodies. */
export class ChunkedDecoder {
  readonly #keepTrailers: boolean;
  #state: number = State.SIZE;
  /** The size being read, then the bytes of the chunk that are still to come. */
  #left = 0;
  #sizeDigits = 0;
  #extensionBytes = 0;
  #trailerSection: TrailerSection | null = null;
  #trailers: HeaderMap | null = null;

  constructor(options: ChunkedDecoderOptions = { keepTrailers: false }) {
    this.#keepTrailers = options.keepTrailers;
  }

  /** The last chunk and the trailer section have been read. */
  get done(): boolean {
    return this.#state === State.DONE;
  }

  /** The trailers once done, when they are kept and there were any. The map belongs to the caller. */
  get trailers(): HeaderMap | null {
    return this.#trailers;
  }

  /** Makes ready for the next body. */
  reset(): void {
    this.#state = State.SIZE;
    this.#left = 0;
    this.#sizeDigits = 0;
    this.#extensionBytes = 0;
    this.#trailerSection = null;
    this.#trailers = null;
  }

  /**
   * Reads buffer[offset..end). Answers the position behind what was consumed: `end` when the body goes on, at most `end`
   * when it is done; -1 when it is malformed, for good.
   */
  feed(buffer: Buffer, offset: number, end: number, sink: ChunkedSink): number {
    let i = offset;
    while (i < end) {
      if (this.#state === State.DATA) {
        const dataEnd = Math.min(end, i + this.#left);
        this.#left -= dataEnd - i;
        if (this.#left === 0) this.#state = State.DATA_CR;
        sink.onChunkData(buffer, i, dataEnd);
        i = dataEnd;
      } else if (this.#state === State.TRAILERS) {
        i = this.#readTrailers(buffer, i, end);
        if (i < 0) return -1;
      } else if (this.#state === State.DONE) {
        return i;
      } else {
        this.#state = this.#step(buffer[i++]);
        if (this.#state === State.FAILED) return -1;
      }
    }
    return this.#state === State.FAILED ? -1 : i;
  }

  /** The state after one byte of framing. */
  #step(byte: number): number {
    switch (this.#state) {
      case State.SIZE:
        return this.#stepSize(byte);
      case State.EXTENSION:
        if (byte === CR) return State.SIZE_LF;
        if (byte === QUOTE) return this.#stepExtension(byte, State.QUOTED);
        return this.#stepExtension(byte, State.EXTENSION);
      case State.QUOTED:
        if (byte === QUOTE) return this.#stepExtension(byte, State.EXTENSION);
        return this.#stepExtension(byte, byte === BACKSLASH ? State.ESCAPED : State.QUOTED);
      case State.ESCAPED:
        return this.#stepExtension(byte, State.QUOTED);
      case State.SIZE_LF:
        if (byte !== LF) return State.FAILED;
        this.#sizeDigits = 0;
        return this.#left === 0 ? State.TRAILERS : State.DATA;
      case State.DATA_CR:
        return byte === CR ? State.DATA_LF : State.FAILED;
      case State.DATA_LF:
        return byte === LF ? State.SIZE : State.FAILED;
      default:
        return State.FAILED;
    }
  }

  #stepSize(byte: number): number {
    const digit = HEX_DIGIT[byte];
    if (digit !== NOT_HEX) {
      this.#left = this.#left * 16 + digit;
      const fits = ++this.#sizeDigits <= MAX_CHUNK_SIZE_DIGITS && this.#left <= Number.MAX_SAFE_INTEGER;
      return fits ? State.SIZE : State.FAILED;
    }
    if (this.#sizeDigits === 0) return State.FAILED;
    if (byte === SEMICOLON) return State.EXTENSION;
    return byte === CR ? State.SIZE_LF : State.FAILED;
  }

  #stepExtension(byte: number, next: number): number {
    if (FIELD_VALUE[byte] === 0 || ++this.#extensionBytes > MAX_CHUNK_EXTENSION_BYTES) return State.FAILED;
    return next;
  }

  #readTrailers(buffer: Buffer, offset: number, end: number): number {
    this.#trailerSection ??= new TrailerSection();
    const section = this.#trailerSection;
    const position = section.feed(buffer, offset, end);
    if (position < 0) this.#state = State.FAILED;
    else if (section.done) {
      this.#state = State.DONE;
      if (this.#keepTrailers) this.#trailers = section.takeTrailers();
    }
    return position;
  }
}
