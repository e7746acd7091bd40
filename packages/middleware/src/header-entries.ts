// Headers from one form into another: Node's raw lists and objects, and the entries that plugins see.

import type { HeaderEntries } from '@dragoman/vm';

/** Node gives the first of these and drops the rest; of other repeated headers it makes a list. */
const SINGLE: ReadonlySet<string> = new Set([
  ...['age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host'],
  ...['if-modified-since', 'if-unmodified-since', 'last-modified', 'location', 'max-forwards'],
  ...['proxy-authorization', 'referer', 'retry-after', 'server', 'user-agent'],
]);

/** What http.IncomingMessage has as `headers`. */
export type HeaderObject = Record<string, string | string[] | undefined>;

/** Values of headers as Node's and undici's callers give them. */
export type HeaderValues = Readonly<Record<string, number | string | readonly string[] | undefined>>;

/** [name, value, name, value, ...] as entries. */
export function entriesOfRaw(raw: readonly string[]): [string, string][] {
  const entries: [string, string][] = [];
  for (let i = 0; i < raw.length; i += 2) entries.push([raw[i]!.toLowerCase(), raw[i + 1]!]);
  return entries;
}

/** Lists become one entry for each of their values. */
export function entriesOfObject(headers: HeaderValues): [string, string][] {
  const entries: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (Array.isArray(value)) for (const each of value) entries.push([name.toLowerCase(), String(each)]);
    else if (value !== undefined) entries.push([name.toLowerCase(), String(value)]);
  }
  return entries;
}

/** As Node would have parsed them. */
export function nodeHeaders(entries: HeaderEntries): HeaderObject {
  const headers: HeaderObject = {};
  for (const [name, value] of entries) {
    const before = headers[name];
    if (name === 'set-cookie') headers[name] = [...((before as string[] | undefined) ?? []), value];
    else if (before === undefined) headers[name] = value;
    else if (!SINGLE.has(name)) headers[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
  return headers;
}

/** Every value of a header in a list. */
export function distinctHeaders(entries: HeaderEntries): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (const [name, value] of entries) (headers[name] ??= []).push(value);
  return headers;
}

/** Without the pseudo headers, which the message has elsewhere. */
export const ordinary = (entries: HeaderEntries): HeaderEntries =>
  entries.filter(([name]) => !name.startsWith(':'));

export const firstValue = (entries: HeaderEntries, name: string): string | undefined =>
  entries.find(entry => entry[0] === name)?.[1];
