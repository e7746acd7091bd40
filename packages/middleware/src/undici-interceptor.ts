// A plugin as an interceptor of undici: requests of a client pass the plugin on their way out, responses on their way back.

import type { Answer, Exchange, Passage, PluginRunner } from '@dragoman/vm';
import {
  entriesOfObject,
  firstValue,
  type HeaderObject,
  type HeaderValues,
  nodeHeaders,
  ordinary,
} from './header-entries.ts';
import { changedOptions, type DispatchOptions, passRequest, readRequest } from './undici-request.ts';

/** What undici gives a handler to hold and to abort the response with. */
export interface DispatchController {
  readonly aborted: boolean;
  readonly paused: boolean;
  readonly reason: Error | null;
  abort(reason: Error): void;
  pause(): void;
  resume(): void;
}

export interface DispatchHandler {
  onRequestStart?(controller: DispatchController, context: unknown): void;
  onRequestUpgrade?(
    controller: DispatchController,
    statusCode: number,
    headers: HeaderObject,
    socket: unknown,
  ): void;
  onResponseStart?(
    controller: DispatchController,
    statusCode: number,
    headers: HeaderObject,
    message?: string,
  ): void;
  onResponseData?(controller: DispatchController, chunk: Buffer): void;
  onResponseEnd?(controller: DispatchController, trailers: HeaderObject): void;
  onResponseError?(controller: DispatchController, error: Error): void;
  onResponseStarted?(): void;
  onBodySent?(chunk: Buffer): void;
  onRequestSent?(): void;
}

// The types of undici's dispatch() are wider than what is looked at here, in both places.
// biome-ignore lint/suspicious/noExplicitAny: an interceptor must fit undici's own types without importing them
export type Dispatch = (options: any, handler: any) => boolean;

/** `new Agent().compose(undiciInterceptor(runner))`. */
export function undiciInterceptor(runner: PluginRunner): (dispatch: Dispatch) => Dispatch {
  return dispatch => (options: DispatchOptions & { upgrade?: unknown }, handler: DispatchHandler) => {
    // A tunnel has no messages that a plugin could see.
    if (options.method === 'CONNECT' || options.upgrade) return dispatch(options, handler);
    const exchange = runner.exchange();
    const tapped = new TappedHandler(exchange, handler);
    send(exchange, runner.readsRequestBody, dispatch, options, tapped).catch((error: Error) =>
      tapped.fail(error),
    );
    return true;
  };
}

async function send(
  exchange: Exchange,
  readsBody: boolean,
  dispatch: Dispatch,
  options: DispatchOptions,
  handler: TappedHandler,
): Promise<void> {
  const { passage, body } = await passRequest(exchange, readRequest(options), readsBody);
  if (passage.outcome === 'answer') handler.answer(passage.answer);
  else if (passage.outcome === 'close') handler.fail(new Error('the plugin has closed the request'));
  else
    dispatch(
      changedOptions(options, passage.headers ?? [], body === undefined ? options.body : body),
      handler,
    );
}

/** Stands between undici and the caller's handler; shows the response to the plugin piece by piece, in order. */
class TappedHandler implements Required<Omit<DispatchHandler, 'onRequestUpgrade'>> {
  readonly #exchange: Exchange;
  readonly #handler: DispatchHandler;
  #controller: TappedController | null = null;
  /** The piece that is with the plugin, and those behind it. */
  #queue: Promise<void> = Promise.resolve();
  #headGiven = false;
  #message: string | undefined;
  #over = false;

  constructor(exchange: Exchange, handler: DispatchHandler) {
    this.#exchange = exchange;
    this.#handler = handler;
  }

  onRequestStart(controller: DispatchController, context: unknown): void {
    // A retry begins anew with the same handler.
    this.#controller = new TappedController(controller);
    this.#handler.onRequestStart?.(this.#controller, context);
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.();
  }

  onBodySent(chunk: Buffer): void {
    this.#handler.onBodySent?.(chunk);
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.();
  }

