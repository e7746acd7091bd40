// One token provider: what its tokens must say, its keys, the tokens known to be good, and what of a good token
// the request carries on.

import type { JwtProvider } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import { compileStringMatcher, type FilterContext, type StringMatcher } from '@dragoman/proxy';
import type { Jwt } from './jwt.ts';
import { JwtStatus } from './jwt-status.ts';
import { type FetchStats, type KeySource, keySource } from './key-source.ts';
import type { FoundToken } from './token-locations.ts';

const DEFAULT_CLOCK_SKEW_SECONDS = 60;
const DEFAULT_CACHE_SIZE = 100;
const DEFAULT_MAX_TOKEN_BYTES = 4096;

/** "https://x.test/" and "x.test" name the same audience. */
function bareAudience(audience: string): string {
  return audience.replace(/^https?:\/\//, '').replace(/\/$/, '');
}

/** The audiences of which a token must name one; none = any token will do. */
export class Audiences {
  readonly #allowed: ReadonlySet<string>;

  constructor(audiences: readonly string[]) {
    this.#allowed = new Set(audiences.map(bareAudience));
  }

  allow(audiences: readonly string[]): boolean {
    return this.#allowed.size === 0 || audiences.some(audience => this.#allowed.has(bareAudience(audience)));
  }
}

/** The last good tokens, by their text. */
class TokenCache {
  readonly #tokens = new Map<string, Jwt>();
  readonly #size: number;
  readonly #maxTokenBytes: number;

  constructor(size: number, maxTokenBytes: number) {
    this.#size = size;
    this.#maxTokenBytes = maxTokenBytes;
  }

  get(text: string): Jwt | undefined {
    const jwt = this.#tokens.get(text);
    if (jwt === undefined) return undefined;
    this.#tokens.delete(text);
    this.#tokens.set(text, jwt);
    return jwt;
  }

  put(text: string, jwt: Jwt): void {
    if (this.#size === 0 || text.length > this.#maxTokenBytes) return;
    this.#tokens.set(text, jwt);
    if (this.#tokens.size <= this.#size) return;
    for (const oldest of this.#tokens.keys()) {
      this.#tokens.delete(oldest);
      return;
    }
  }
}

export class Provider {
  readonly config: JwtProvider;
  readonly audiences: Audiences;
  readonly keys: KeySource;
  readonly cache: TokenCache;
  readonly #skewSeconds: number;
  readonly #subjects: StringMatcher | null;
  readonly #spaceDelimited: ReadonlySet<string>;

  constructor(name: string, config: JwtProvider, context: FilterContext, stats: FetchStats) {
    this.config = config;
    this.audiences = new Audiences(config.audiences);
    this.keys = keySource(name, config, context, stats);
    const cache = config.jwtCacheConfig;
    this.cache = new TokenCache(
      cache === undefined ? 0 : cache.jwtCacheSize || DEFAULT_CACHE_SIZE,
      cache?.jwtMaxTokenSize || DEFAULT_MAX_TOKEN_BYTES,
    );
    this.#skewSeconds = config.clockSkewSeconds || DEFAULT_CLOCK_SKEW_SECONDS;
    this.#subjects = config.subjects === undefined ? null : compileStringMatcher(config.subjects);
    this.#spaceDelimited = new Set(config.normalizePayloadInMetadata?.spaceDelimitedClaims);
  }

  /** What the claims alone say. `audiences` is what a requirement has in place of the provider's. */
  checkClaims(jwt: Jwt, nowSeconds: number, audiences: Audiences | null): JwtStatus {
    if (this.#subjects !== null && !this.#subjects.matches(Buffer.from(jwt.sub).toString('latin1')))
      return JwtStatus.VerificationFail;
    const { requireExpiration, maxLifetime } = this.config;
    if (jwt.exp === 0 && (requireExpiration || maxLifetime !== undefined)) return JwtStatus.VerificationFail;
    if (maxLifetime !== undefined && jwt.exp - nowSeconds > maxLifetime / 1000)
      return JwtStatus.VerificationFail;
    if (jwt.nbf > nowSeconds + this.#skewSeconds) return JwtStatus.NotYetValid;
    if (jwt.exp !== 0 && nowSeconds > jwt.exp + this.#skewSeconds) return JwtStatus.Expired;
    return (audiences ?? this.audiences).allow(jwt.audiences) ? JwtStatus.Ok : JwtStatus.AudienceNotAllowed;
  }

  /** Puts what the configuration asks for into the request's headers, and takes the token out. */
  forward(jwt: Jwt, token: FoundToken, headers: RequestHeaders): void {
    const { forwardPayloadHeader, padForwardPayloadHeader, claimToHeaders, forward } = this.config;
    if (forwardPayloadHeader !== '') {
      const padding = padForwardPayloadHeader ? '='.repeat((4 - (jwt.payloadText.length % 4)) % 4) : '';
      headers.add(forwardPayloadHeader.toLowerCase(), jwt.payloadText + padding);
    }
    for (const { headerName, claimName } of claimToHeaders) {
      const text = claimText(claimAt(jwt.payload, claimName));
      if (text !== '') headers.add(headerName.toLowerCase(), text);
    }
    if (!forward) token.location.removeFrom(headers);
  }

  /** Adds to the filter's dynamic metadata what the configuration asks for. */
  exportMetadata(jwt: Jwt, set: (key: string, value: unknown) => void): void {
    const { headerInMetadata, payloadInMetadata } = this.config;
    if (headerInMetadata !== '') set(headerInMetadata, jwt.header);
    if (payloadInMetadata !== '') set(payloadInMetadata, this.#normalized(jwt.payload));
  }

  #normalized(payload: Jwt['payload']): Jwt['payload'] {
    if (this.#spaceDelimited.size === 0) return payload;
    return Object.fromEntries(
      Object.entries(payload).map(([name, value]) =>
        this.#spaceDelimited.has(name) && typeof value === 'string'
          ? [name, value.split(' ').filter(word => word !== '')]
          : [name, value],
      ),
    );
  }
}

/** The claim at a path of names joined by dots; a name of its own with dots in it comes first. */
function claimAt(payload: Jwt['payload'], path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  let value: unknown = payload;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** '' for what cannot be a header value; lists and objects as base64url of their JSON form. */
function claimText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return Buffer.from(value, 'utf8').toString('latin1');
    case 'number':
      return Number.isInteger(value) && value >= 0 ? BigInt(value).toString() : value.toFixed(6);
    case 'boolean':
      return String(value);
    case 'object':
      return value === null ? '' : Buffer.from(JSON.stringify(value)).toString('base64url');
    default:
      return '';
  }
}
