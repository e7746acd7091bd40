// One gzip member (RFC 1952) made piece by piece without waiting for another thread: each piece is deflated on its own and
// ends on a byte boundary, so that pieces can follow each other and nothing is held back from the client.

import { constants, crc32, deflateRawSync } from 'node:zlib';

export interface GzipOptions {
  readonly level: number;
  readonly strategy: number;
  readonly memLevel: number;
  /** 9..15. */
  readonly windowBits: number;
}

const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);

export class GzipStream {
  readonly #options: GzipOptions;
  #checksum = 0;
  #length = 0;
  #begun = false;

  constructor(options: GzipOptions) {
    this.#options = options;
  }

  /** The compressed form of `bytes`; with `end` the member is complete. */
  compress(bytes: Buffer, end: boolean): Buffer {
    this.#checksum = crc32(bytes, this.#checksum);
    this.#length += bytes.length;
    const finishFlush = end ? constants.Z_FINISH : constants.Z_SYNC_FLUSH;
    const parts: Buffer[] = [];
    if (!this.#begun) parts.push(HEADER);
    this.#begun = true;
    if (bytes.length > 0 || end) parts.push(deflateRawSync(bytes, { ...this.#options, finishFlush }));
    if (end) parts.push(this.#trailer());
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  #trailer(): Buffer {
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.#checksum >>> 0, 0);
    trailer.writeUInt32LE(this.#length % 2 ** 32, 4);
    return trailer;
  }
}
