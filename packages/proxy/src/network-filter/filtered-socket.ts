// What the last filter of a chain takes for the client's socket when network filters stand before it: bytes come out of it
// and go into it by way of the filters.

import { Duplex } from 'node:stream';

/** The other end of a FilteredSocket. */
export interface FilteredSocketOwner {
  /** The last filter can take more. */
  onWanted(): void;
  /** The last filter takes nothing for the time being. */
  onPaused(): void;
  /** `bytes` are borrowed; `done` says that more may come. */
  onWritten(bytes: Buffer, done: () => void): void;
  /** The last filter has finished writing. */
  onWritingEnded(done: () => void): void;
  onDestroyed(): void;
  /** On the client's real socket, as node:http2 asks for it. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export class FilteredSocket extends Duplex {
  readonly #owner: FilteredSocketOwner;

  constructor(owner: FilteredSocketOwner) {
    super({ allowHalfOpen: true, decodeStrings: true });
    this.#owner = owner;
  }

  get bytesRead(): number {
    return this.#owner.bytesRead;
  }

  get bytesWritten(): number {
    return this.#owner.bytesWritten;
  }

  override _read(): void {
    this.#owner.onWanted();
  }

  override resume(): this {
    super.resume();
    this.#owner.onWanted();
    return this;
  }

  override pause(): this {
    super.pause();
    this.#owner.onPaused();
    return this;
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#owner.onWritten(bytes, done);
  }

  override _final(done: () => void): void {
    this.#owner.onWritingEnded(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#owner.onDestroyed();
    done(error);
  }
}
