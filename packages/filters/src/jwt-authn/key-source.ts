// The keys of one provider: written in the configuration, or fetched from a cluster and kept for a while. A remote set is
// fetched when a request needs it, or (async_fetch) in the background from the start. One per worker.

import { readFileSync } from 'node:fs';
import { DragomanError, Timer } from '@dragoman/base';
import type { DataSource, HttpUri, JwtProvider, RemoteJwks } from '@dragoman/config';
import { RequestHeaders } from '@dragoman/http';
import type { AsyncResponse, FilterContext } from '@dragoman/proxy';
import { type Jwks, parseJwks } from './jwks.ts';
import { JwtStatus } from './jwt-status.ts';

const DEFAULT_CACHE_MS = 600_000;
const DEFAULT_REFETCH_MS = 1000;
/** Fetched that long before the set in use would become too old. */
const REFETCH_AHEAD_MS = 5000;
const DEFAULT_BACK_OFF_MS = 1000;

/** Slots of the counters. */
export interface FetchStats {
  readonly success: number;
  readonly failed: number;
}

export interface KeySource {
  /** The keys, when they are there and fresh. */
  current(): Jwks | null;
  /** Gets the keys and calls `onDone` once; false where there is nothing to fetch. */
  fetch(onDone: (result: Jwks | JwtStatus) => void): boolean;
  close(): void;
}

function textOf(source: DataSource): string {
  if (source.inlineString !== undefined) return source.inlineString;
  if (source.inlineBytes !== undefined) return Buffer.from(source.inlineBytes).toString('utf8');
  if (source.environmentVariable !== undefined) return process.env[source.environmentVariable] ?? '';
  try {
    return readFileSync(source.filename ?? '', 'utf8');
  } catch (cause) {
    throw new DragomanError('INVALID_PATH', `Invalid path: ${source.filename}`, { cause });
  }
}

class LocalKeys implements KeySource {
  readonly #jwks: Jwks | null;

  constructor(source: DataSource, provider: string, context: FilterContext) {
    const parsed = parseJwks(textOf(source));
    this.#jwks = typeof parsed === 'number' ? null : parsed;
    if (this.#jwks === null)
      context.logger.log('warning', 'jwt', `provider ${provider}: local_jwks holds no usable keys`);
  }

  current(): Jwks | null {
    return this.#jwks;
  }

  fetch(): boolean {
    return false;
  }

  close(): void {}
}

function requestFor(uri: HttpUri): RequestHeaders {
  const [, scheme = 'http', host = '', path = ''] = /^(?:([a-z]+):\/\/)?([^/]*)(.*)$/i.exec(uri.uri) ?? [];
  const headers = new RequestHeaders();
  headers.method = 'GET';
  headers.scheme = scheme.toLowerCase();
  headers.authority = host;
  headers.path = path === '' ? '/' : path;
  return headers;
}

class RemoteKeys implements KeySource {
  readonly #config: RemoteJwks;
  readonly #uri: HttpUri;
  readonly #context: FilterContext;
  readonly #stats: FetchStats;
  readonly #timer = new Timer(() => this.#send());
  readonly #background: boolean;
  #jwks: Jwks | null = null;
  #freshUntilMs = 0;
  #waiting: ((result: Jwks | JwtStatus) => void)[] = [];
  #running = false;
  #call: { cancel(): void } | null = null;
  /** Failed attempts of the fetch that runs. */
  #attempts = 0;

  constructor(config: RemoteJwks, context: FilterContext, stats: FetchStats) {
    this.#config = config;
    this.#uri = config.httpUri ?? { uri: '' };
    this.#context = context;
    this.#stats = stats;
    this.#background = config.asyncFetch !== undefined;
    if (!this.#background || context.workerIndex < 0) return;
    // Clusters come with the same snapshot as this filter, but after it.
    this.#running = true;
    context.timers.start(this.#timer, 0);
  }

  current(): Jwks | null {
    return this.#jwks !== null && this.#context.timers.clock.nowMs() < this.#freshUntilMs ? this.#jwks : null;
  }

  fetch(onDone: (result: Jwks | JwtStatus) => void): boolean {
    this.#waiting.push(onDone);
    if (!this.#running) this.#send();
    return true;
  }

  close(): void {
    this.#timer.stop();
    this.#call?.cancel();
    this.#waiting = [];
  }

  #send(): void {
    this.#running = true;
    const { cluster = '', timeout = 0 } = this.#uri;
    const request = { headers: requestFor(this.#uri), body: null, timeoutMs: timeout };
    this.#call = this.#context.asyncClient.send(cluster, request, response => this.#onResponse(response));
    if (this.#call === null) this.#finish(JwtStatus.JwksFetchFail);
  }

  #onResponse(response: AsyncResponse): void {
    this.#call = null;
    const body = response.headers.status === 200 ? response.body.toString('utf8') : '';
    const result = body === '' ? JwtStatus.JwksFetchFail : parseJwks(body);
    const { retryPolicy } = this.#config;
    const retries = retryPolicy === undefined ? 0 : (retryPolicy.numRetries ?? 1);
    if (typeof result === 'number' && this.#attempts < retries) {
      this.#attempts++;
      const backOff = retryPolicy?.retryBackOff?.baseInterval ?? DEFAULT_BACK_OFF_MS;
      this.#context.timers.start(this.#timer, backOff);
      return;
    }
    this.#finish(typeof result === 'number' ? JwtStatus.JwksFetchFail : result);
  }

  #finish(result: Jwks | JwtStatus): void {
    const { stats, timers } = this.#context;
    const cacheMs = this.#config.cacheDuration ?? DEFAULT_CACHE_MS;
    this.#running = false;
    this.#attempts = 0;
    let againMs: number;
    if (typeof result === 'number') {
      stats.inc(this.#stats.failed);
      againMs = this.#config.asyncFetch?.failedRefetchDuration ?? DEFAULT_REFETCH_MS;
    } else {
      stats.inc(this.#stats.success);
      this.#jwks = result;
      this.#freshUntilMs = timers.clock.nowMs() + cacheMs;
      againMs = cacheMs > REFETCH_AHEAD_MS ? cacheMs - REFETCH_AHEAD_MS : cacheMs;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const onDone of waiting) onDone(result);
    if (this.#background) timers.start(this.#timer, Math.max(1, againMs));
  }
}

/** A provider that says nothing of its keys accepts no token. */
class NoKeys implements KeySource {
  current(): null {
    return null;
  }

  fetch(): boolean {
    return false;
  }

  close(): void {}
}

/** @throws DragomanError INVALID_PATH for a file that cannot be read. */
export function keySource(
  name: string,
  provider: JwtProvider,
  context: FilterContext,
  stats: FetchStats,
): KeySource {
  if (provider.remoteJwks !== undefined) return new RemoteKeys(provider.remoteJwks, context, stats);
  if (provider.localJwks !== undefined) return new LocalKeys(provider.localJwks, name, context);
  return new NoKeys();
}
