// A body as a guest sees it through the filter chain: the frame that is passing now, or what the chain holds back.

import type { DataFrame, HttpFilter, Stream } from '@dragoman/proxy';
import type { GuestBody } from '@dragoman/vm';

const NO_BYTES: Buffer = Buffer.alloc(0);

/** One direction of one stream. */
export class StreamBody implements GuestBody {
  readonly #filter: HttpFilter;
  readonly #encode: boolean;
  #stream: Stream | null = null;
  /** Set while a data callback runs that does not continue a buffered body. */
  frame: DataFrame | null = null;

  constructor(filter: HttpFilter, encode: boolean) {
    this.#filter = filter;
    this.#encode = encode;
  }

  attach(stream: Stream | null): void {
    this.#stream = stream;
    this.frame = null;
  }

  get length(): number {
    return this.frame !== null ? this.frame.bytes.length : (this.#held?.length ?? 0);
  }

  read(start: number, length: number): Uint8Array {
    if (this.frame !== null) return this.frame.bytes.subarray(start, start + length);
    return this.#held?.slice(start, length) ?? NO_BYTES;
  }

  splice(start: number, deleteCount: number, bytes: Buffer): void {
    const { frame } = this;
    if (this.#stream !== null) (this.#encode ? this.#stream.encode : this.#stream.decode).changed = true;
    if (frame !== null) {
      const rest = frame.bytes.subarray(start + deleteCount);
      frame.bytes = Buffer.concat([frame.bytes.subarray(0, start), bytes, rest]);
      return;
    }
    const held = this.#held;
    if (held !== null) held.replaceRange(start, deleteCount, bytes);
    else if (this.#stream !== null && bytes.length > 0) this.#add(this.#stream, bytes);
  }

  get #held() {
    if (this.#stream === null) return null;
    return this.#encode ? this.#stream.encodingBuffer : this.#stream.decodingBuffer;
  }

  #add(stream: Stream, bytes: Buffer): void {
    if (this.#encode) stream.addEncodedData(this.#filter, bytes, false);
    else stream.addDecodedData(this.#filter, bytes, false);
  }
}
