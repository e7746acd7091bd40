// Body bytes that wait: a list of chunks that is joined only when somebody needs one piece.

export class BodyBuffer {
  readonly #chunks: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  /** Takes the bytes over: they must not be changed afterwards. */
  append(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  appendCopy(bytes: Buffer): void {
    if (bytes.length > 0) this.append(Buffer.from(bytes));
  }

  prepend(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.unshift(bytes);
    this.#length += bytes.length;
  }

  /** Drops the first `count` bytes. */
  drain(count: number): void {
    while (count > 0 && this.#chunks.length > 0) {
      const first = this.#chunks[0];
      if (first.length > count) {
        this.#chunks[0] = first.subarray(count);
        this.#length -= count;
        return;
      }
      this.#chunks.shift();
      this.#length -= first.length;
      count -= first.length;
    }
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#length = 0;
  }

  /** Up to `length` bytes from `start`; a copy where they span chunks. */
  slice(start: number, length: number): Buffer {
    return this.toBuffer().subarray(start, start + length);
  }

  /** Replaces `length` bytes from `start` by `bytes`; a range behind the end appends. */
  replaceRange(start: number, length: number, bytes: Buffer): void {
    const whole = this.toBuffer();
    const from = Math.min(start, whole.length);
    const to = Math.min(from + length, whole.length);
    const next = Buffer.concat([whole.subarray(0, from), bytes, whole.subarray(to)]);
    this.clear();
    this.append(next);
  }

  /** All bytes as one piece; kept, so that asking again costs nothing. */
  toBuffer(): Buffer {
    if (this.#chunks.length === 0) return EMPTY;
    if (this.#chunks.length > 1) {
      const joined = Buffer.concat(this.#chunks, this.#length);
      this.#chunks.length = 0;
      this.#chunks.push(joined);
    }
    return this.#chunks[0];
  }
}

const EMPTY = Buffer.alloc(0);
