// Where tokens are looked for: headers, query parameters and cookies, each for the issuers that name the place.

import type { JwtProvider } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import { cookie } from '@dragoman/proxy';

/** A token as it was found. */
export interface FoundToken {
  readonly text: string;
  readonly location: TokenLocation;
}

const Place = { Header: 0, Parameter: 1, Cookie: 2 } as const;

class TokenLocation {
  readonly place: number;
  readonly name: string;
  readonly valuePrefix: string;
  /** Issuers whose tokens may come from here; one of '' allows all. */
  readonly #issuers = new Set<string>();

  constructor(place: number, name: string, valuePrefix: string) {
    this.place = place;
    this.name = name;
    this.valuePrefix = valuePrefix;
  }

  allow(issuer: string): void {
    this.#issuers.add(issuer);
  }

  allows(issuer: string): boolean {
    return this.#issuers.has('') || this.#issuers.has(issuer);
  }

  /** Takes the token out of a request that goes on; Envoy leaves cookies as they are. */
  removeFrom(headers: RequestHeaders): void {
    if (this.place === Place.Header) headers.remove(this.name);
    else if (this.place === Place.Parameter) removeParameter(headers, this.name);
  }

  find(headers: RequestHeaders, found: FoundToken[]): void {
    if (this.place === Place.Header) {
      for (const value of headers.getAll(this.name)) {
        const text = this.#afterPrefix(value);
        if (text !== null) found.push({ text, location: this });
      }
      return;
    }
    const text =
      this.place === Place.Cookie ? cookie(headers, this.name) : decodedParameter(headers.path, this.name);
    if (text !== undefined) found.push({ text, location: this });
  }

  /** The prefix may stand anywhere in the value; characters between it and the token are skipped. */
  #afterPrefix(value: string): string | null {
    if (this.valuePrefix === '') return value;
    const at = value.indexOf(this.valuePrefix);
    if (at < 0) return null;
    const rest = value.slice(at + this.valuePrefix.length);
    const start = rest.search(/[A-Za-z0-9_.-]/);
    return start < 0 ? value : rest.slice(start);
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function decodedParameter(path: string, name: string): string | undefined {
  const mark = path.indexOf('?');
  if (mark < 0) return undefined;
  for (const pair of path.slice(mark + 1).split('&')) {
    const equals = pair.indexOf('=');
    const key = equals < 0 ? pair : pair.slice(0, equals);
    if (decoded(key) === name) return equals < 0 ? '' : decoded(pair.slice(equals + 1));
  }
  return undefined;
}

function removeParameter(headers: RequestHeaders, name: string): void {
  const { path } = headers;
  const mark = path.indexOf('?');
  if (mark < 0) return;
  const pairs = path.slice(mark + 1).split('&');
  const kept = pairs.filter(pair => decoded(pair.split('=', 1)[0]) !== name);
  if (kept.length !== pairs.length)
    headers.path = kept.length === 0 ? path.slice(0, mark) : `${path.slice(0, mark)}?${kept.join('&')}`;
}

/** The places of one or more providers, in Envoy's order: headers, then parameters, then cookies, each by name. */
export class TokenLocations {
  readonly #locations: readonly TokenLocation[];
  readonly #ownHeaders: readonly string[];

  constructor(providers: readonly JwtProvider[]) {
    const byKey = new Map<string, TokenLocation>();
    const add = (issuer: string, place: number, name: string, valuePrefix = ''): void => {
      const key = `${place} ${name}${valuePrefix}`;
      let location = byKey.get(key);
      if (location === undefined) {
        location = new TokenLocation(place, name, valuePrefix);
        byKey.set(key, location);
      }
      location.allow(issuer);
    };
    for (const { issuer, fromHeaders, fromParams, fromCookies } of providers) {
      for (const { name, valuePrefix } of fromHeaders)
        add(issuer, Place.Header, name.toLowerCase(), valuePrefix);
      for (const name of fromParams) add(issuer, Place.Parameter, name);
      for (const name of fromCookies) add(issuer, Place.Cookie, name);
      if (fromHeaders.length + fromParams.length + fromCookies.length > 0) continue;
      add(issuer, Place.Header, 'authorization', 'Bearer ');
      add(issuer, Place.Parameter, 'access_token');
    }
    this.#locations = [...byKey.keys()].sort().map(key => byKey.get(key)!);
    this.#ownHeaders = providers.flatMap(provider => [
      ...(provider.forwardPayloadHeader === '' ? [] : [provider.forwardPayloadHeader.toLowerCase()]),
      ...provider.claimToHeaders.map(claim => claim.headerName.toLowerCase()),
    ]);
  }

  find(headers: RequestHeaders): FoundToken[] {
    const found: FoundToken[] = [];
    for (const location of this.#locations) location.find(headers, found);
    return found;
  }

  /** Headers that only this filter may set must not come from the client. */
  sanitize(headers: RequestHeaders): void {
    for (const name of this.#ownHeaders) headers.remove(name);
  }
}
