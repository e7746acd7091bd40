// One request with its response on the way through a plugin, as embedders see it: give a piece, wait, send on what comes
// back. Where the plugin runs (this thread, a pool's thread) is the business of those who extend this class.

import type { Attributes, HeaderEntries, Message, Passage, Piece } from './message.ts';

export interface ExchangeOptions {
  /** What the plugin reads beside the headers: "source.address", "request.protocol", names of your own. */
  readonly attributes?: Attributes;
}

/** Whatever makes exchanges: a Plugin on this thread, or a pool of them. */
export interface PluginRunner {
  exchange(options?: ExchangeOptions): Exchange;
  /** Whether the plugin has a callback for bodies; without one they need not be shown to it. */
  readonly readsRequestBody: boolean;
  readonly readsResponseBody: boolean;
}

/** Pieces of one side are passed one after the other: the next when the one before has come back. */
export abstract class Exchange {
  /** Shows the plugin a piece. Resolves when the plugin lets it go on, wants to see more, answers, or dies. */
  abstract pass(piece: Piece): Promise<Passage>;

  /** The end, however it came about: the plugin logs and forgets the exchange. A pass under way resolves as closed. */
  abstract end(): void;

  /** Shows the plugin a whole request. */
  request(message: Message): Promise<Passage> {
    return this.pass(wholePiece('request', message));
  }

  /** Shows the plugin a whole response. */
  response(message: Message): Promise<Passage> {
    return this.pass(wholePiece('response', message));
  }
}

function wholePiece(side: Piece['side'], { headers, body, trailers }: Message): Piece {
  const entries = Array.isArray(headers) ? (headers as HeaderEntries) : Object.entries(headers);
  return {
    side,
    headers: entries,
    endOfStream: true,
    ...(body !== undefined && { body: typeof body === 'string' ? Buffer.from(body) : body }),
    ...(trailers !== undefined && { trailers }),
  };
}
