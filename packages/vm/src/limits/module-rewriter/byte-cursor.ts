// Reads a WebAssembly binary byte by byte, with a refusal that names the place where something is cut or unknown.
// Only the encodings; what the bytes mean is the business of the files that use it. Pure.

import { ModuleLimitsError } from '../../errors.ts';

/** A position in `bytes`, and the end it must not pass. */
export class ByteCursor {
  readonly bytes: Uint8Array;
  at: number;
  end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  refuse(reason: string, offset: number = this.at): never {
    throw new ModuleLimitsError(reason, offset);
  }

  byte(): number {
    if (this.at >= this.end) this.refuse('unexpected end');
    return this.bytes[this.at++];
  }

  /** Unsigned LEB128 of 32 bits. */
  u32(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 5; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) this.refuse('integer too large');
        return value;
      }
      scale *= 128;
    }
    return this.refuse('integer too long');
  }

  /** Passes a LEB128 of either sign and up to 64 bits. */
  skipLeb(): void {
    for (let i = 0; i < 10; i++) if (this.byte() < 0x80) return;
    this.refuse('integer too long');
  }

  skip(count: number): void {
    if (count > this.end - this.at) this.refuse('unexpected end');
    this.at += count;
  }

  /** A name, one char per byte: names are only compared, and kept as the bytes they are. */
  name(): string {
    const length = this.u32();
    const start = this.at;
    this.skip(length);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, length).latin1Slice(0, length);
  }

  /** Passes a value type and answers its first byte; (ref ht) and (ref null ht) have more than one. */
  valueType(): number {
    const first = this.byte();
    if (first === 0x63 || first === 0x64) this.skipLeb();
    return first;
  }

  /** Limits of a memory or table. Shared and 64-bit ones, and custom page sizes, are refused. */
  limits(what: string): { minimum: number; maximum: number | null } {
    const at = this.at;
    const flags = this.byte();
    if ((flags & 4) !== 0) this.refuse(`64-bit ${what}`, at);
    if ((flags & 2) !== 0) this.refuse(`shared ${what}`, at);
    if (flags > 1) this.refuse(`limits of an unknown kind for a ${what}`, at);
    const minimum = this.u32();
    return { minimum, maximum: flags === 1 ? this.u32() : null };
  }
}
