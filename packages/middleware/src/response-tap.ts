// The response of node:http on its way through a plugin: what the application writes is kept and sent after the plugin has
// seen it. To the application the response looks as always: headers count as sent once it has begun to write.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Answer, Exchange, HeaderEntries, Passage } from '@dragoman/vm';
import { entriesOfObject, firstValue, type HeaderValues, ordinary } from './header-entries.ts';

type Callback = (error?: Error | null) => void;
type Continued = Extract<Passage, { outcome: 'continue' }>;

/** What the application may have waiting before write() answers false. */
const HIGH_WATER_BYTES = 65_536;
const BODILESS_STATUSES: ReadonlySet<number> = new Set([204, 304]);

/** Answers in place of the application; the response must not have been tapped. */
export function sendAnswer(response: ServerResponse, { body, headers, status }: Answer): void {
  response.statusCode = status;
  setHeaders(response, headers);
  response.end(Buffer.from(body));
}

function setHeaders(response: ServerResponse, entries: HeaderEntries): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  for (const [name, value] of ordinary(entries)) response.appendHeader(name, value);
}

/** Takes a response over for the rest of its life. */
export class ResponseTap {
  readonly #response: ServerResponse;
  readonly #exchange: Exchange;
  readonly #onError: (error: unknown) => void;
  /** Node's own methods. */
  readonly #send: Pick<ServerResponse, 'writeHead' | 'write' | 'end' | 'flushHeaders'>;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #callbacks: Callback[] = [];
  #headWritten = false;
  #endWritten = false;
  #endSent = false;
  #headShown = false;
  #running = false;
  #drainOwed = false;
  /** Cut off or answered by the plugin: what the application still writes is dropped. */
  #over = false;

