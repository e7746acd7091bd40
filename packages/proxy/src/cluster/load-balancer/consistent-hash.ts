// What RING_HASH and MAGLEV share: the key of a host, its share of the table, and bounded loads.

import type { Host } from '../host.ts';
import type { HostPicker, LbContext } from './load-balancer.ts';

export interface HashingSettings {
  /** Hash the endpoint's host name instead of its address. */
  readonly useHostname: boolean;
  /** No host gets more than this percentage of the average load; 0 for no bound. */
  readonly balanceFactorPercent: number;
}

/** The text a host is placed by: its metadata's `hash_key`, its name or its address. */
export function hashKey(host: Host, useHostname: boolean): string {
  const own = host.metadata?.filterMetadata?.['envoy.lb']?.hash_key;
  if (typeof own === 'string' && own !== '') return own;
  return useHostname && host.hostname !== '' ? host.hostname : host.addressText;
}

export interface WeightedHost {
  readonly host: Host;
  readonly key: string;
  /** Share of the sum of all weights. */
  readonly share: number;
}

/** Hosts with their shares, sorted by key so that the order of an assignment does not move any key. */
export function weightedHosts(hosts: readonly Host[], useHostname: boolean): WeightedHost[] {
  const total = hosts.reduce((sum, host) => sum + host.weight, 0);
  return hosts
    .map(host => ({ host, key: hashKey(host, useHostname), share: host.weight / total }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** Finds the host of a hash; `attempt` > 0 asks for another than before. */
export interface HashTable {
  find(hashHigh: number, hashLow: number, attempt: number): Host;
}

/** Picks by the request's hash, or at random without one; passes over hosts that have more than their share. */
export class HashPicker implements HostPicker {
  readonly #table: HashTable;
  readonly #hosts: readonly WeightedHost[];
  readonly #balanceFactorPercent: number;
  readonly #random: () => number;

  constructor(
    table: HashTable,
    hosts: readonly WeightedHost[],
    balanceFactorPercent: number,
    random: () => number,
  ) {
    this.#table = table;
    this.#hosts = hosts;
    this.#balanceFactorPercent = balanceFactorPercent;
    this.#random = random;
  }

  pick(context: LbContext | null, attempt: number): Host {
    const hashed = context?.hasHash === true;
    const hashHigh = hashed ? context!.hashHigh : Math.floor(this.#random() * 0x1_0000_0000);
    const hashLow = hashed ? context!.hashLow : Math.floor(this.#random() * 0x1_0000_0000);
    const host = this.#table.find(hashHigh, hashLow, attempt);
    return this.#balanceFactorPercent === 0 ? host : this.#bounded(host, hashLow);
  }

  /** The host, or the next one (from a place the hash decides) with room; when all are full, the least full. */
  #bounded(first: Host, hashLow: number): Host {
    let active = 0;
    for (const { host } of this.#hosts) active += host.activeRequests;
    const slots = Math.ceil(((active + 1) * this.#balanceFactorPercent) / 100);
    let best = first;
    let bestLoad = Number.POSITIVE_INFINITY;
    const count = this.#hosts.length;
    for (let i = -1; i < count; i++) {
      const entry =
        i < 0 ? this.#hosts.find(other => other.host === first)! : this.#hosts[(hashLow + i) % count]!;
      const load = entry.host.activeRequests / Math.max(1, Math.ceil(slots * entry.share));
      if (load < 1) return entry.host;
      if (load >= bestLoad) continue;
      best = entry.host;
      bestLoad = load;
    }
    return best;
  }
}
