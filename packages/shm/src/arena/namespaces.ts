// Namespaces of the arena, one per VM id, each with a byte budget that its keys, values and queued items share, and its
// rules for what becomes of old ones. All functions run inside a transaction.

import { type Arena, ArenaWord } from './arena.ts';

/** What a namespace may keep, and for how long. What is absent stays as it is. */
export interface NamespacePolicy {
  /** For keys, values and queued items together. */
  readonly limitBytes?: number;
  /** When the budget is spent: refuse new values, or make room by forgetting the values used longest ago. */
  readonly eviction?: 'none' | 'lru';
  /** Life of a value that is stored without one of its own, in milliseconds; 0: for ever. */
  readonly ttlMs?: number;
  /** Items that a queue may hold; 0: as many as the store says. */
  readonly queueItemLimit?: number;
}

/** Words of a namespace block after its header. */
export const NamespaceWord = {
  NEXT: 1,
  USED_BYTES: 2,
  LIMIT_BYTES: 3,
  /** Ends of the list of entries in the order of their last use. */
  OLDEST: 4,
  NEWEST: 5,
  /** 1: least recently used entries make room. */
  EVICTS: 6,
  TTL_MS: 7,
  QUEUE_ITEM_LIMIT: 8,
  /** Entries that end some time. */
  EXPIRING: 9,
  NAME_LENGTH: 10,
  NAME: 11,
} as const;
const Word = NamespaceWord;

/** Names as bytes: there are few, and every call needs one. */
const encoded = new Map<string, Buffer>();

export function encodeName(name: string): Buffer {
  let bytes = encoded.get(name);
  if (bytes === undefined) {
    if (encoded.size >= 1000) encoded.clear();
    bytes = Buffer.from(name);
    encoded.set(name, bytes);
  }
  return bytes;
}

/** True when the block holds these bytes from word `start` on. */
export function holdsBytes(arena: Arena, block: number, start: number, expected: Buffer): boolean {
  const at = (block + start) * 4;
  return arena.bytes.compare(expected, 0, expected.length, at, at + expected.length) === 0;
}

/** The namespace's block, made when it is not there; 0 when the heap is full or it is not to be made. */
export function findNamespace(arena: Arena, name: Buffer, create: boolean): number {
  const { words } = arena;
  for (let block = words[ArenaWord.NAMESPACES]; block !== 0; block = words[block + Word.NEXT])
    if (words[block + Word.NAME_LENGTH] === name.length && holdsBytes(arena, block, Word.NAME, name))
      return block;
  if (!create) return 0;
  const block = arena.allocate((Word.NAME - 1) * 4 + name.length);
  if (block === 0) return 0;
  for (let word: number = Word.NEXT; word < Word.NAME; word++) arena.put(block + word, 0);
  arena.put(block + Word.NEXT, words[ArenaWord.NAMESPACES]);
  arena.put(block + Word.LIMIT_BYTES, words[ArenaWord.NAMESPACE_LIMIT]);
  arena.put(block + Word.NAME_LENGTH, name.length);
  arena.bytes.set(name, (block + Word.NAME) * 4);
  arena.put(ArenaWord.NAMESPACES, block);
  return block;
}

/** Charges (or with a negative number refunds) bytes; false when the budget does not allow it. */
export function charge(arena: Arena, namespace: number, bytes: number): boolean {
  const used = arena.words[namespace + Word.USED_BYTES] + bytes;
  if (bytes > 0 && used > arena.words[namespace + Word.LIMIT_BYTES]) return false;
  arena.put(namespace + Word.USED_BYTES, used);
  return true;
}

export function setNamespacePolicy(arena: Arena, namespace: number, policy: NamespacePolicy): void {
  const { limitBytes, eviction, ttlMs, queueItemLimit } = policy;
  if (limitBytes !== undefined) arena.put(namespace + Word.LIMIT_BYTES, limitBytes);
  if (eviction !== undefined) arena.put(namespace + Word.EVICTS, eviction === 'lru' ? 1 : 0);
  if (ttlMs !== undefined) arena.put(namespace + Word.TTL_MS, ttlMs);
  if (queueItemLimit !== undefined) arena.put(namespace + Word.QUEUE_ITEM_LIMIT, queueItemLimit);
}

export function namespaceName(arena: Arena, namespace: number): string {
  const at = (namespace + Word.NAME) * 4;
  return arena.bytes.toString('utf8', at, at + arena.words[namespace + Word.NAME_LENGTH]);
}

export function namespaceUsage(arena: Arena, namespace: number): { usedBytes: number; limitBytes: number } {
  const { words } = arena;
  return {
    usedBytes: words[namespace + Word.USED_BYTES],
    limitBytes: words[namespace + Word.LIMIT_BYTES],
  };
}

/** Takes an empty namespace out. */
export function removeNamespace(arena: Arena, namespace: number): void {
  const { words } = arena;
  let before: number = ArenaWord.NAMESPACES;
  while (words[before] !== namespace) before = words[before] + Word.NEXT;
  arena.put(before, words[namespace + Word.NEXT]);
  arena.free(namespace);
}
