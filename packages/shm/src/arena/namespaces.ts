// Namespaces of the arena, one per VM id, each with a byte budget that its keys, values and queued items share.
// All functions run inside a transaction.

import { type Arena, ArenaWord } from './arena.ts';

/** Words of a namespace block after its header. */
const NEXT = 1;
const USED_BYTES = 2;
const LIMIT_BYTES = 3;
const NAME_LENGTH = 4;
const NAME = 5;

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
  for (let block = words[ArenaWord.NAMESPACES]; block !== 0; block = words[block + NEXT])
    if (words[block + NAME_LENGTH] === name.length && holdsBytes(arena, block, NAME, name)) return block;
  if (!create) return 0;
  const block = arena.allocate((NAME - 1) * 4 + name.length);
  if (block === 0) return 0;
  arena.put(block + NEXT, words[ArenaWord.NAMESPACES]);
  arena.put(block + USED_BYTES, 0);
  arena.put(block + LIMIT_BYTES, words[ArenaWord.NAMESPACE_LIMIT]);
  arena.put(block + NAME_LENGTH, name.length);
  arena.bytes.set(name, (block + NAME) * 4);
  arena.put(ArenaWord.NAMESPACES, block);
  return block;
}

/** Charges (or with a negative number refunds) bytes; false when the budget does not allow it. */
export function charge(arena: Arena, namespace: number, bytes: number): boolean {
  const used = arena.words[namespace + USED_BYTES] + bytes;
  if (bytes > 0 && used > arena.words[namespace + LIMIT_BYTES]) return false;
  arena.put(namespace + USED_BYTES, used);
  return true;
}

export function setNamespaceLimit(arena: Arena, namespace: number, limitBytes: number): void {
  arena.put(namespace + LIMIT_BYTES, limitBytes);
}

export function namespaceUsage(arena: Arena, namespace: number): { usedBytes: number; limitBytes: number } {
  return { usedBytes: arena.words[namespace + USED_BYTES], limitBytes: arena.words[namespace + LIMIT_BYTES] };
}

/** Takes an empty namespace out. */
export function removeNamespace(arena: Arena, namespace: number): void {
  const { words } = arena;
  let before: number = ArenaWord.NAMESPACES;
  while (words[before] !== namespace) before = words[before] + NEXT;
  arena.put(before, words[namespace + NEXT]);
  arena.free(namespace);
}
