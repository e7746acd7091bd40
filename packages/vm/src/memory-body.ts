// A body that lies in one buffer: for embedders that have the whole of it, and for tests.

import type { GuestBody } from './stream-host.ts';

export class MemoryBody implements GuestBody {
  bytes: Buffer;

  constructor(bytes: Buffer | string = '') {
    this.bytes = Buffer.from(bytes as string);
  }

  get length(): number {
    return this.bytes.length;
  }

  read(start: number, length: number): Uint8Array {
    return this.bytes.subarray(start, start + length);
  }

  splice(start: number, deleteCount: number, bytes: Buffer): void {
    this.bytes = Buffer.concat([
      this.bytes.subarray(0, start),
      bytes,
      this.bytes.subarray(start + deleteCount),
    ]);
  }
}
