// Values that threads share, by namespace and key, with compare-and-set: the store behind proxy_get_shared_data and
// proxy_set_shared_data (ABI reference 7.2). Each call is one transaction; making room takes some of its own before it.

import { type Arena, ArenaWord } from './arena.ts';
import {
  ENTRY_OVERHEAD_BYTES,
  EntryWord,
  hasEnded,
  linkEntry,
  liveEntry,
  setEnd,
  slotOf,
  touch,
  unlinkEntry,
} from './data-entries.ts';
import {
  charge,
  encodeName,
  findNamespace,
  type NamespacePolicy,
  NamespaceWord,
  namespaceName,
  namespaceUsage,
  removeNamespace,
  setNamespacePolicy,
} from './namespaces.ts';

/** What became of a set or an increment. */
export const SetResult = { OK: 0, CAS_MISMATCH: 1, OVER_BUDGET: 2, HEAP_FULL: 3, NOT_A_NUMBER: 4 } as const;
export type SetResult = (typeof SetResult)[keyof typeof SetResult];

/** What became of a removal. */
export const RemoveResult = { OK: 0, CAS_MISMATCH: 1, ABSENT: 2 } as const;
export type RemoveResult = (typeof RemoveResult)[keyof typeof RemoveResult];

export interface SharedValue {
  readonly value: Uint8Array;
  /** Never 0; another with every successful set. */
  readonly cas: number;
}

export interface SharedCount {
  /** After the increment. */
  readonly value: bigint;
  readonly cas: number;
}

/** Bytes of a value that can be counted up: a signed 64-bit number, little-endian. */
const COUNT_BYTES = 8;
/** Entries that one transaction forgets: its journal has an end. */
const EVICTIONS_PER_TRANSACTION = 8;
/** A heap that others have filled is not worth all of a namespace's values. */
const HEAP_EVICTION_ROUNDS = 8;
const VALUE_START = 1;
/** In place of a life in milliseconds: the entry's time goes on. */
const KEEP_END = -1;

export class SharedDataStore {
  readonly #arena: Arena;
  readonly #nowMs: () => number;
  /** Of the value stored last. */
  #lastCas = 0;

  /** `nowMs` is monotonic and the same on all threads: it decides when values end. */
  constructor(arena: Arena, nowMs: () => number = () => performance.timeOrigin + performance.now()) {
    this.#arena = arena;
    this.#nowMs = nowMs;
  }

