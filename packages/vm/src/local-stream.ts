// A StreamHost for programs that are no proxy: one request and its response, in memory. Shows also what an embedding has
// to do; the proxy's own is the filter envoy.filters.http.wasm.

import { Status } from '@dragoman/abi';
import type { RootContext } from './contexts/root-context.ts';
import { FAILED, type StreamContext } from './contexts/stream-context.ts';
import { HeaderList } from './header-list.ts';
import { MemoryBody } from './memory-body.ts';
import type { PropertyValue } from './property-value.ts';
import type { LocalResponse, StreamHost } from './stream-host.ts';

/** What became of one step: the guest lets it pass, holds it, has answered or closed the stream, or has died. */
export type StepResult = 'continue' | 'pause' | 'answered' | 'closed' | 'failed';

export interface LocalStreamOptions {
  /** Values of properties of the stream. */
  readonly getProperty?: (path: readonly string[]) => PropertyValue;
  /** The guest lets a paused request or response go on. */
  readonly onContinue?: (direction: 'request' | 'response') => void;
}

/** One exchange under a root context. Bodies are shown whole, in one callback. */
export class LocalStream implements StreamHost {
  requestHeaders = new HeaderList();
  requestBody = new MemoryBody();
  requestTrailers: HeaderList | null = null;
  responseHeaders = new HeaderList();
  responseBody = new MemoryBody();
  responseTrailers: HeaderList | null = null;
  /** Set once the guest has answered by itself. */
  localResponse: LocalResponse | null = null;
  readonly #context: StreamContext;
  readonly #options: LocalStreamOptions;
  readonly #properties = new Map<string, Buffer>();
  readonly #begun: boolean;
  #closed = false;

  constructor(root: RootContext, options: LocalStreamOptions = {}) {
    this.#options = options;
    this.#context = root.vm.newStream();
    this.#begun = this.#context.begin(root, this);
  }

  /** Shows the guest a request, headers first, then (unless it holds those) the body. */
  request(headers: HeaderList, body = ''): StepResult {
    this.requestHeaders = headers;
    this.requestBody = new MemoryBody(body);
    const result = this.#after(this.#begun ? this.#context.onRequestHeaders(headers, body === '') : FAILED);
    if (result !== 'continue' || body === '') return result;
    return this.#after(this.#context.onRequestBody(this.requestBody, true));
  }

  /** Shows the guest the response in the same way. */
  response(headers: HeaderList, body = ''): StepResult {
    this.responseHeaders = headers;
    this.responseBody = new MemoryBody(body);
    const result = this.#after(this.#begun ? this.#context.onResponseHeaders(headers, body === '') : FAILED);
    if (result !== 'continue' || body === '') return result;
    return this.#after(this.#context.onResponseBody(this.responseBody, true));
  }

  /** Ends the exchange: log, done, delete. */
  end(): void {
    this.#context.onLog(this.requestHeaders, this.responseHeaders, this.responseTrailers);
    this.#context.end();
  }

  #after(status: number): StepResult {
    if (this.localResponse !== null) return 'answered';
    if (this.#closed) return 'closed';
    if (status === FAILED) return 'failed';
    return status === 0 ? 'continue' : 'pause';
  }

  continueRequest(): void {
    this.#options.onContinue?.('request');
  }

  continueResponse(): void {
    this.#options.onContinue?.('response');
  }

  closeStream(): void {
    this.#closed = true;
  }

  sendLocalResponse(response: LocalResponse): void {
    this.localResponse = response;
  }

  createRequestTrailers(): HeaderList {
    this.requestTrailers = new HeaderList();
    return this.requestTrailers;
  }

  createResponseTrailers(): HeaderList {
    this.responseTrailers = new HeaderList();
    return this.responseTrailers;
  }

  clearRouteCache(): void {}

  getProperty(path: readonly string[]): PropertyValue {
    return this.#properties.get(path.join('\0')) ?? this.#options.getProperty?.(path);
  }

  setProperty(key: string, value: Buffer): Status {
    this.#properties.set(key, value);
    return Status.Ok;
  }
}
