// Checks all tokens of a request for one requirement, one after the other. All of them have to be good: a bad token
// beside a good one could be the one that the upstream believes.

import type { RequestHeaders } from '@dragoman/http';
import type { FilterContext } from '@dragoman/proxy';
import { type Jwks, verifySignature } from './jwks.ts';
import { type Jwt, parseJwt } from './jwt.ts';
import { JwtStatus, jwtStatusText } from './jwt-status.ts';
import type { Audiences, Provider } from './provider.ts';
import type { FoundToken, TokenLocations } from './token-locations.ts';

/** One request on its way through the requirements of its rule. */
export class Verification {
  readonly headers: RequestHeaders;
  /** What becomes dynamic metadata. */
  readonly metadata = new Map<string, unknown>();
  /** A good token changed the headers, and its provider wants the route looked up again. */
  clearRouteCache = false;
  /** The stream has ended: nothing may be touched. */
  over = false;

  constructor(headers: RequestHeaders) {
    this.headers = headers;
  }
}

/** What all authenticators of a filter share. */
export interface Authority {
  readonly context: FilterContext;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly cacheHits: number;
  readonly cacheMisses: number;
}

/** What one kind of requirement accepts. */
export interface Acceptance {
  readonly locations: TokenLocations;
  /** Null: the provider is found by the token's issuer. */
  readonly provider: Provider | null;
  readonly audiences: Audiences | null;
  readonly allowMissing: boolean;
  readonly allowFailed: boolean;
}

export type OnVerified = (status: JwtStatus) => void;

export class Authenticator {
  readonly #authority: Authority;
  readonly #acceptance: Acceptance;
  readonly #request: Verification;
  readonly #tokens: FoundToken[];
  readonly #onDone: OnVerified;

  constructor(authority: Authority, acceptance: Acceptance, request: Verification, onDone: OnVerified) {
    this.#authority = authority;
    this.#acceptance = acceptance;
    this.#request = request;
    this.#onDone = onDone;
    acceptance.locations.sanitize(request.headers);
    this.#tokens = acceptance.locations.find(request.headers);
  }

  /** `onDone` comes before start() returns, unless keys have to be fetched. */
  start(): void {
    const token = this.#tokens.pop();
    if (token === undefined) this.#finish(JwtStatus.Missing);
    else this.#check(token);
  }

  #check(token: FoundToken): void {
    const examined = this.#examine(token);
    if (typeof examined === 'number') this.#next(examined);
    else if (examined.known) this.#accept(token, examined.jwt, examined.provider);
    else this.#verify(token, examined.jwt, examined.provider);
  }

  /** All that can be said of a token without keys. */
  #examine(token: FoundToken): JwtStatus | { jwt: Jwt; provider: Provider; known: boolean } {
    const cached = this.#cached(token);
    const jwt = cached ?? parseJwt(token.text);
    if (typeof jwt === 'number') return jwt;
    if (!token.location.allows(jwt.iss)) return JwtStatus.UnknownIssuer;
    const provider = this.#acceptance.provider ?? this.#providerOf(jwt.iss);
    if (provider === null) return JwtStatus.UnknownIssuer;
    const nowSeconds = Math.floor(this.#authority.context.timers.clock.wallMs() / 1000);
    const status = provider.checkClaims(jwt, nowSeconds, this.#acceptance.audiences);
    return status === JwtStatus.Ok ? { jwt, provider, known: cached !== undefined } : status;
  }

  #cached(token: FoundToken): Jwt | undefined {
    const { provider } = this.#acceptance;
    if (provider === null) return undefined;
    const { context, cacheHits, cacheMisses } = this.#authority;
    const jwt = provider.cache.get(token.text);
    context.stats.inc(jwt === undefined ? cacheMisses : cacheHits);
    return jwt;
  }

  #verify(token: FoundToken, jwt: Jwt, provider: Provider): void {
    const keys = provider.keys.current();
    if (keys !== null) {
      this.#verifyWith(keys, token, jwt, provider);
      return;
    }
    const fetching = provider.keys.fetch(result => {
      if (this.#request.over) return;
      if (typeof result === 'number') this.#next(result);
      else this.#verifyWith(result, token, jwt, provider);
    });
    if (!fetching) this.#next(JwtStatus.JwksNoValidKeys);
  }

  #verifyWith(keys: Jwks, token: FoundToken, jwt: Jwt, provider: Provider): void {
    const status = verifySignature(jwt, keys);
    if (status !== JwtStatus.Ok) {
      this.#next(status);
      return;
    }
    if (this.#acceptance.provider !== null) provider.cache.put(token.text, jwt);
    this.#accept(token, jwt, provider);
  }

  #accept(token: FoundToken, jwt: Jwt, provider: Provider): void {
    const request = this.#request;
    provider.forward(jwt, token, request.headers);
    provider.exportMetadata(jwt, (key, value) => request.metadata.set(key, value));
    if (provider.config.clearRouteCache) request.clearRouteCache = true;
    this.#next(JwtStatus.Ok);
  }

  /** The provider of the issuer, else one that takes any issuer. */
  #providerOf(issuer: string): Provider | null {
    let any: Provider | null = null;
    for (const provider of this.#authority.providers.values()) {
      if (provider.config.issuer === issuer) return provider;
      if (provider.config.issuer === '') any ??= provider;
    }
    return any;
  }

  #next(status: JwtStatus): void {
    const { allowFailed, allowMissing } = this.#acceptance;
    const goesOn = status === JwtStatus.Ok || allowFailed || allowMissing;
    if (goesOn && this.#tokens.length > 0) this.start();
    else this.#finish(status);
  }

  #finish(status: JwtStatus): void {
    const { provider, allowFailed, allowMissing } = this.#acceptance;
    const key = provider?.config.failedStatusInMetadata ?? '';
    if (status !== JwtStatus.Ok && key !== '')
      this.#request.metadata.set(key, { code: String(status), message: jwtStatusText(status) });
    const allowed = allowFailed || (allowMissing && status === JwtStatus.Missing);
    this.#onDone(allowed ? JwtStatus.Ok : status);
  }
}
