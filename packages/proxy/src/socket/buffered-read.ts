// The read side of one socket that reads into the worker's buffers instead of allocating for each read: net's `onread`
// option, with the rule which buffer comes next and when one that is lent to a slow writer must be left alone.

import type { ReadBuffers } from './read-buffers.ts';

export interface BytesConsumer {
  /** The first `count` bytes of `buffer`; borrowed, valid until the call returns. */
  onBytes(buffer: Buffer, count: number): void;
}

export class BufferedRead {
  readonly #consumer: BytesConsumer;
  readonly #buffers: ReadBuffers;
  #private: Buffer | null = null;
  #released = false;
  /** A body is being streamed: reads go into memory of this socket's own, which can stay lent. */
  streaming = false;
  /** Set to stop reading after the current read; see pause(). */
  paused = false;
  /** The `onread` option for net.connect or new net.Socket. */
  readonly onread: { buffer: () => Buffer; callback: (count: number, buffer: Uint8Array) => boolean };

  constructor(consumer: BytesConsumer, buffers: ReadBuffers) {
    this.#consumer = consumer;
    this.#buffers = buffers;
    this.onread = {
      buffer: () => this.#next(),
      callback: (count, buffer) => this.#onRead(buffer as Buffer, count),
    };
  }

  /** The socket is closed. */
  release(): void {
    this.#released = true;
    if (this.#private !== null && this.#buffers.active !== this.#private) this.#buffers.give(this.#private);
    this.#private = null;
  }

  #next(): Buffer {
    if (this.streaming && !this.#released) {
      this.#private ??= this.#buffers.take();
      return this.#private;
    }
    if (this.#private !== null) {
      this.#buffers.give(this.#private);
      this.#private = null;
    }
    return this.#buffers.shared;
  }

  #onRead(buffer: Buffer, count: number): boolean {
    const buffers = this.#buffers;
    if (buffer !== this.#private) {
      this.#consumer.onBytes(buffer, count);
      return !this.paused;
    }
    buffers.active = buffer;
    buffers.lent = false;
    this.#consumer.onBytes(buffer, count);
    // What a slow socket still holds must not be read over: that buffer is the garbage collector's now.
    if (buffers.lent) this.#private = null;
    buffers.active = null;
    buffers.lent = false;
    return !this.paused;
  }
}
