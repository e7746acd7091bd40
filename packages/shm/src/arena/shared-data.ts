// Values that threads share, by namespace and key, with compare-and-set: the store behind proxy_get_shared_data and
// proxy_set_shared_data (ABI reference 7.2).

import { type Arena, ArenaWord } from './arena.ts';
import {
  charge,
  encodeName,
  findNamespace,
  holdsBytes,
  namespaceUsage,
  removeNamespace,
  setNamespaceLimit,
} from './namespaces.ts';

/** What became of a set. */
export const SetResult = { OK: 0, CAS_MISMATCH: 1, OVER_BUDGET: 2, HEAP_FULL: 3 } as const;
export type SetResult = (typeof SetResult)[keyof typeof SetResult];

export interface SharedValue {
  readonly value: Uint8Array;
  /** Never 0; another with every successful set. */
  readonly cas: number;
}

/** Words of an entry block after its header. */
const NEXT = 1;
const HASH = 2;
const NAMESPACE = 3;
const CAS = 4;
const VALUE = 5;
const VALUE_LENGTH = 6;
const KEY_LENGTH = 7;
const KEY = 8;

/** Charged for an entry besides its key and value. */
const ENTRY_OVERHEAD_BYTES = 64;

/** FNV-1a, seeded with the namespace's block. */
function hashOf(key: Buffer, namespace: number): number {
  let hash = 0x811c9dc5 ^ namespace;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i], 0x01000193);
  return hash ^ (hash >>> 15);
}