  constructor(response: ServerResponse, exchange: Exchange, onError: (error: unknown) => void) {
    this.#response = response;
    this.#exchange = exchange;
    this.#onError = onError;
    this.#send = {
      writeHead: response.writeHead.bind(response) as ServerResponse['writeHead'],
      write: response.write.bind(response) as ServerResponse['write'],
      end: response.end.bind(response) as ServerResponse['end'],
      flushHeaders: response.flushHeaders.bind(response),
    };
    response.writeHead = ((status: number, ...rest: unknown[]) => this.#writeHead(status, rest)) as never;
    response.flushHeaders = () => this.#commit();
    response.write = ((chunk: unknown, ...rest: unknown[]) => this.#write(chunk, rest)) as never;
    response.end = ((...args: unknown[]) => this.#end(args)) as never;
    Object.defineProperty(response, 'headersSent', { configurable: true, get: () => this.#headWritten });
    Object.defineProperty(response, 'writableEnded', { configurable: true, get: () => this.#endWritten });
  }

  /** The plugin has decided about the request while the application was at work on it. */
  interrupt(passage: Passage): void {
    if (!this.#endSent) this.#take(passage, false);
  }

  #writeHead(status: number, rest: unknown[]): ServerResponse {
    const response = this.#response;
    if (this.#headWritten) {
      throw Object.assign(new Error('Cannot write headers after they are sent to the client'), {
        code: 'ERR_HTTP_HEADERS_SENT',
      });
    }
    response.statusCode = status;
    if (typeof rest[0] === 'string') response.statusMessage = rest.shift() as string;
    const headers = rest[0] as OutgoingHttpHeaders | readonly string[] | undefined;
    if (Array.isArray(headers)) {
      const pairs = headers.flat() as string[];
      for (let i = 0; i < pairs.length; i += 2) response.removeHeader(pairs[i]!);
      for (let i = 0; i < pairs.length; i += 2) response.appendHeader(pairs[i]!, pairs[i + 1]!);
    } else {
      for (const [name, value] of Object.entries((headers ?? {}) as OutgoingHttpHeaders))
        if (value !== undefined) response.setHeader(name, value);
    }
    this.#commit();
    return response;
  }

  #write(chunk: unknown, [encoding, callback]: unknown[]): boolean {
    if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
    if (this.#endWritten) {
      const error = Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' });
      (callback as Callback | undefined)?.(error);
      this.#response.emit('error', error);
      return false;
    }
    if (callback !== undefined) this.#callbacks.push(callback as Callback);
    const bytes = bytesOf(chunk, encoding);
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    this.#commit();
    this.#drainOwed ||= this.#bytes >= HIGH_WATER_BYTES;
    return !this.#drainOwed;
  }

  #end(args: unknown[]): ServerResponse {
    const callback = args.find(arg => typeof arg === 'function') as Callback | undefined;
    const [chunk, encoding] = args.filter(arg => typeof arg !== 'function');
    if (this.#endWritten) {
      if (callback !== undefined) queueMicrotask(callback);
      return this.#response;
    }
    if (chunk !== undefined && chunk !== null) {
      const bytes = bytesOf(chunk, encoding);
      // Everything is known: as Node does, say how long it is.
      if (!this.#headWritten) this.#setLength(bytes.length);
      this.#chunks.push(bytes);
    } else if (!this.#headWritten) this.#setLength(0);
    if (callback !== undefined) this.#response.once('finish', callback);
    this.#endWritten = true;
    this.#commit();
    return this.#response;
  }

  #setLength(length: number): void {
    const response = this.#response;
    if (response.hasHeader('content-length') || response.hasHeader('transfer-encoding')) return;
    if (!this.#bodiless) response.setHeader('content-length', length);
  }

  get #bodiless(): boolean {
    const { req, statusCode } = this.#response;
    return req.method === 'HEAD' || BODILESS_STATUSES.has(statusCode);
  }

  /** What was written so far is shown to the plugin as soon as the application returns: a head and its body together. */
  #commit(): void {
    this.#headWritten = true;
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(() => {
      this.#run().catch((error: unknown) => {
        this.#cut();
        this.#onError(error);
      });
    });
  }

  async #run(): Promise<void> {
    while (
      !this.#over &&
      !this.#endSent &&
      (this.#chunks.length > 0 || this.#endWritten || !this.#headShown)
    ) {
      const body = this.#bodiless ? Buffer.alloc(0) : Buffer.concat(this.#chunks);
      const callbacks = this.#callbacks;
      const endOfStream = this.#endWritten;
      this.#chunks = [];
      this.#callbacks = [];
      this.#bytes = 0;
      const headers = this.#headShown ? undefined : this.#head();
      this.#headShown = true;
      const piece = {
        side: 'response',
        body,
        endOfStream,
        ...(headers !== undefined && { headers }),
      } as const;
      this.#take(await this.#exchange.pass(piece), endOfStream);
      for (const callback of callbacks) callback(null);
      this.#drain();
    }
    this.#running = false;
    if (this.#over) for (const callback of this.#callbacks.splice(0)) callback(null);
  }

  #drain(): void {
    if (!this.#drainOwed || this.#bytes >= HIGH_WATER_BYTES) return;
    this.#drainOwed = false;
    this.#response.emit('drain');
  }

  #head(): HeaderEntries {
    const response = this.#response;
    const headers = entriesOfObject(response.getHeaders() as HeaderValues);
    return [[':status', String(response.statusCode)], ...headers];
  }

  #take(passage: Passage, endOfStream: boolean): void {
    if (this.#response.destroyed) this.#over = true;
    else if (passage.outcome === 'continue') this.#forward(passage, endOfStream);
    else if (passage.outcome === 'answer' && !this.#sent) this.#answer(passage.answer);
    else this.#cut();
  }

  /** True once Node has been given the head. */
  get #sent(): boolean {
    return Boolean((this.#response as unknown as { readonly _header: string | null })._header);
  }

  #forward({ body, headers, trailers }: Continued, endOfStream: boolean): void {
    const response = this.#response;
    if (headers !== null) {
      response.statusCode = Number(firstValue(headers, ':status') ?? response.statusCode);
      this.#setHead(headers);
      // HTTP/1 has trailers only behind a body of unknown length.
      if (trailers !== null && trailers.length > 0) response.removeHeader('content-length');
      if (!endOfStream && body.length === 0) this.#send.flushHeaders();
    }
    if (trailers !== null && trailers.length > 0) response.addTrailers(trailers as [string, string][]);
    if (endOfStream) {
      this.#endSent = true;
      this.#giveBack();
      if (body.length > 0) this.#send.end(Buffer.from(body));
      else this.#send.end();
    } else if (body.length > 0) this.#send.write(Buffer.from(body));
  }

  /** Node asks the response itself for its head when it sends it. */
  #setHead(entries: HeaderEntries): void {
    this.#response.writeHead = this.#send.writeHead;
    setHeaders(this.#response, entries);
  }

  /** The rest is Node's again; a response of another make (Fastify's inject) may call its own methods to end itself. */
  #giveBack(): void {
    Object.assign(this.#response, this.#send);
    Reflect.deleteProperty(this.#response, 'writableEnded');
  }

  #answer({ body, headers, status }: Answer): void {
    this.#over = true;
    this.#endWritten = true;
    this.#response.statusCode = status;
    this.#response.statusMessage = '';
    this.#setHead(headers);
    this.#giveBack();
    this.#send.end(Buffer.from(body));
  }

  #cut(): void {
    this.#over = true;
    this.#response.destroy();
  }
}

function bytesOf(chunk: unknown, encoding: unknown): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding as BufferEncoding | undefined);
  return Buffer.from(chunk as Uint8Array);
}
