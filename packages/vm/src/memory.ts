// The host's view of a guest's linear memory: every range is checked here and nowhere else, and the view is made
// anew after the guest has grown its memory. Pointers and sizes are unsigned 32-bit; callers pass `x >>> 0`.

import { TextCache } from './text-cache.ts';

/** The linear memory of one instance. */
export class GuestMemory {
  readonly memory: WebAssembly.Memory;
  /** All of the memory. Its length is 0 once the guest has grown: ask fits() first, which renews it. */
  bytes: Buffer;
  view: DataView;
  readonly #texts = new TextCache(raw => raw);
  readonly #names = new TextCache(raw => internalized(raw.toLowerCase()));

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.bytes = Buffer.from(memory.buffer);
    this.view = new DataView(memory.buffer);
  }

  /** Current size in bytes. */
  get size(): number {
    if (this.bytes.length === 0) this.#renew();
    return this.bytes.length;
  }

  /** True when the `length` bytes at `pointer` lie in memory. Zero bytes fit anywhere up to the very end. */
  fits(pointer: number, length: number): boolean {
    if (this.bytes.length === 0) this.#renew();
    return pointer + length <= this.bytes.length;
  }

  /** Text of a checked range, each byte one char. */
  latin1(pointer: number, length: number): string {
    return length === 0 ? '' : this.#texts.get(this.bytes, pointer, length);
  }

  /** Text of a checked range in lower case: header names (S39). */
  headerName(pointer: number, length: number): string {
    return length === 0 ? '' : this.#names.get(this.bytes, pointer, length);
  }

  /** Text of a checked range; bytes that are no UTF-8 become U+FFFD. For logs and configuration, not for headers. */
  utf8(pointer: number, length: number): string {
    return this.bytes.utf8Slice(pointer, pointer + length);
  }

  /** A copy of a checked range, for what must outlive the host call. */
  copy(pointer: number, length: number): Buffer {
    return Buffer.from(this.bytes.subarray(pointer, pointer + length));
  }

  /** The bytes of a checked range themselves: valid until the guest runs again. */
  borrow(pointer: number, length: number): Buffer {
    return this.bytes.subarray(pointer, pointer + length);
  }

  setUint32(pointer: number, value: number): void {
    this.view.setUint32(pointer, value, true);
  }

  setUint64(pointer: number, value: bigint): void {
    this.view.setBigUint64(pointer, value, true);
  }

  /** Writes a latin1 text into a checked range. */
  writeLatin1(pointer: number, text: string): void {
    const length = text.length;
    // A short loop beats the call into C++.
    if (length <= 24) {
      const bytes = this.bytes;
      for (let i = 0; i < length; i++) bytes[pointer + i] = text.charCodeAt(i);
    } else this.bytes.latin1Write(text, pointer, length);
  }

  #renew(): void {
    this.bytes = Buffer.from(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
  }
}

/** The engine's one copy of a text: comparing two of those is comparing two addresses. Property names are kept so. */
function internalized(text: string): string {
  return Object.keys({ [text]: 0 })[0];
}