  /** A copy of the value, null when the key is absent. */
  get(namespace: string, key: string): SharedValue | null {
    const arena = this.#arena;
    const { words } = arena;
    const name = encodeName(namespace);
    const keyBytes = Buffer.from(key);
    return arena.transact(() => {
      const space = findNamespace(arena, name, false);
      if (space === 0) return null;
      const entry = liveEntry(arena, space, keyBytes, this.#nowMs());
      if (entry === 0) return null;
      if (words[space + NamespaceWord.EVICTS] !== 0) touch(arena, entry);
      const at = (words[entry + EntryWord.VALUE] + VALUE_START) * 4;
      const value = Buffer.from(arena.bytes.subarray(at, at + words[entry + EntryWord.VALUE_LENGTH]));
      return { value, cas: words[entry + EntryWord.CAS] >>> 0 };
    });
  }

  /**
   * Stores a copy. cas 0 sets in any case; another one only while the key has it, or is absent. The value ends after
   * `ttlMs` (0: never), or as the namespace's policy says.
   */
  set(namespace: string, key: string, value: Uint8Array, cas: number, ttlMs?: number): SetResult {
    const name = encodeName(namespace);
    const keyBytes = Buffer.from(key);
    const change = (space: number): SetResult => this.#put(space, keyBytes, value, cas, ttlMs);
    return this.#makingRoom(name, ENTRY_OVERHEAD_BYTES + keyBytes.length + value.length, change);
  }

  /**
   * Adds to a 64-bit number in one step; an absent one counts as 0, and its time begins now. It goes round at its ends.
   */
  increment(namespace: string, key: string, delta: bigint, ttlMs?: number): SharedCount | SetResult {
    const name = encodeName(namespace);
    const keyBytes = Buffer.from(key);
    let count: SharedCount | null = null;
    const change = (space: number): SetResult => {
      const entry = this.#arena.words[slotOf(this.#arena, space, keyBytes)];
      const counted = entry !== 0 && !hasEnded(this.#arena, entry, this.#nowMs());
      const before = counted ? this.#numberIn(entry) : 0n;
      if (before === null) return SetResult.NOT_A_NUMBER;
      const value = BigInt.asIntN(64, before + delta);
      const bytes = Buffer.alloc(COUNT_BYTES);
      bytes.writeBigInt64LE(value);
      const result = this.#put(space, keyBytes, bytes, 0, counted ? KEEP_END : ttlMs);
      if (result === SetResult.OK) count = { value, cas: this.#lastCas };
      return result;
    };
    const result = this.#makingRoom(name, ENTRY_OVERHEAD_BYTES + keyBytes.length + COUNT_BYTES, change);
    return count ?? result;
  }

  /** cas 0 removes in any case; another one only while the key has it. */
  remove(namespace: string, key: string, cas = 0): RemoveResult {
    const arena = this.#arena;
    return arena.transact(() => {
      const space = findNamespace(arena, encodeName(namespace), false);
      const entry = space === 0 ? 0 : liveEntry(arena, space, Buffer.from(key), this.#nowMs());
      if (entry === 0) return RemoveResult.ABSENT;
      if (cas !== 0 && arena.words[entry + EntryWord.CAS] >>> 0 !== cas) return RemoveResult.CAS_MISMATCH;
      unlinkEntry(arena, entry);
      return RemoveResult.OK;
    });
  }

  /** The keys that begin with `prefix`, least recently used first. Other threads wait meanwhile. */
  keys(namespace: string, prefix = ''): string[] {
    const arena = this.#arena;
    const { words, bytes } = arena;
    const begin = Buffer.from(prefix);
    return arena.transact(() => {
      const found: string[] = [];
      const nowMs = this.#nowMs();
      const space = findNamespace(arena, encodeName(namespace), false);
      let entry = space === 0 ? 0 : words[space + NamespaceWord.OLDEST];
      for (; entry !== 0; entry = words[entry + EntryWord.NEWER]) {
        const at = (entry + EntryWord.KEY) * 4;
        const end = at + words[entry + EntryWord.KEY_LENGTH];
        if (end - at < begin.length || bytes.compare(begin, 0, begin.length, at, at + begin.length) !== 0)
          continue;
        if (!hasEnded(arena, entry, nowMs)) found.push(bytes.toString('utf8', at, end));
      }
      return found;
    });
  }

  /** What a namespace may keep from now on; what it has stays. False when the heap is full. */
  setPolicy(namespace: string, policy: NamespacePolicy): boolean {
    const arena = this.#arena;
    return arena.transact(() => {
      const space = findNamespace(arena, encodeName(namespace), true);
      if (space !== 0) setNamespacePolicy(arena, space, policy);
      return space !== 0;
    });
  }

  /** All namespaces, the newest first. */
  namespaces(): { readonly name: string; readonly usedBytes: number; readonly limitBytes: number }[] {
    const arena = this.#arena;
    return arena.transact(() => {
      const found = [];
      for (
        let space = arena.words[ArenaWord.NAMESPACES];
        space !== 0;
        space = arena.words[space + NamespaceWord.NEXT]
      )
        found.push({ name: namespaceName(arena, space), ...namespaceUsage(arena, space) });
      return found;
    });
  }

  usage(namespace: string): { usedBytes: number; limitBytes: number } | null {
    const arena = this.#arena;
    return arena.transact(() => {
      const space = findNamespace(arena, encodeName(namespace), false);
      return space === 0 ? null : namespaceUsage(arena, space);
    });
  }

  /** Forgets a namespace's values; when its last VM is gone. Its queues must have been dropped before. */
  dropNamespace(namespace: string): void {
    const arena = this.#arena;
    const name = encodeName(namespace);
    // Some entries per transaction: others want the lock, too.
    while (this.#forget(name, null, () => true) > 0);
    arena.transact(() => {
      const space = findNamespace(arena, name, false);
      if (space !== 0 && namespaceUsage(arena, space).usedBytes === 0) removeNamespace(arena, space);
    });
  }

  /** Runs `change` as a transaction, and again after old entries have made room where the policy lets them. */
  #makingRoom(name: Buffer, neededBytes: number, change: (space: number) => SetResult): SetResult {
    for (let round = 0; ; round++) {
      const result = this.#attempt(name, change);
      if (result !== SetResult.OVER_BUDGET && result !== SetResult.HEAP_FULL) return result;
      if (result === SetResult.HEAP_FULL && round >= HEAP_EVICTION_ROUNDS) return result;
      if (!this.#makeRoom(name, neededBytes)) return result;
    }
  }

  #attempt(name: Buffer, change: (space: number) => SetResult): SetResult {
    const arena = this.#arena;
    try {
      return arena.transact(() => {
        const space = findNamespace(arena, name, true);
        const result = space === 0 ? SetResult.HEAP_FULL : change(space);
        if (result !== SetResult.OK) throw new Refusal(result);
        return result;
      });
    } catch (error) {
      if (error instanceof Refusal) return error.result;
      throw error;
    }
  }

  /** Forgets entries whose time is over or, when there is none, those used longest ago. False: nothing to forget. */
  #makeRoom(name: Buffer, neededBytes: number): boolean {
    const { words } = this.#arena;
    const nowMs = this.#nowMs();
    const ended = (space: number, entry: number): boolean =>
      words[space + NamespaceWord.EXPIRING] > 0 && hasEnded(this.#arena, entry, nowMs);
    if (this.#forget(name, NamespaceWord.EXPIRING, ended) > 0) return true;
    const old = (space: number): boolean => neededBytes <= words[space + NamespaceWord.LIMIT_BYTES];
    return this.#forget(name, NamespaceWord.EVICTS, old) > 0;
  }

  /** Takes out some of the oldest entries that `which` wants, where the namespace's word `unless` is not 0. */
  #forget(name: Buffer, unless: number | null, which: (space: number, entry: number) => boolean): number {
    const arena = this.#arena;
    const { words } = arena;
    return arena.transact(() => {
      const space = findNamespace(arena, name, false);
      if (space === 0 || (unless !== null && words[space + unless] === 0)) return 0;
      let forgotten = 0;
      let entry = words[space + NamespaceWord.OLDEST];
      while (entry !== 0 && forgotten < EVICTIONS_PER_TRANSACTION) {
        const newer = words[entry + EntryWord.NEWER];
        if (which(space, entry)) {
          unlinkEntry(arena, entry);
          forgotten++;
        }
        entry = newer;
      }
      return forgotten;
    });
  }

  /** Inside a transaction that is undone unless the answer is OK. */
  #put(space: number, key: Buffer, value: Uint8Array, cas: number, ttlMs: number | undefined): SetResult {
    const arena = this.#arena;
    const { words } = arena;
    const nowMs = this.#nowMs();
    let entry = words[slotOf(arena, space, key)];
    const before = entry === 0 ? 0 : words[entry + EntryWord.VALUE];
    if (entry === 0) {
      if (!charge(arena, space, ENTRY_OVERHEAD_BYTES + key.length)) return SetResult.OVER_BUDGET;
      entry = linkEntry(arena, space, key);
      if (entry === 0) return SetResult.HEAP_FULL;
    } else if (cas !== 0 && words[entry + EntryWord.CAS] >>> 0 !== cas && !hasEnded(arena, entry, nowMs))
      return SetResult.CAS_MISMATCH;
    if (!charge(arena, space, value.length - words[entry + EntryWord.VALUE_LENGTH]))
      return SetResult.OVER_BUDGET;
    const block = arena.allocate(value.length);
    if (block === 0) return SetResult.HEAP_FULL;
    arena.bytes.set(value, (block + VALUE_START) * 4);
    arena.put(entry + EntryWord.VALUE, block);
    arena.put(entry + EntryWord.VALUE_LENGTH, value.length);
    this.#lastCas = arena.nextCas() >>> 0;
    arena.put(entry + EntryWord.CAS, this.#lastCas);
    const livesMs = ttlMs ?? words[space + NamespaceWord.TTL_MS];
    if (livesMs !== KEEP_END) setEnd(arena, entry, livesMs === 0 ? 0 : Math.ceil(nowMs + livesMs));
    touch(arena, entry);
    if (before !== 0) arena.free(before);
    return SetResult.OK;
  }

  /** Null when the value is no 64-bit number. */
  #numberIn(entry: number): bigint | null {
    const { words, bytes } = this.#arena;
    if (words[entry + EntryWord.VALUE_LENGTH] !== COUNT_BYTES) return null;
    return bytes.readBigInt64LE((words[entry + EntryWord.VALUE] + VALUE_START) * 4);
  }
}

/** Leaves a transaction with everything undone. */
class Refusal extends Error {
  readonly result: SetResult;

  constructor(result: SetResult) {
    super('refused');
    this.result = result;
  }
}
