// Collects a head that comes in pieces, so that a dripping client costs time linear in its bytes: each byte is copied
// and looked at once before the parser is asked again.

const LF = 0x0a;
const CR = 0x0d;
const INITIAL_BYTES = 512;

/**
 * For the second and later pieces of a head: the first piece goes to the parser directly. When `ready` becomes true the
 * parser gets `buffer` from 0 to `length`: the head is complete, malformed (a bare LF) or too large.
 */
export class HeadAccumulator {
  #buffer: Buffer | null = null;
  #length = 0;
  #ready = false;
  readonly #maxBytes: number;

  /** `maxBytes`: the limit for heads; beyond it the parser has to say so. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes are waiting for the rest of their head. */
  get pending(): boolean {
    return this.#length > 0;
  }

  get length(): number {
    return this.#length;
  }

  /** The bytes so far, longer than `length`. Empty when nothing is pending. */
  get buffer(): Buffer {
    return this.#buffer ?? EMPTY;
  }

  /** It is worth asking the parser. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Keeps what the parser called incomplete. */
  begin(bytes: Buffer, offset: number, end: number): void {
    this.clear();
    this.#append(bytes, offset, end);
  }

  /** Takes the next piece; true when `ready`. */
  append(bytes: Buffer, offset: number, end: number): boolean {
    const before = this.#length;
    this.#append(bytes, offset, end);
    this.#ready = this.#length > this.#maxBytes || this.#endsHead(before);
    return this.#ready;
  }

  /** The head was parsed or refused: forgets the bytes and their memory. */
  clear(): void {
    this.#buffer = null;
    this.#length = 0;
    this.#ready = false;
  }

  #append(bytes: Buffer, offset: number, end: number): void {
    const length = this.#length + end - offset;
    if (this.#buffer === null || this.#buffer.length < length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(INITIAL_BYTES, 2 * length));
      this.#buffer?.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    bytes.copy(this.#buffer, this.#length, offset, end);
    this.#length = length;
  }

  /** True when an empty line ends, or a bare LF stands, at or behind position `from`. */
  #endsHead(from: number): boolean {
    const bytes = this.#buffer!;
    for (let i = from; i < this.#length; i++) {
      if (bytes[i] !== LF) continue;
      if (i === 0 || bytes[i - 1] !== CR) return true;
      if (i >= 3 && bytes[i - 2] === LF) return true;
    }
    return false;
  }
}

const EMPTY = Buffer.alloc(0);