  onResponseStart(
    controller: DispatchController,
    status: number,
    headers: HeaderObject,
    message?: string,
  ): void {
    if (status < 200) {
      this.#handler.onResponseStart?.(this.#controller ?? controller, status, headers, message);
      return;
    }
    this.#message = message;
    const entries = entriesOfObject(headers as HeaderValues);
    const all: [string, string][] = [[':status', String(status)], ...entries];
    this.#show({ headers: all, endOfStream: false });
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    // undici flushes its parser with nothing when it resumes: pausing for that would go on for ever.
    if (chunk.length === 0) return;
    // undici's buffer may be filled again before the plugin has seen it.
    this.#show({ body: Buffer.from(chunk), endOfStream: false });
  }

  onResponseEnd(_controller: DispatchController, trailers: HeaderObject): void {
    const entries = entriesOfObject(trailers as HeaderValues);
    this.#show({ endOfStream: true, ...(entries.length > 0 && { trailers: entries }) });
  }

  /** At once: a plugin that waits with a piece would keep the caller waiting, too. */
  onResponseError(_controller: DispatchController, error: Error): void {
    this.fail(error);
  }

  /** Ends the request with an error, once. */
  fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#exchange.end();
    this.#handler.onResponseError?.(this.#begun(), error);
  }

  /** Answers in place of the server. */
  answer({ body, headers, status }: Answer): void {
    const controller = this.#begun();
    this.#over = true;
    this.#exchange.end();
    const handler = this.#handler;
    handler.onResponseStart?.(controller, status, nodeHeaders(headers), '');
    if (body.length > 0) handler.onResponseData?.(controller, Buffer.from(body));
    handler.onResponseEnd?.(controller, {});
  }

  /** A handler hears of a start before it hears of anything else. */
  #begun(): TappedController {
    if (this.#controller === null) {
      this.#controller = new TappedController(null);
      this.#handler.onRequestStart?.(this.#controller, {});
    }
    return this.#controller;
  }

  #show(piece: Omit<Parameters<Exchange['pass']>[0], 'side'>): void {
    const controller = this.#begun();
    controller.hold();
    this.#queue = this.#queue
      .then(() => (this.#over ? null : this.#exchange.pass({ side: 'response', ...piece })))
      .then(passage => {
        if (passage !== null) this.#take(passage, piece.endOfStream);
        controller.letGo();
      })
      .catch((error: Error) => {
        controller.abort(error);
        this.fail(error);
      });
  }

  #take(passage: Passage, endOfStream: boolean): void {
    if (this.#over) return;
    const controller = this.#begun();
    if (passage.outcome === 'answer' && !this.#headGiven) {
      this.answer(passage.answer);
      controller.abort(new Error('the plugin has answered in place of the server'));
      return;
    }
    if (passage.outcome !== 'continue') throw new Error('the plugin has closed the response');
    const { body, headers, trailers } = passage;
    const handler = this.#handler;
    if (headers !== null) {
      this.#headGiven = true;
      handler.onResponseStart?.(
        controller,
        Number(firstValue(headers, ':status')),
        nodeHeaders(ordinary(headers)),
        this.#message,
      );
    }
    if (body.length > 0) handler.onResponseData?.(controller, Buffer.from(body));
    if (!endOfStream) return;
    this.#over = true;
    this.#exchange.end();
    handler.onResponseEnd?.(controller, nodeHeaders(trailers ?? []));
  }
}

/** Holds the response while the caller's handler or the plugin wants it held. */
class TappedController implements DispatchController {
  /** Null: there is no request behind it. */
  readonly #controller: DispatchController | null;
  #held = 0;
  #reason: Error | null = null;
  paused = false;

  constructor(controller: DispatchController | null) {
    this.#controller = controller;
  }

  get aborted(): boolean {
    return this.#reason !== null || (this.#controller?.aborted ?? false);
  }

  get reason(): Error | null {
    return this.#reason ?? this.#controller?.reason ?? null;
  }

  abort(reason: Error): void {
    this.#reason ??= reason;
    this.#controller?.abort(reason);
  }

  pause(): void {
    this.paused = true;
    this.#controller?.pause();
  }

  resume(): void {
    this.paused = false;
    if (this.#held === 0) this.#controller?.resume();
  }

  hold(): void {
    this.#held++;
    this.#controller?.pause();
  }

  letGo(): void {
    if (--this.#held === 0 && !this.paused) this.#controller?.resume();
  }
}
