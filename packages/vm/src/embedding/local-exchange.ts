// An exchange whose plugin runs on this thread: shows pieces to the guest, keeps back what it holds, and waits for it
// where it pauses. The same rules as in the proxy's filter, over bodies in memory.

import type { Status } from '@dragoman/abi';
import type { Clock } from '@dragoman/base';
import { FAILED, STOP_NO_BUFFER, type StreamContext } from '../contexts/stream-context.ts';
import { HeaderList } from '../header-list.ts';
import type { PropertyValue } from '../property-value.ts';
import type { LocalResponse, StreamHost } from '../stream-host.ts';
import { type AttributeSource, attributeValue } from './attributes.ts';
import { Exchange, type ExchangeOptions } from './exchange.ts';
import type { Answer, Attributes, HeaderEntries, Passage, Piece } from './message.ts';
import { MessageGate } from './message-gate.ts';

/** What the plugin says about all of its exchanges. */
export interface ExchangeRules {
  readonly clock: Clock;
  /** A plugin that died leaves what it has not changed alone, instead of answering 503. */
  readonly failOpen: boolean;
  /** How much of a body the guest may hold back. */
  readonly bufferLimitBytes: number;
  /** How long it may pause; 0: as long as it likes. */
  readonly pauseLimitMs: number;
  readonly readsRequestBody: boolean;
  readonly readsResponseBody: boolean;
  onEnd(exchange: LocalExchange): void;
}

const STATUS_OK: Status = 0;
const NO_BYTES: Uint8Array = new Uint8Array(0);
const FAILURE: Answer = plainAnswer(503, '', 'wasm_fail_stream');
const PAUSED_TOO_LONG: Answer = plainAnswer(504, 'the plugin has paused too long', 'plugin_pause_limit');
const REQUEST_TOO_LARGE: Answer = plainAnswer(413, 'Payload Too Large', 'request_payload_too_large');
const RESPONSE_TOO_LARGE: Answer = plainAnswer(500, 'Internal Server Error', 'response_payload_too_large');
const CLOSED: Passage = { outcome: 'close' };

/** Made by Plugin.exchange(). */
export class LocalExchange extends Exchange implements StreamHost, AttributeSource {
  /** Null when the plugin was dead from the start. */
  readonly #context: StreamContext | null;
  readonly #rules: ExchangeRules;
  readonly attributes: Attributes;
  readonly #request: MessageGate;
  readonly #response: MessageGate;
  readonly #properties = new Map<string, Buffer>();
  /** The guest's own answer; the first one counts. */
  #localResponse: LocalResponse | null = null;
  /** The answer is on its way through the response callbacks. */
  #answering = false;
  /** Set when nothing is shown to the guest any more, because it died and is to fail open. */
  #bypassed = false;
  /** What every further piece is told. */
  #over: Passage | null = null;
  #ended = false;
  /** Ends the wait of the pass under way. */
  #wake: (() => void) | null = null;

  constructor(context: StreamContext | null, rules: ExchangeRules, options: ExchangeOptions) {
    super();
    this.#context = context;
    this.#rules = rules;
    this.attributes = options.attributes ?? {};
    this.#request = new MessageGate('request', rules.readsRequestBody);
    this.#response = new MessageGate('response', rules.readsResponseBody);
  }

  get requestHeaders(): HeaderList | null {
    return this.#request.headers;
  }

  get requestTrailers(): HeaderList | null {
    return this.#request.trailers;
  }

  get responseHeaders(): HeaderList | null {
    return this.#response.headers;
  }

  get responseTrailers(): HeaderList | null {
    return this.#response.trailers;
  }

