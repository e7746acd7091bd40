// One side of an exchange between two pieces: what the guest has been shown, what it holds, and what may go on.

import { HeaderList } from '../header-list.ts';
import { MemoryBody } from '../memory-body.ts';
import type { HeaderEntries, Passage, Piece } from './message.ts';

type Released = Extract<Passage, { outcome: 'continue' }>;

export class MessageGate {
  readonly side: Piece['side'];
  headers: HeaderList | null = null;
  trailers: HeaderList | null = null;
  /** Shown, or being shown, to the guest, and not yet let go. */
  readonly body = new MemoryBody();
  /** The guest wants to see more before anything goes on: pieces gather in `body`. */
  buffering = false;
  headersHeld = false;
  /** A callback of this side is on the stack. */
  running = false;
  /** The guest asked in that callback to go on. */
  continued = false;
  /** A pass waits for the guest to go on. */
  waiting = false;
  /** What it waits for is the answer to a call-out. */
  heldForCallouts = false;
  readonly #bodyReadable: boolean;
  #ready: Uint8Array[] = [];
  #headersGiven = false;
  #ended = false;
  #bodySeen = false;

  /** `bodyReadable`: the guest will be shown the body, and may change its length. */
  constructor(side: Piece['side'], bodyReadable: boolean) {
    this.side = side;
    this.#bodyReadable = bodyReadable;
  }

  take({ headers, endOfStream }: Piece): void {
    if (headers !== undefined) this.headers = HeaderList.from(headers);
    this.#ended = endOfStream;
  }

  /** What the guest is about to be shown, behind what it holds back. */
  append(bytes: Uint8Array): void {
    this.#bodySeen = true;
    this.body.splice(this.body.length, 0, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** Everything that was held may go on. */
  letGo(): void {
    this.headersHeld = this.buffering = false;
    if (this.running || this.body.length === 0) return;
    this.#ready.push(this.body.bytes);
    this.body.bytes = Buffer.alloc(0);
  }

  /** What goes on now; with `all` nothing is held back. */
  release(all: boolean): Released {
    if (all) this.letGo();
    if (this.headersHeld)
      return { outcome: 'continue', headers: null, body: new Uint8Array(0), trailers: null };
    const body = this.#ready.length === 1 ? this.#ready[0] : Buffer.concat(this.#ready);
    this.#ready = [];
    const trailers = this.#ended && this.trailers !== null ? this.trailers.toArray() : null;
    return { outcome: 'continue', headers: this.#giveHeaders(body.length), body, trailers };
  }

  /** A length that the guest may have made wrong is set where all of the body is here, and dropped where it is not. */
  #giveHeaders(bodyLength: number): HeaderEntries | null {
    const { headers } = this;
    if (headers === null || this.#headersGiven) return null;
    this.#headersGiven = true;
    if (this.#bodyReadable && headers.get('content-length') !== undefined) {
      if (!this.#ended) headers.remove('content-length');
      else if (this.#bodySeen) headers.set('content-length', String(bodyLength));
    }
    return headers.toArray();
  }
}
