// MAGLEV: a table of fixed prime size that the hosts fill in turn, each in an order of its own; a key looks up its hash
// modulo the size. Cheaper to look up than a ring, moves a few more keys when hosts change.

import type { Host } from '../host.ts';
import {
  type HashingSettings,
  HashPicker,
  type HashTable,
  type WeightedHost,
  weightedHosts,
} from './consistent-hash.ts';
import { emptyPicker, type HostPicker } from './load-balancer.ts';
import { type Hash64, hashModulo, xxHash64 } from './xxhash64.ts';

export interface MaglevSettings extends HashingSettings {
  /** A prime, at most MAX_TABLE_SIZE. */
  readonly tableSize: number;
}

export const DEFAULT_TABLE_SIZE = 65537;
export const MAX_TABLE_SIZE = 5_000_011;

/** Figures of a built table, for maglev_lb.* statistics. */
export interface MaglevFigures {
  readonly minEntriesPerHost: number;
  readonly maxEntriesPerHost: number;
}

interface Filler {
  readonly offset: number;
  readonly skip: number;
  readonly share: number;
  /** Grows with each turn taken; a light host sits out turns until its share catches up. */
  target: number;
  next: number;
  count: number;
}

export class MaglevTable implements HashTable {
  readonly figures: MaglevFigures;
  readonly #hosts: readonly Host[];
  readonly #table: Uint32Array;
  readonly #size: number;

  /** `entries` is not empty. */
  constructor(entries: readonly WeightedHost[], size: number) {
    this.#size = size;
    this.#hosts = entries.map(entry => entry.host);
    const hash: Hash64 = { hashHigh: 0, hashLow: 0 };
    const fillers = entries.map(({ key, share }): Filler => {
      xxHash64(key, hash);
      const offset = hashModulo(hash.hashHigh, hash.hashLow, size);
      xxHash64(key, hash, 1);
      const skip = hashModulo(hash.hashHigh, hash.hashLow, size - 1) + 1;
      return { offset, skip, share, target: 0, next: 0, count: 0 };
    });
    this.#table = fill(fillers, size);
    let least = size;
    let most = 0;
    for (const { count } of fillers) {
      least = Math.min(least, count);
      most = Math.max(most, count);
    }
    this.figures = { minEntriesPerHost: least, maxEntriesPerHost: most };
  }

  find(hashHigh: number, hashLow: number, attempt: number): Host {
    // A further attempt looks elsewhere, for one key always in the same place: hash ^ (2 ** 64 - attempt).
    if (attempt > 0) {
      hashHigh = ~hashHigh >>> 0;
      hashLow = (hashLow ^ -attempt) >>> 0;
    }
    return this.#hosts[this.#table[hashModulo(hashHigh, hashLow, this.#size)]!]!;
  }
}

const FREE = 0xffff_ffff;

function fill(fillers: readonly Filler[], size: number): Uint32Array {
  const table = new Uint32Array(size).fill(FREE);
  const maxShare = fillers.reduce((most, filler) => Math.max(most, filler.share), 0);
  let filled = 0;
  for (let turn = 1; ; turn++) {
    for (let i = 0; i < fillers.length; i++) {
      const filler = fillers[i]!;
      if (turn * filler.share < filler.target) continue;
      filler.target += maxShare;
      let place: number;
      do place = (filler.offset + filler.skip * filler.next++) % size;
      while (table[place] !== FREE);
      table[place] = i;
      filler.count++;
      if (++filled === size) return table;
    }
  }
}

export function maglev(
  hosts: readonly Host[],
  settings: MaglevSettings,
  random: () => number,
  onBuilt: (figures: MaglevFigures) => void,
): HostPicker {
  if (hosts.length === 0) return emptyPicker;
  const entries = weightedHosts(hosts, settings.useHostname);
  const table = new MaglevTable(entries, settings.tableSize);
  onBuilt(table.figures);
  return new HashPicker(table, entries, settings.balanceFactorPercent, random);
}