  override async pass(piece: Piece): Promise<Passage> {
    if (this.#over !== null) return this.#over;
    const gate = piece.side === 'request' ? this.#request : this.#response;
    // The guest may have answered since the last piece.
    const decided = this.#decision() ?? (await this.#show(gate, piece));
    if (decided === null) return gate.release(this.#bypassed);
    return (this.#over ??= await this.#conclude(decided));
  }

  override end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#over = CLOSED;
    this.#wake?.();
    this.#context?.onLog(this.requestHeaders, this.responseHeaders, this.responseTrailers);
    this.#context?.end();
    this.#rules.onEnd(this);
  }

  /** The VM is dead: a pass that waits for it must not wait any longer. */
  vmDied(): void {
    this.#wake?.();
  }

  /** Shows all of a piece; null when it may go on as far as the gate says, else what to do instead. */
  async #show(gate: MessageGate, piece: Piece): Promise<Passage | null> {
    const { body = NO_BYTES, endOfStream, headers, trailers } = piece;
    gate.take(piece);
    const wholeInHeaders = endOfStream && body.length === 0 && trailers === undefined;
    if (headers !== undefined) {
      const decided = await this.#showHeaders(gate, wholeInHeaders);
      if (decided !== null || wholeInHeaders) return decided;
    }
    if (body.length > 0 || (endOfStream && trailers === undefined)) {
      const decided = await this.#showBody(gate, body, endOfStream && trailers === undefined);
      if (decided !== null) return decided;
    }
    return trailers === undefined ? null : this.#showTrailers(gate, trailers);
  }

  async #showHeaders(gate: MessageGate, endOfStream: boolean): Promise<Passage | null> {
    if (this.#bypassed) return null;
    const [context, list] = [this.#context, gate.headers!];
    const status = this.#run(gate, () =>
      gate.side === 'request'
        ? context!.onRequestHeaders(list, endOfStream)
        : context!.onResponseHeaders(list, endOfStream),
    );
    const decided = this.#afterCallback(status);
    if (decided !== null || status === 0 || this.#bypassed) return decided;
    gate.headersHeld = true;
    // StopIteration: the body is shown while the headers wait.
    if (status === 1 && !endOfStream) return null;
    return this.#untilContinued(gate);
  }

  async #showBody(gate: MessageGate, bytes: Uint8Array, endOfStream: boolean): Promise<Passage | null> {
    gate.append(bytes);
    if (this.#bypassed) return null;
    if (gate.body.length > this.#rules.bufferLimitBytes && gate.buffering) {
      return answerWith(gate.side === 'request' ? REQUEST_TOO_LARGE : RESPONSE_TOO_LARGE);
    }
    const context = this.#context;
    const status = this.#run(gate, () =>
      gate.side === 'request'
        ? context!.onRequestBody(gate.body, endOfStream)
        : context!.onResponseBody(gate.body, endOfStream),
    );
    const decided = this.#afterCallback(status);
    if (decided !== null || this.#bypassed) return decided;
    if (status === 0) return this.#letBodyGo(gate);
    gate.buffering = true;
    if (status === STOP_NO_BUFFER) gate.body.splice(0, gate.body.length, Buffer.alloc(0));
    return endOfStream ? this.#untilContinued(gate) : null;
  }

  async #showTrailers(gate: MessageGate, entries: HeaderEntries): Promise<Passage | null> {
    const list = HeaderList.from(entries);
    gate.trailers = list;
    if (this.#bypassed) return null;
    const context = this.#context;
    const status = this.#run(gate, () =>
      gate.side === 'request' ? context!.onRequestTrailers(list) : context!.onResponseTrailers(list),
    );
    const decided = this.#afterCallback(status);
    if (decided !== null || this.#bypassed) return decided;
    return status === 0 ? this.#letBodyGo(gate) : this.#untilContinued(gate);
  }

  /** Paused headers go with the body, but not past a call-out whose answer decides about them. */
  async #letBodyGo(gate: MessageGate): Promise<Passage | null> {
    if (gate.headersHeld && this.#context!.pendingCallouts > 0) {
      gate.heldForCallouts = true;
      return this.#untilContinued(gate);
    }
    gate.letGo();
    return null;
  }

  /** Runs a callback; FAILED when there is nobody to run it. */
  #run(gate: MessageGate, callback: () => number): number {
    if (this.#context === null || this.#over !== null) return FAILED;
    gate.running = true;
    gate.continued = false;
    const status = callback();
    gate.running = false;
    return status > 0 && gate.continued ? 0 : status;
  }

  #afterCallback(status: number): Passage | null {
    return this.#decision() ?? (status === FAILED ? this.#fail() : null);
  }

