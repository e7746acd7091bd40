// Bytes of a request body kept beside the stream: until there is a connection, to be sent again, or for mirrors.

import { BodyBuffer } from '@dragoman/http';

export class KeptBody {
  #bytes: BodyBuffer | null = null;

  get empty(): boolean {
    return this.#bytes === null;
  }

  /** Keeps a copy; false, and nothing is kept any more, when that would be more than the limit. */
  keep(bytes: Buffer, limitBytes: number): boolean {
    if ((this.#bytes?.length ?? 0) + bytes.length > limitBytes) {
      this.#bytes = null;
      return false;
    }
    this.#append(bytes);
    return true;
  }

  /** Keeps a copy whatever the limit says; true while the limit holds. */
  keepAnyway(bytes: Buffer, limitBytes: number): boolean {
    this.#append(bytes);
    return this.#bytes!.length <= limitBytes;
  }

  get length(): number {
    return this.#bytes?.length ?? 0;
  }

  /** All bytes as one piece; null without any. */
  get whole(): Buffer | null {
    return this.#bytes === null ? null : this.#bytes.toBuffer();
  }

  clear(): void {
    this.#bytes = null;
  }

  #append(bytes: Buffer): void {
    this.#bytes ??= new BodyBuffer();
    this.#bytes.appendCopy(bytes);
  }
}
