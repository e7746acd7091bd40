// The choice among the weighted clusters of one route.

import type { RequestHeaders } from '@dragoman/http';
import type { StreamInfo } from '../filter-chain/stream-info.ts';
import type { Route } from './route.ts';
import { type Runtime, runtimeNumber } from './runtime-fraction.ts';

export class WeightedRoutes {
  readonly #routes: readonly Route[];
  readonly #weights: readonly number[];
  readonly #total: number;
  /** A request header whose number decides; '' = the request's random number. */
  readonly #headerName: string;
  readonly #runtimeKeyPrefix: string;
  readonly #runtime: Runtime;

  constructor(
    routes: readonly Route[],
    weights: readonly number[],
    headerName: string,
    runtimeKeyPrefix: string,
    runtime: Runtime,
  ) {
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
    if (this.#headerName === '') return info.random;
    const text = headers.get(this.#headerName);
    return text !== undefined && /^\d{1,20}$/.test(text)
      ? Number(BigInt(text) % BigInt(this.#total))
      : info.random;
  }
}
