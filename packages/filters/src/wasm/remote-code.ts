// Code of plugins that comes over HTTP from a cluster (vm_config.code.remote): fetched by the main thread, tried again as the
// configuration says, compared with its sha256 and kept under it (Envoy: RemoteAsyncDataProvider and its code cache).

import { createHash } from 'node:crypto';
import type { Clock, Logger } from '@dragoman/base';
import type { RemoteDataSource } from '@dragoman/config';
import { RequestHeaders } from '@dragoman/http';
import type { AsyncRequest, AsyncResponse } from '@dragoman/proxy';
import type { StatLane } from '@dragoman/shm';
import { PluginStartError } from '@dragoman/vm';

/** Sends a request to a cluster; undefined: there is no such cluster. */
export type SendToCluster = (cluster: string, request: AsyncRequest) => Promise<AsyncResponse | undefined>;

export interface RemoteCodeOptions {
  readonly send: SendToCluster;
  readonly lane: StatLane;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

const DEFAULT_RETRIES = 1;
const DEFAULT_BACKOFF_MS = 1000;
/** So long a failure is remembered, and not tried again for another plugin. */
const FAILURE_KEPT_MS = 10_000;

interface Entry {
  /** Null where the fetch failed. */
  readonly bytes: Buffer | null;
  readonly failure: string;
  readonly atMs: number;
}

export class RemoteCode {
  readonly #options: RemoteCodeOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Map<string, Promise<Entry>>();
  readonly #stats: {
    readonly hits: number;
    readonly misses: number;
    readonly negativeHits: number;
    readonly failures: number;
    readonly successes: number;
    readonly entries: number;
  };

  constructor(options: RemoteCodeOptions) {
    this.#options = options;
    const { lane } = options;
    const counter = (name: string) => lane.counter(`wasm.remote_load_${name}`);
    this.#stats = {
      hits: counter('cache_hits'),
      misses: counter('cache_misses'),
      negativeHits: counter('cache_negative_hits'),
      failures: counter('fetch_failures'),
      successes: counter('fetch_successes'),
      entries: lane.gauge('wasm.remote_load_cache_entries'),
    };
  }

  /** The code, from the cache or from where it is. Throws PluginStartError. */
  async load(source: RemoteDataSource): Promise<Buffer> {
    const sha256 = source.sha256.toLowerCase();
    const { lane, clock } = this.#options;
    let entry = this.#entries.get(sha256);
    if (entry !== undefined && entry.bytes === null && clock.nowMs() - entry.atMs >= FAILURE_KEPT_MS)
      entry = undefined;
    if (entry !== undefined) lane.inc(entry.bytes === null ? this.#stats.negativeHits : this.#stats.hits);
    else {
      lane.inc(this.#stats.misses);
      entry = await this.#fetchOnce(sha256, source);
    }
    if (entry.bytes === null) throw new PluginStartError(entry.failure);
    return entry.bytes;
  }

  /** Plugins with the same code wait for the same fetch. */
  #fetchOnce(sha256: string, source: RemoteDataSource): Promise<Entry> {
    let running = this.#running.get(sha256);
    if (running === undefined) {
      running = this.#fetch(sha256, source).finally(() => this.#running.delete(sha256));
      this.#running.set(sha256, running);
    }
    return running;
  }

  async #fetch(sha256: string, source: RemoteDataSource): Promise<Entry> {
    const { lane, clock, logger, random = Math.random } = this.#options;
    const { numRetries = DEFAULT_RETRIES, retryBackOff } = source.retryPolicy ?? {};
    let backoffMs = retryBackOff?.baseInterval ?? DEFAULT_BACKOFF_MS;
    const maxBackoffMs = retryBackOff?.maxInterval ?? 10 * backoffMs;
    const what = `${source.httpUri?.uri} (cluster ${source.httpUri?.cluster})`;
    let outcome = await this.#attempt(sha256, source);
    for (let retries = 0; typeof outcome === 'string' && retries < numRetries; retries++) {
      const delayMs = Math.floor(random() * backoffMs);
      logger.log('warning', 'wasm', `code from ${what}: ${outcome}; tried again in ${delayMs} ms`);
      await new Promise<void>(resolve => clock.after(delayMs, resolve));
      backoffMs = Math.min(2 * backoffMs, maxBackoffMs);
      outcome = await this.#attempt(sha256, source);
    }
    const failed = typeof outcome === 'string';
    lane.inc(failed ? this.#stats.failures : this.#stats.successes);
    const failure = failed ? `code from ${what}, ${numRetries + 1} attempts: ${outcome}` : '';
    const entry = { bytes: failed ? null : (outcome as Buffer), failure, atMs: clock.nowMs() };
    this.#entries.set(sha256, entry);
    lane.gaugeSet(this.#stats.entries, this.#entries.size);
    return entry;
  }

  /** The code, or why there is none. */
  async #attempt(sha256: string, { httpUri }: RemoteDataSource): Promise<Buffer | string> {
    const headers = requestFor(httpUri?.uri ?? '');
    const { cluster = '', timeout: timeoutMs = 0 } = httpUri ?? {};
    const response = await this.#options.send(cluster, { headers, body: null, timeoutMs });
    if (response === undefined) return `there is no cluster ${cluster}`;
    const { status } = response.headers;
    if (response.local) return `${status} ${response.body}`;
    if (status !== 200) return `it was answered with ${status}`;
    if (response.body.length === 0) return 'the answer is empty';
    const actual = createHash('sha256').update(response.body).digest('hex');
    return actual === sha256
      ? response.body
      : `the answer has the sha256 ${actual}, the configuration says ${sha256}`;
  }
}

/** "http://host:port/path?query", or what is left of it. */
function requestFor(uri: string): RequestHeaders {
  const [, scheme = 'http', authority = '', path = ''] = /^(?:([a-z]+):\/\/)?([^/?]*)(.*)$/i.exec(uri) ?? [];
  const headers = new RequestHeaders();
  headers.method = 'GET';
  headers.scheme = scheme.toLowerCase();
  headers.authority = authority;
  headers.path = path.startsWith('/') ? path : `/${path}`;
  return headers;
}
