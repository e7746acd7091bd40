// One request of node:http with its response, taken through a plugin: what the adapters for servers have in common.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Exchange, Passage, Piece, PluginRunner } from '@dragoman/vm';
import { type BodyPart, CaughtBody } from './request-body.ts';
import { applyHead, isBodiless, requestAttributes, requestEntries } from './request-head.ts';
import { ResponseTap, sendAnswer } from './response-tap.ts';

/** Told of what keeps a plugin from being asked once the application has gone on; the response is cut off then. */
export type OnError = (error: unknown) => void;

/** Where nobody else is told. */
export function warn(error: unknown): void {
  process.emitWarning(error as Error);
}

/**
 * Shows the request to the plugin and taps the response. Resolves with true when the application may go on with both,
 * its body still coming, with false when the plugin has answered or closed. Rejects when the plugin could not be asked.
 */
export function runThroughPlugin(
  runner: PluginRunner,
  request: IncomingMessage,
  response: ServerResponse,
  onError: OnError = warn,
): Promise<boolean> {
  return new HttpExchange(runner, request, response, onError).run();
}

class HttpExchange {
  readonly #exchange: Exchange;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #onError: OnError;
  readonly #bodiless: boolean;
  /** Null when the plugin does not see the body. */
  readonly #body: CaughtBody | null;
  readonly #decision = Promise.withResolvers<boolean>();
  /** There once the application may answer. */
  #tap: ResponseTap | null = null;

  constructor(runner: PluginRunner, request: IncomingMessage, response: ServerResponse, onError: OnError) {
    this.#request = request;
    this.#response = response;
    this.#onError = onError;
    this.#bodiless = isBodiless(request);
    this.#body = this.#bodiless || !runner.readsRequestBody ? null : new CaughtBody(request);
    this.#exchange = runner.exchange({ attributes: requestAttributes(request) });
    response.once('close', () => this.#exchange.end());
  }

  async run(): Promise<boolean> {
    const headers = requestEntries(this.#request);
    let passage = await this.#exchange.pass({ side: 'request', headers, endOfStream: this.#bodiless });
    // Held until the body has been seen, by a plugin that sees none.
    if (this.#body === null && isHeld(passage))
      passage = await this.#exchange.pass({ side: 'request', endOfStream: true });
    if (this.#take(passage) === null) this.#body?.drop();
    else
      this.#body?.run((body, trailers) => this.#passBody(body, trailers)).catch(error => this.#fail(error));
    return this.#decision.promise;
  }

  async #passBody(body: Buffer, trailers: Piece['trailers'] | null): Promise<BodyPart | null> {
    const piece = { side: 'request', body, endOfStream: trailers !== null } as const;
    const shown = trailers != null && trailers.length > 0 ? { ...piece, trailers } : piece;
    return this.#take(await this.#exchange.pass(shown));
  }

  /** What goes on of the request; null when nothing does any more. */
  #take(passage: Passage): BodyPart | null {
    if (passage.outcome === 'continue') {
      if (passage.headers !== null) {
        applyHead(this.#request, passage.headers);
        this.#tap = new ResponseTap(this.#response, this.#exchange, this.#onError);
        this.#decision.resolve(true);
      }
      return passage;
    }
    if (this.#tap !== null) this.#tap.interrupt(passage);
    else if (passage.outcome === 'answer') sendAnswer(this.#response, passage.answer);
    else this.#response.destroy();
    this.#decision.resolve(false);
    return null;
  }

  #fail(error: unknown): void {
    this.#decision.reject(error);
    if (this.#tap === null) return;
    this.#response.destroy();
    this.#onError(error);
  }
}

const isHeld = (passage: Passage): boolean => passage.outcome === 'continue' && passage.headers === null;
