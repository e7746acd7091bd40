// Body bytes that wait: a list of chunks that is joined only when somebody needs one piece.
// Belongs to one stream; lengths and limits are the stream's business.

/** A queue of body bytes that can also be read and changed in the middle. Offsets and lengths are bytes. */
export class BodyBuffer {
  readonly #chunks: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The pieces in order, none empty; valid until the next change. */
  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  /** Takes the bytes over: they must not be changed afterwards. */
  append(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /** For bytes that are only borrowed. */
  appendCopy(bytes: Buffer): void {
    if (bytes.length > 0) this.append(Buffer.from(bytes));
  }

  /** Takes the bytes over, in front of all others. */
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

  /** Up to `length` bytes from `start`: a view where they lie in one chunk, a copy where they span several. */
  slice(start: number, length: number): Buffer {
    const end = Math.min(start + length, this.#length);
    if (start >= end) return EMPTY;
    let chunkStart = 0;
    let copy: Buffer | null = null;
    for (const chunk of this.#chunks) {
      const chunkEnd = chunkStart + chunk.length;
      if (chunkEnd > start) {
        const from = Math.max(start - chunkStart, 0);
        if (copy === null && chunkEnd >= end) return chunk.subarray(from, end - chunkStart);
        copy ??= Buffer.allocUnsafe(end - start);
        chunk.copy(copy, chunkStart + from - start, from, Math.min(chunk.length, end - chunkStart));
      }
      chunkStart = chunkEnd;
      if (chunkStart >= end) break;
    }
    return copy ?? EMPTY;
  }

  /** Replaces `length` bytes from `start` by a copy of `bytes`; a range behind the end appends. */
  replaceRange(start: number, length: number, bytes: Buffer): void {
    const from = Math.min(start, this.#length);
    const to = Math.min(from + length, this.#length);
    const head = this.#split(from);
    const tail = this.#split(to);
    this.#chunks.splice(head, tail - head);
    if (bytes.length > 0) this.#chunks.splice(head, 0, Buffer.from(bytes));
    this.#length += bytes.length - (to - from);
  }

  /** Makes a chunk begin at byte `position`; answers that chunk's index. */
  #split(position: number): number {
    let chunkStart = 0;
    let index = 0;
    for (; chunkStart < position; index++) {
      const chunk = this.#chunks[index];
      const inside = position - chunkStart;
      if (inside < chunk.length)
        this.#chunks.splice(index, 1, chunk.subarray(0, inside), chunk.subarray(inside));
      chunkStart += Math.min(inside, chunk.length);
    }
    return index;
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
