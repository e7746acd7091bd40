// ORIGINAL_DST: the request itself says where it goes, and a host is made for each such place on first use. Hosts
// that have had nothing to do for a whole cleanup interval are forgotten.

import { isIP } from 'node:net';
import type { Clock } from '@dragoman/base';
import type { StatLane } from '@dragoman/shm';
import type { ClusterStats } from '../cluster-stats.ts';
import type { Host } from '../host.ts';
import type { LbContext, LoadBalancer } from './load-balancer.ts';

export interface OriginalDstOptions {
  readonly cleanupIntervalMs: number;
  /** Goes before the port of the request's place; 0 for none. */
  readonly portOverride: number;
  readonly create: (address: string, port: number) => Host;
  readonly forget: (host: Host) => void;
  readonly clock: Clock;
  readonly lane: StatLane;
  readonly stats: ClusterStats;
}

/** "10.0.0.1:80" or "[::1]:80" taken apart; null when it is neither. */
export function parseAddress(text: string): { address: string; port: number } | null {
  const colon = text.lastIndexOf(':');
  const bare = text.slice(0, Math.max(0, colon));
  const address = bare.startsWith('[') && bare.endsWith(']') ? bare.slice(1, -1) : bare;
  const digits = text.slice(colon + 1);
  const port = Number(digits);
  const wantedFamily = address === bare ? 4 : 6;
  if (isIP(address) !== wantedFamily || !/^\d{1,5}$/.test(digits) || port > 0xffff) return null;
  return { address, port };
}

export class OriginalDstBalancer implements LoadBalancer {
  readonly #options: OriginalDstOptions;
  readonly #hosts = new Map<string, Host>();
  /** Used since the last clean-up. */
  #used = new Set<Host>();
  #cancelTimer: () => void = () => {};
  #closed = false;

  constructor(options: OriginalDstOptions) {
    this.#options = options;
  }

  pick(context: LbContext | null): Host | null {
    const text = context?.originalDestination ?? '';
    if (text === '') return null;
    const known = this.#hosts.get(text);
    // With a port override several texts lead to one host, and another one may have let it go.
    const host = known?.inCluster === true ? known : this.#create(text);
    if (host !== null) this.#used.add(host);
    return host;
  }

  rebuild(): void {}

  close(): void {
    this.#closed = true;
    this.#cancelTimer();
  }

  #create(text: string): Host | null {
    const { portOverride, create, lane, stats } = this.#options;
    const place = parseAddress(text);
    if (place === null || this.#closed) {
      lane.inc(stats.originalDstHostInvalid);
      return null;
    }
    const host = create(place.address, portOverride === 0 ? place.port : portOverride);
    this.#hosts.set(text, host);
    if (this.#hosts.size === 1) this.#armTimer();
    return host;
  }

  #armTimer(): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(this.#options.cleanupIntervalMs, () => this.#cleanUp());
  }

  #cleanUp(): void {
    for (const [text, host] of this.#hosts) {
      if (this.#used.has(host) || host.activeRequests > 0) continue;
      this.#hosts.delete(text);
      this.#options.forget(host);
    }
    this.#used = new Set();
    if (this.#hosts.size > 0) this.#armTimer();
  }
}
