// The body of a request of node:http on its way through a plugin: what Node's parser pushes into the request is caught and
// pushed again after the plugin has seen it. The request stays the same object, as Express and Fastify need it, and
// bodies of any size pass piece by piece.

import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { HeaderEntries } from '@dragoman/vm';
import { distinctHeaders, entriesOfRaw, nodeHeaders } from './header-entries.ts';

/** A piece of the body as the parser has given it; null is the end. */
type Chunk = Buffer | null;

/** Made before anything is awaited, because what comes meanwhile must not get past. */
export class CaughtBody {
  readonly #request: IncomingMessage;
  readonly #push: (chunk: Chunk) => boolean;
  readonly #chunks: Chunk[] = [];
  #arrived: (() => void) | null = null;

  constructor(request: IncomingMessage) {
    this.#request = request;
    const { complete, readableLength } = request;
    // Asking for exactly what is there does not bring on the end of the stream.
    if (readableLength > 0) this.#chunks.push(request.read(readableLength) as Buffer);
    if (complete) {
      this.#chunks.push(null);
      // The stream has been told of its end: it has to begin anew to be given other content.
      Reflect.apply(Readable, request, [
        { highWaterMark: request.readableHighWaterMark, autoDestroy: false },
      ]);
      request._read = () => {};
    }
    this.#push = request.push.bind(request);
    request.push = (chunk: Chunk | string) => this.#catch(chunk);
  }

  /** Shows all pieces to `pass`, one after the other, and hands on what comes back, until `pass` answers null. */
  async run(pass: (body: Buffer, trailers: HeaderEntries | null) => Promise<BodyPart | null>): Promise<void> {
    for (;;) {
      const chunk = await this.#next();
      const trailers = chunk === null ? entriesOfRaw(this.#request.rawTrailers ?? []) : null;
      const part = await pass(chunk ?? Buffer.alloc(0), trailers);
      if (part === null) {
        this.drop();
        return;
      }
      if (part.trailers !== null) this.#applyTrailers(part.trailers);
      // An empty piece, too: it has the parser read on.
      if (part.body.length > 0 || chunk !== null) this.#push(Buffer.from(part.body));
      if (chunk === null) {
        this.#push(null);
        return;
      }
    }
  }

  /** Nobody is to see what still comes; the connection can be used again after it. */
  drop(): void {
    this.#request.push = (chunk: Chunk) => {
      if (chunk === null) this.#push(null);
      return true;
    };
    if (this.#chunks.includes(null)) this.#push(null);
    this.#request.resume();
  }

  /** False keeps the parser from reading on; the consumer's next read lets it. */
  #catch(chunk: Chunk | string): boolean {
    // Requests that no parser has made (Fastify's inject) may give text.
    this.#chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    this.#arrived?.();
    return false;
  }

  async #next(): Promise<Chunk> {
    while (this.#chunks.length === 0) {
      await new Promise<void>(resolve => {
        this.#arrived = resolve;
      });
    }
    this.#arrived = null;
    return this.#chunks.shift()!;
  }

  #applyTrailers(trailers: HeaderEntries): void {
    this.#request.rawTrailers = trailers.flat();
    this.#request.trailers = nodeHeaders(trailers) as IncomingMessage['trailers'];
    this.#request.trailersDistinct = distinctHeaders(trailers);
  }
}

/** What became of a piece. */
export interface BodyPart {
  readonly body: Uint8Array;
  readonly trailers: HeaderEntries | null;
}