  /** What has been decided about the exchange as a whole. */
  #decision(): Passage | null {
    if (this.#over !== null) return this.#over;
    if (this.#localResponse === null || this.#answering) return null;
    const { status, details, body, headers, grpcStatus } = this.#localResponse;
    const entries: [string, string][] = [];
    for (let i = 0; i < headers.length; i += 2) entries.push([headers[i], headers[i + 1]]);
    return answerWith({ status, details, body, headers: entries, grpcStatus });
  }

  /** Waits until the guest lets the gate go, decides otherwise, dies, or has had its time. */
  async #untilContinued(gate: MessageGate): Promise<Passage | null> {
    const { clock, pauseLimitMs } = this.#rules;
    const { promise, resolve } = Promise.withResolvers<'woken' | 'late'>();
    gate.waiting = true;
    this.#wake = () => resolve('woken');
    const cancel = pauseLimitMs === 0 ? null : clock.after(pauseLimitMs, () => resolve('late'));
    const end = this.#context!.vm.failure === null ? await promise : 'woken';
    cancel?.();
    this.#wake = null;
    const continued = !gate.waiting;
    gate.waiting = gate.heldForCallouts = false;
    const decided = this.#decision();
    if (decided !== null || continued) return decided;
    return end === 'late' ? answerWith(PAUSED_TOO_LONG) : this.#fail();
  }

  #fail(): Passage | null {
    if (!this.#rules.failOpen || this.#context?.mutated === true) return answerWith(FAILURE);
    this.#bypassed = true;
    this.#request.letGo();
    this.#response.letGo();
    return null;
  }

  /** An answer of the guest's passes its own response callbacks, unless the response has been shown already. */
  async #conclude(decided: Passage): Promise<Passage> {
    if (decided.outcome !== 'answer' || this.#localResponse === null || this.#response.headers !== null) {
      return decided;
    }
    this.#answering = true;
    const { answer } = decided;
    const instead = await this.#show(this.#response, {
      side: 'response',
      headers: answerHeaders(answer),
      body: answer.body,
      endOfStream: true,
    });
    if (instead !== null) return instead;
    const { headers, body } = this.#response.release(this.#bypassed);
    const status = Number(headers?.find(([name]) => name === ':status')?.[1] ?? answer.status);
    const rest = (headers ?? answer.headers).filter(([name]) => !name.startsWith(':'));
    return answerWith({ ...answer, status, headers: rest, body });
  }

  // --- what the guest asks for ---

  continueRequest(): void {
    this.#continue(this.#request);
  }

  continueResponse(): void {
    this.#continue(this.#response);
  }

  #continue(gate: MessageGate): void {
    if (gate.running) gate.continued = true;
    else if (gate.headersHeld || gate.buffering || gate.waiting) {
      gate.letGo();
      if (gate.waiting) {
        gate.waiting = false;
        this.#wake?.();
      }
    }
  }

  onCalloutsDone(): void {
    for (const gate of [this.#request, this.#response]) {
      if (gate.heldForCallouts) this.#continue(gate);
    }
  }

  closeStream(): void {
    this.#over ??= CLOSED;
    this.#wake?.();
  }

  sendLocalResponse(response: LocalResponse): void {
    if (this.#over !== null) return;
    this.#localResponse ??= response;
    this.#wake?.();
  }

  createRequestTrailers(): HeaderList {
    return (this.#request.trailers ??= new HeaderList());
  }

  createResponseTrailers(): HeaderList {
    return (this.#response.trailers ??= new HeaderList());
  }

  clearRouteCache(): void {}

  getProperty(path: readonly string[]): PropertyValue {
    return this.#properties.get(path.join('\0')) ?? attributeValue(this, path);
  }

  setProperty(key: string, value: Buffer): Status {
    this.#properties.set(key, value);
    return STATUS_OK;
  }
}

const answerWith = (answer: Answer): Passage => ({ outcome: 'answer', answer });

function plainAnswer(status: number, text: string, details: string): Answer {
  const headers: [string, string][] = text === '' ? [] : [['content-type', 'text/plain']];
  return { status, headers, body: Buffer.from(text), details, grpcStatus: -1 };
}

function answerHeaders({ status, headers, body }: Answer): HeaderEntries {
  const own: [string, string][] = [[':status', String(status)]];
  if (body.length > 0) {
    own.push(['content-length', String(body.length)]);
    if (!headers.some(([name]) => name === 'content-type')) own.push(['content-type', 'text/plain']);
  }
  return [...own, ...headers];
}
