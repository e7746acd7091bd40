// The entries of shared data in the arena: each hangs in a hash bucket and in its namespace's list, which is in the order
// of last use. All functions run inside a transaction.

import { type Arena, ArenaWord } from './arena.ts';
import { charge, holdsBytes, NamespaceWord } from './namespaces.ts';

/** Words of an entry block after its header. Blocks of values hold nothing but their bytes. */
export const EntryWord = {
  /** In the bucket. */
  NEXT: 1,
  HASH: 2,
  NAMESPACE: 3,
  CAS: 4,
  VALUE: 5,
  VALUE_LENGTH: 6,
  /** Neighbours in the namespace's list. */
  OLDER: 7,
  NEWER: 8,
  /** Milliseconds of its end, in two parts; both 0: none. */
  ENDS_HIGH: 9,
  ENDS_LOW: 10,
  KEY_LENGTH: 11,
  KEY: 12,
} as const;
const Word = EntryWord;

/** Charged for an entry besides its key and value. */
export const ENTRY_OVERHEAD_BYTES = 64;
const LOW_PART = 2 ** 31;

/** FNV-1a, seeded with the namespace's block. */
function hashOf(key: Buffer, namespace: number): number {
  let hash = 0x811c9dc5 ^ namespace;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i], 0x01000193);
  return hash ^ (hash >>> 15);
}

/** Word that points (or would point) to the key's entry: the bucket or the entry before. */
export function slotOf(arena: Arena, space: number, key: Buffer): number {
  const { words } = arena;
  const hash = hashOf(key, space);
  let slot = bucketOf(arena, hash);
  for (let entry = words[slot]; entry !== 0; entry = words[slot]) {
    const found =
      words[entry + Word.HASH] === hash &&
      words[entry + Word.NAMESPACE] === space &&
      words[entry + Word.KEY_LENGTH] === key.length &&
      holdsBytes(arena, entry, Word.KEY, key);
    if (found) return slot;
    slot = entry + Word.NEXT;
  }
  return slot;
}

const bucketOf = ({ words }: Arena, hash: number): number =>
  words[ArenaWord.BUCKETS_START] + ((hash >>> 0) % words[ArenaWord.BUCKET_COUNT]);

/** The key's entry, or 0; one whose time is over is taken out. */
export function liveEntry(arena: Arena, space: number, key: Buffer, nowMs: number): number {
  const entry = arena.words[slotOf(arena, space, key)];
  if (entry === 0 || !hasEnded(arena, entry, nowMs)) return entry;
  unlinkEntry(arena, entry);
  return 0;
}

/** A new entry without a value, at the newest end of its namespace's list; 0 when the heap is full. */
export function linkEntry(arena: Arena, space: number, key: Buffer): number {
  const entry = arena.allocate((Word.KEY - 1) * 4 + key.length);
  if (entry === 0) return 0;
  for (let word: number = Word.NEXT; word < Word.KEY; word++) arena.put(entry + word, 0);
  arena.put(entry + Word.HASH, hashOf(key, space));
  arena.put(entry + Word.NAMESPACE, space);
  arena.put(entry + Word.KEY_LENGTH, key.length);
  arena.bytes.set(key, (entry + Word.KEY) * 4);
  arena.put(slotOf(arena, space, key), entry);
  append(arena, space, entry);
  return entry;
}

/** Takes an entry out, its value with it. */
export function unlinkEntry(arena: Arena, entry: number): void {
  const { words } = arena;
  const space = words[entry + Word.NAMESPACE];
  charge(
    arena,
    space,
    -(ENTRY_OVERHEAD_BYTES + words[entry + Word.KEY_LENGTH] + words[entry + Word.VALUE_LENGTH]),
  );
  let slot = bucketOf(arena, words[entry + Word.HASH]);
  while (words[slot] !== entry) slot = words[slot] + Word.NEXT;
  arena.put(slot, words[entry + Word.NEXT]);
  detach(arena, space, entry);
  setEnd(arena, entry, 0);
  const value = words[entry + Word.VALUE];
  arena.free(entry);
  arena.free(value);
}

/** Makes the entry the newest of its namespace. */
export function touch(arena: Arena, entry: number): void {
  const space = arena.words[entry + Word.NAMESPACE];
  if (arena.words[space + NamespaceWord.NEWEST] === entry) return;
  detach(arena, space, entry);
  append(arena, space, entry);
}

/** Says when the entry ends; 0: never. */
export function setEnd(arena: Arena, entry: number, endMs: number): void {
  const { words } = arena;
  const expiring = words[entry + Word.NAMESPACE] + NamespaceWord.EXPIRING;
  const before = endOf(arena, entry);
  if (before === endMs) return;
  if (before === 0) arena.put(expiring, words[expiring] + 1);
  else if (endMs === 0) arena.put(expiring, words[expiring] - 1);
  arena.put(entry + Word.ENDS_HIGH, Math.floor(endMs / LOW_PART));
  arena.put(entry + Word.ENDS_LOW, endMs % LOW_PART);
}

const endOf = ({ words }: Arena, entry: number): number =>
  words[entry + Word.ENDS_HIGH] * LOW_PART + words[entry + Word.ENDS_LOW];

export function hasEnded(arena: Arena, entry: number, nowMs: number): boolean {
  const endMs = endOf(arena, entry);
  return endMs !== 0 && endMs <= nowMs;
}

function append(arena: Arena, space: number, entry: number): void {
  const newest = arena.words[space + NamespaceWord.NEWEST];
  arena.put(entry + Word.OLDER, newest);
  arena.put(entry + Word.NEWER, 0);
  arena.put(newest === 0 ? space + NamespaceWord.OLDEST : newest + Word.NEWER, entry);
  arena.put(space + NamespaceWord.NEWEST, entry);
}

function detach(arena: Arena, space: number, entry: number): void {
  const { words } = arena;
  const older = words[entry + Word.OLDER];
  const newer = words[entry + Word.NEWER];
  arena.put(older === 0 ? space + NamespaceWord.OLDEST : older + Word.NEWER, newer);
  arena.put(newer === 0 ? space + NamespaceWord.NEWEST : newer + Word.OLDER, older);
}
