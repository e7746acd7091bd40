// A request of undici as a plugin sees it, and back into options of undici after the plugin has changed it.

import type { Exchange, HeaderEntries, Passage } from '@dragoman/vm';
import { entriesOfObject, entriesOfRaw, firstValue, type HeaderValues, ordinary } from './header-entries.ts';

/** The options of undici's dispatch() that matter here. */
export interface DispatchOptions {
  readonly origin?: string | URL;
  readonly path: string;
  readonly method: string;
  readonly headers?:
    | readonly string[]
    | HeaderValues
    | Iterable<readonly [string, string | readonly string[] | undefined]>
    | null;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

/** What can be told from options before anything is sent. */
export interface UndiciRequest {
  readonly headers: HeaderEntries;
  /** Null: there is none, or one that is sent without the plugin (FormData, which only undici can write). */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | null;
}

export function readRequest(options: DispatchOptions): UndiciRequest {
  const origin = URL.parse(String(options.origin ?? ''));
  const own = headerEntries(options.headers);
  return {
    headers: [
      [':method', options.method],
      [':path', pathWithQuery(options)],
      [':authority', firstValue(own, 'host') ?? origin?.host ?? ''],
      [':scheme', origin?.protocol.slice(0, -1) ?? 'http'],
      ...own.filter(([name]) => name !== 'host'),
    ],
    body: readableBody(options.body),
  };
}

function pathWithQuery({ path, query }: DispatchOptions): string {
  if (query === undefined || query === null) return path;
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const each of Array.isArray(value) ? value : [value]) search.append(name, String(each ?? ''));
  }
  return search.size === 0 ? path : `${path}?${search}`;
}

function headerEntries(headers: DispatchOptions['headers']): [string, string][] {
  if (headers === undefined || headers === null) return [];
  if (Array.isArray(headers)) return entriesOfRaw(headers as string[]);
  if (Symbol.iterator in headers) {
    const values = [...(headers as Iterable<readonly [string, string | readonly string[] | undefined]>)];
    return values.flatMap(([name, value]) => entriesOfObject({ [name]: value }));
  }
  return entriesOfObject(headers as HeaderValues);
}

function readableBody(body: unknown): UndiciRequest['body'] {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string') return Buffer.from(body);
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (body instanceof Blob) return body.stream() as unknown as AsyncIterable<Uint8Array>;
  const isForm = 'append' in (body as object) && 'getAll' in (body as object);
  if (isForm) return null;
  if (Symbol.asyncIterator in (body as object)) return asBytes(body as AsyncIterable<unknown>);
  return Symbol.iterator in (body as object) ? asBytes(body as Iterable<unknown>) : null;
}

async function* asBytes(chunks: AsyncIterable<unknown> | Iterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks)
    yield typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array);
}

/** Options with what the plugin has made of the request. */
export function changedOptions<O extends DispatchOptions>(
  options: O,
  headers: HeaderEntries,
  body: unknown,
): O {
  const { query: _inPath, ...rest } = options;
  const authority = firstValue(headers, ':authority') ?? '';
  const host = authority === '' ? [] : ['host', authority];
  return {
    ...rest,
    method: firstValue(headers, ':method') ?? options.method,
    path: firstValue(headers, ':path') ?? options.path,
    headers: [...host, ...ordinary(headers).flat()],
    body,
  } as unknown as O;
}

/** The request in one piece, or its head and a generator that shows the rest as undici asks for it. */
export async function passRequest(
  exchange: Exchange,
  { headers, body }: UndiciRequest,
  readsBody: boolean,
): Promise<{ readonly passage: Passage; readonly body: unknown }> {
  const side = 'request';
  if (body === null || !readsBody) {
    let passage = await exchange.pass({ side, headers, endOfStream: body === null });
    // Held until the body has been seen, by a plugin that sees none.
    if (isHeld(passage) && body !== null) passage = await exchange.pass({ side, endOfStream: true });
    return { passage, body: undefined };
  }
  if (body instanceof Uint8Array) {
    const passage = await exchange.pass({ side, headers, body, endOfStream: true });
    return { passage, body: passage.outcome === 'continue' ? passage.body : null };
  }
  const chunks = body[Symbol.asyncIterator]();
  let passage = await exchange.pass({ side, headers, endOfStream: false });
  const held: Uint8Array[] = [];
  let done = false;
  while (isHeld(passage) && !done) {
    ({ passage, done } = await passChunk(exchange, chunks));
  }
  if (passage.outcome === 'continue') held.push(passage.body);
  return { passage, body: restOfBody(exchange, chunks, held, done) };
}

async function passChunk(exchange: Exchange, chunks: AsyncIterator<Uint8Array>) {
  const { done = false, value } = await chunks.next();
  const piece = done
    ? ({ side: 'request', endOfStream: true } as const)
    : ({ side: 'request', body: value as Uint8Array, endOfStream: false } as const);
  return { passage: await exchange.pass(piece), done };
}

async function* restOfBody(
  exchange: Exchange,
  chunks: AsyncIterator<Uint8Array>,
  held: readonly Uint8Array[],
  done: boolean,
): AsyncGenerator<Uint8Array> {
  for (const bytes of held) if (bytes.length > 0) yield bytes;
  while (!done) {
    let passage: Passage;
    ({ passage, done } = await passChunk(exchange, chunks));
    // Too late for an answer of its own: the request is on its way.
    if (passage.outcome !== 'continue') throw new Error('the plugin has ended the request');
    if (passage.body.length > 0) yield passage.body;
  }
}

const isHeld = (passage: Passage): boolean => passage.outcome === 'continue' && passage.headers === null;
