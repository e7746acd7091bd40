// A gRPC service in the place of the worker's asynchronous client: tests read what a filter sends, message by message, and
// answer in its stead. Imported from tests only.

import { HeaderMap, type RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type { AsyncClient, AsyncStreamListener, AsyncStreamOptions } from '@dragoman/proxy';

const PREFIX_BYTES = 5;

/** One call of the filter. */
export class TestGrpcCall {
  readonly headers: RequestHeaders;
  readonly timeoutMs: number;
  /** Messages sent so far. */
  readonly messages: Buffer[] = [];
  readonly hasHost = true;
  halfClosed = false;
  cancelled = false;
  needsDrain = false;
  readonly #listener: AsyncStreamListener;
  #answered = false;

  constructor(headers: RequestHeaders, listener: AsyncStreamListener, { timeoutMs = 0 }: AsyncStreamOptions) {
    this.headers = headers;
    this.timeoutMs = timeoutMs;
    this.#listener = listener;
  }

  // --- the test's side ---

  send(message: Uint8Array): void {
    this.#answer();
    const frame = Buffer.alloc(PREFIX_BYTES + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, PREFIX_BYTES);
    if (!this.cancelled) this.#listener.onData(frame, false);
  }

  end(status = 0, message = ''): void {
    this.#answer();
    const trailers = new HeaderMap();
    trailers.add('grpc-status', String(status));
    if (message !== '') trailers.add('grpc-message', message);
    if (!this.cancelled) this.#listener.onTrailers(trailers);
  }

  /** No response, as for a connection that cannot be had. */
  fail(status = 503, text = 'no healthy upstream'): void {
    if (!this.cancelled)
      this.#listener.onFailure({ status, text, details: 'test', responseStarted: this.#answered });
  }

  #answer(): void {
    if (this.#answered || this.cancelled) return;
    this.#answered = true;
    this.#listener.onHeaders(ResponseHeaders.fromPairs([':status', '200']), false);
  }

  // --- the filter's side, as AsyncStream ---

  sendData(bytes: Buffer, endStream: boolean): void {
    if (bytes.length > 0) this.messages.push(Buffer.from(bytes.subarray(PREFIX_BYTES)));
    this.halfClosed ||= endStream;
  }

  pauseReading(): void {}

  cancel(): void {
    this.cancelled = true;
  }
}

/** Services by cluster name; a cluster that is not among them does not exist. */
export class TestGrpcClient {
  readonly calls: TestGrpcCall[] = [];
  readonly #clusters: ReadonlySet<string>;

  constructor(...clusters: string[]) {
    this.#clusters = new Set(clusters);
  }

  get last(): TestGrpcCall {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error('nothing was called');
    return call;
  }

  readonly start = (
    cluster: string,
    headers: RequestHeaders,
    listener: AsyncStreamListener,
    options: AsyncStreamOptions = {},
  ): TestGrpcCall | null => {
    if (!this.#clusters.has(cluster)) return null;
    const call = new TestGrpcCall(headers, listener, options);
    this.calls.push(call);
    return call;
  };

  get asAsyncClient(): AsyncClient {
    return this as unknown as AsyncClient;
  }
}