export class SharedDataStore {
  readonly #arena: Arena;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** A copy of the value, null when the key is absent. */
  get(namespace: string, key: string): SharedValue | null {
    const arena = this.#arena;
    const name = encodeName(namespace);
    const keyBytes = Buffer.from(key);
    return arena.transact(() => {
      const space = findNamespace(arena, name, false);
      if (space === 0) return null;
      const entry = arena.words[this.#slotOf(space, keyBytes)];
      if (entry === 0) return null;
      const at = (arena.words[entry + VALUE] + 1) * 4;
      const value = Buffer.from(arena.bytes.subarray(at, at + arena.words[entry + VALUE_LENGTH]));
      return { value, cas: arena.words[entry + CAS] >>> 0 };
    });
  }

  /** Stores a copy. cas 0 sets in any case; another one only while the key has it, or is absent. */
  set(namespace: string, key: string, value: Uint8Array, cas: number): SetResult {
    const arena = this.#arena;
    const name = encodeName(namespace);
    const keyBytes = Buffer.from(key);
    try {
      return arena.transact(() => {
        const space = findNamespace(arena, name, true);
        if (space === 0) throw new Refusal(SetResult.HEAP_FULL);
        const slot = this.#slotOf(space, keyBytes);
        const entry = arena.words[slot];
        if (entry === 0) this.#insert(space, slot, keyBytes, value);
        else this.#replace(space, entry, value, cas);
        return SetResult.OK;
      });
    } catch (error) {
      if (error instanceof Refusal) return error.result;
      throw error;
    }
  }

  /** True when the key was there. */
  remove(namespace: string, key: string): boolean {
    const arena = this.#arena;
    return arena.transact(() => {
      const space = findNamespace(arena, encodeName(namespace), false);
      if (space === 0) return false;
      const slot = this.#slotOf(space, Buffer.from(key));
      if (arena.words[slot] === 0) return false;
      this.#unlink(space, slot);
      return true;
    });
  }

  /** What a namespace may keep from now on; what it has stays. False when the heap is full. */
  setLimit(namespace: string, limitBytes: number): boolean {
    const arena = this.#arena;
    return arena.transact(() => {
      const space = findNamespace(arena, encodeName(namespace), true);
      if (space !== 0) setNamespaceLimit(arena, space, limitBytes);
      return space !== 0;
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
    const count = arena.words[ArenaWord.BUCKET_COUNT];
    for (let bucket = 0; bucket < count; bucket++) this.#emptyBucket(name, bucket);
    arena.transact(() => {
      const space = findNamespace(arena, name, false);
      if (space !== 0 && namespaceUsage(arena, space).usedBytes === 0) removeNamespace(arena, space);
    });
  }

  #emptyBucket(name: Buffer, bucket: number): void {
    const arena = this.#arena;
    const start = arena.words[ArenaWord.BUCKETS_START] + bucket;
    // Most buckets are empty: look without the lock first. An entry per transaction: others want the lock, too.
    if (Atomics.load(arena.words, start) === 0) return;
    while (
      arena.transact(() => {
        const space = findNamespace(arena, name, false);
        let slot = start;
        while (arena.words[slot] !== 0 && arena.words[arena.words[slot] + NAMESPACE] !== space)
          slot = arena.words[slot] + NEXT;
        if (space === 0 || arena.words[slot] === 0) return false;
        this.#unlink(space, slot);
        return true;
      })
    );
  }

  /** Word that points (or would point) to the key's entry: the bucket or the entry before. */
  #slotOf(space: number, key: Buffer): number {
    const { words } = this.#arena;
    const hash = hashOf(key, space);
    let slot = words[ArenaWord.BUCKETS_START] + ((hash >>> 0) % words[ArenaWord.BUCKET_COUNT]);
    for (let entry = words[slot]; entry !== 0; entry = words[slot]) {
      const found =
        words[entry + HASH] === hash &&
        words[entry + NAMESPACE] === space &&
        words[entry + KEY_LENGTH] === key.length &&
        holdsBytes(this.#arena, entry, KEY, key);
      if (found) return slot;
      slot = entry + NEXT;
    }
    return slot;
  }

  #insert(space: number, slot: number, key: Buffer, value: Uint8Array): void {
    const arena = this.#arena;
    if (!charge(arena, space, ENTRY_OVERHEAD_BYTES + key.length + value.length))
      throw new Refusal(SetResult.OVER_BUDGET);
    const entry = arena.allocate((KEY - 1) * 4 + key.length);
    if (entry === 0) throw new Refusal(SetResult.HEAP_FULL);
    arena.put(entry + NEXT, 0);
    arena.put(entry + HASH, hashOf(key, space));
    arena.put(entry + NAMESPACE, space);
    arena.put(entry + KEY_LENGTH, key.length);
    arena.bytes.set(key, (entry + KEY) * 4);
    this.#store(entry, value);
    arena.put(slot, entry);
  }

  #replace(space: number, entry: number, value: Uint8Array, cas: number): void {
    const arena = this.#arena;
    if (cas !== 0 && arena.words[entry + CAS] >>> 0 !== cas) throw new Refusal(SetResult.CAS_MISMATCH);
    if (!charge(arena, space, value.length - arena.words[entry + VALUE_LENGTH]))
      throw new Refusal(SetResult.OVER_BUDGET);
    const before = arena.words[entry + VALUE];
    this.#store(entry, value);
    arena.free(before);
  }

  #store(entry: number, value: Uint8Array): void {
    const arena = this.#arena;
    const block = arena.allocate(value.length);
    if (block === 0) throw new Refusal(SetResult.HEAP_FULL);
    arena.bytes.set(value, (block + 1) * 4);
    const cas = arena.words[ArenaWord.NEXT_CAS];
    arena.put(ArenaWord.NEXT_CAS, cas + 1 === 0 ? 1 : cas + 1);
    arena.put(entry + VALUE, block);
    arena.put(entry + VALUE_LENGTH, value.length);
    arena.put(entry + CAS, cas);
  }

  #unlink(space: number, slot: number): void {
    const arena = this.#arena;
    const { words } = arena;
    const entry = words[slot];
    charge(arena, space, -(ENTRY_OVERHEAD_BYTES + words[entry + KEY_LENGTH] + words[entry + VALUE_LENGTH]));
    arena.put(slot, words[entry + NEXT]);
    const value = words[entry + VALUE];
    arena.free(entry);
    arena.free(value);
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
