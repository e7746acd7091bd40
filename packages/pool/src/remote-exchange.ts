// An exchange whose plugin runs on a pool's thread: every piece is a message there and back. A thread that dies in
// between costs the exchange what a dead plugin does.

import { DragomanError } from '@dragoman/base';
import { type Answer, Exchange, type Passage, type Piece } from '@dragoman/vm';

/** The thread an exchange was placed on. */
export interface Place {
  pass(exchange: number, piece: Piece): Promise<Passage>;
  end(exchange: number): void;
}

/** Made by VmPool.exchange(). */
export class RemoteExchange extends Exchange {
  readonly #id: number;
  readonly #failOpen: boolean;
  readonly #findPlace: () => Promise<Place | null>;
  #place: Place | null = null;
  /** There is no plugin to ask any more, and pieces pass as they are. */
  #bypassed = false;
  #over: Passage | null = null;
  #end: () => void = () => {};

  /** `findPlace` is asked once, with the first piece. */
  constructor(id: number, failOpen: boolean, findPlace: () => Promise<Place | null>) {
    super();
    this.#id = id;
    this.#failOpen = failOpen;
    this.#findPlace = findPlace;
  }

  override async pass(piece: Piece): Promise<Passage> {
    if (this.#over !== null) return this.#over;
    if (this.#bypassed) return asItIs(piece);
    const { promise: ended, resolve: end } = Promise.withResolvers<Passage>();
    this.#end = () => end(CLOSED);
    const passage = await Promise.race([this.#ask(piece), ended]);
    if (this.#over === null && passage.outcome !== 'continue') this.#over = passage;
    return this.#over ?? passage;
  }

  override end(): void {
    if (this.#over === CLOSED) return;
    this.#over = CLOSED;
    this.#end();
    this.#place?.end(this.#id);
  }

  async #ask(piece: Piece): Promise<Passage> {
    const isFirst = this.#place === null;
    this.#place ??= await this.#findPlace();
    // Ended while it waited for a place.
    if (this.#over !== null) {
      this.#place?.end(this.#id);
      return this.#over;
    }
    if (this.#place === null) return this.#fail(piece, isFirst);
    try {
      return await this.#place.pass(this.#id, piece);
    } catch (error) {
      if (!(error instanceof DragomanError) || error.code !== 'ERR_DRAGOMAN_WORKER_DIED') throw error;
      return this.#fail(piece, isFirst);
    }
  }

  /** What the thread had changed or held back is lost with it: only an untouched exchange may go on without the plugin. */
  #fail(piece: Piece, untouched: boolean): Passage {
    if (!this.#failOpen || !untouched) return { outcome: 'answer', answer: FAILURE };
    this.#bypassed = true;
    return asItIs(piece);
  }
}

const CLOSED: Passage = { outcome: 'close' };
const FAILURE: Answer = {
  status: 503,
  headers: [],
  body: new Uint8Array(0),
  details: 'wasm_fail_stream',
  grpcStatus: -1,
};

function asItIs({ body, headers, trailers }: Piece): Passage {
  return {
    outcome: 'continue',
    headers: headers ?? null,
    body: body ?? new Uint8Array(0),
    trailers: trailers ?? null,
  };
}
