// RING_HASH: ketama. Each host stands on a ring of 64-bit hashes at many places, in proportion to its weight; a key
// belongs to the next place at or after its hash. Adding or removing a host moves only the keys of its places.

import type { Host } from '../host.ts';
import {
  type HashingSettings,
  HashPicker,
  type HashTable,
  type WeightedHost,
  weightedHosts,
} from './consistent-hash.ts';
import { emptyPicker, type HostPicker } from './load-balancer.ts';
import { murmurHash2 } from './murmur-hash2.ts';
import { type Hash64, xxHash64 } from './xxhash64.ts';

export interface RingSettings extends HashingSettings {
  readonly minimumRingSize: number;
  readonly maximumRingSize: number;
  readonly murmur: boolean;
}

/** Figures of a built ring, for ring_hash_lb.* statistics. */
export interface RingFigures {
  readonly size: number;
  readonly minHashesPerHost: number;
  readonly maxHashesPerHost: number;
}

function placeHash(text: string, murmur: boolean, into: Hash64): void {
  if (!murmur) {
    xxHash64(text, into);
    return;
  }
  const hash = murmurHash2(text);
  into.hashHigh = Number(hash >> 32n);
  into.hashLow = Number(hash & 0xffff_ffffn);
}

export class Ring implements HashTable {
  readonly figures: RingFigures;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #hosts: Host[];

  /** `entries` is not empty. */
  constructor(entries: readonly WeightedHost[], settings: RingSettings) {
    const minShare = entries.reduce((least, entry) => Math.min(least, entry.share), 1);
    // The lightest host gets a whole number of places, and every other in proportion.
    const scale = Math.min(
      Math.ceil(minShare * settings.minimumRingSize) / minShare,
      settings.maximumRingSize,
    );
    const places: { high: number; low: number; host: Host }[] = [];
    const hash: Hash64 = { hashHigh: 0, hashLow: 0 };
    let target = 0;
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    for (const entry of entries) {
      target += scale * entry.share;
      let count = 0;
      for (; places.length < target; count++) {
        placeHash(`${entry.key}_${count}`, settings.murmur, hash);
        places.push({ high: hash.hashHigh, low: hash.hashLow, host: entry.host });
      }
      least = Math.min(least, count);
      most = Math.max(most, count);
    }
    places.sort((a, b) => a.high - b.high || a.low - b.low);
    this.#high = Uint32Array.from(places, place => place.high);
    this.#low = Uint32Array.from(places, place => place.low);
    this.#hosts = places.map(place => place.host);
    this.figures = { size: places.length, minHashesPerHost: least, maxHashesPerHost: most };
  }

  find(hashHigh: number, hashLow: number, attempt: number): Host {
    let from = 0;
    let to = this.#hosts.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const high = this.#high[middle]!;
      if (high < hashHigh || (high === hashHigh && this.#low[middle]! < hashLow)) from = middle + 1;
      else to = middle;
    }
    return this.#hosts[(from + attempt) % this.#hosts.length]!;
  }
}

export function ringHash(
  hosts: readonly Host[],
  settings: RingSettings,
  random: () => number,
  onBuilt: (figures: RingFigures) => void,
): HostPicker {
  if (hosts.length === 0) return emptyPicker;
  const entries = weightedHosts(hosts, settings.useHostname);
  const ring = new Ring(entries, settings);
  onBuilt(ring.figures);
  return new HashPicker(ring, entries, settings.balanceFactorPercent, random);
}
