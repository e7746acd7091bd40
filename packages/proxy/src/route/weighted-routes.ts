// The choice among the weighted clusters of one route.

import type { RequestHeaders } from '@dragoman/http';
import type { StreamInfo } from '../filter-chain/stream-info.ts';
import type { HashPolicy } from './hash-policy.ts';
import type { Route } from './route.ts';
import { type Runtime, runtimeNumber } from './runtime-fraction.ts';

/** One per thread: it is read at once. */
const hash = { hasHash: false, hashHigh: 0, hashLow: 0 };

export class WeightedRoutes {
  readonly #routes: readonly Route[];
  readonly #weights: readonly number[];
  readonly #total: number;
  /** A request header whose number decides; '' = the request's random number. */
  readonly #headerName: string;
  readonly #runtimeKeyPrefix: string;
  readonly #runtime: Runtime;
  /** Its hash decides where it gives one; null = the request's random number. */
  readonly #hashPolicy: HashPolicy | null;

  constructor(
    routes: readonly Route[],
    weights: readonly number[],
    headerName: string,
    runtimeKeyPrefix: string,
    runtime: Runtime,
    hashPolicy: HashPolicy | null = null,
  ) {
    this.#hashPolicy = hashPolicy;
    this.#routes = routes;
    this.#weights = weights;
    this.#total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#headerName = headerName;
    this.#runtimeKeyPrefix = runtimeKeyPrefix;
    this.#runtime = runtime;
  }

  pick(headers: RequestHeaders, info: StreamInfo): Route {
    let place = this.#random(headers, info) % this.#total;
    const last = this.#routes.length - 1;
    for (let i = 0; i < last; i++) {
      place -= this.#weight(i);
      if (place < 0) return this.#routes[i];
    }
    return this.#routes[last];
  }

  #weight(index: number): number {
    if (this.#runtimeKeyPrefix === '') return this.#weights[index];
    const key = `${this.#runtimeKeyPrefix}.${this.#routes[index].cluster}`;
    return runtimeNumber(this.#runtime, key, this.#weights[index]);
  }

  #random(headers: RequestHeaders, info: StreamInfo): number {
    if (this.#hashPolicy !== null) {
      this.#hashPolicy.compute(headers, info, hash);
      return hash.hasHash
        ? ((hash.hashHigh % this.#total) * 2 ** 32 + hash.hashLow) % this.#total
        : info.random;
    }
    if (this.#headerName === '') return info.random;
    const text = headers.get(this.#headerName);
    return text !== undefined && /^\d{1,20}$/.test(text)
      ? Number(BigInt(text) % BigInt(this.#total))
      : info.random;
  }
}
