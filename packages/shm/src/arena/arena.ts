// The shared buffer in which threads keep what they have in common (shared data, queues): one lock, a journal that
// undoes what a dying thread left half done, and a heap. Every thread has its own Arena object over the same memory.

import { assert, DragomanError } from '@dragoman/base';
import { RobustLock } from './robust-lock.ts';

/** Goes to the other threads as it is (structured clone shares it). */
export interface ArenaMemory {
  readonly buffer: SharedArrayBuffer;
}

export interface ArenaOptions {
  /** Size of the heap, a power of two; pages nobody has touched cost address space only. */
  readonly heapBytes?: number;
  /** What one namespace (VM id) may keep, unless its policy says otherwise. */
  readonly namespaceLimitBytes?: number;
}

/** Words of the header. Blocks are named by the index of their first word; 0 is no block. */
const Word = {
  LOCK: 0,
  JOURNAL_LENGTH: 1,
  HEAP_START: 2,
  HEAP_ORDER: 3,
  BUCKETS_START: 4,
  BUCKET_COUNT: 5,
  NAMESPACES: 6,
  NAMESPACE_LIMIT: 7,
  NEXT_CAS: 9,
  QUEUES: 10,
  NEXT_TOKEN: 11,
  FREE_LISTS: 16,
  MAILBOXES: 64,
  JOURNAL: 64 + 1024,
} as const;
export const ArenaWord = Word;

/** Owner ids are 1..MAX_OWNERS-1; each has a mailbox word. */
export const MAX_OWNERS = 1024;
/** Word writes that one transaction may make; the longest one needs some hundred. */
const JOURNAL_CAPACITY = 2048;
const HEADER_WORDS = Word.JOURNAL + 2 * JOURNAL_CAPACITY;

const MIN_ORDER = 5;
const MAX_ORDER = 30;
/** Marks the header word of a block in use; the low bits are its order (log2 of its bytes). */
const USED = 1 << 8;

const DEFAULT_HEAP_BYTES = 1 << 26;
const DEFAULT_NAMESPACE_LIMIT_BYTES = 1 << 24;
const WAIT_LIMIT_MS = 10_000;

export class Arena {
  /** Header, bucket table and heap as words; written by transactions through put(). */
  readonly words: Int32Array;
  /** The same memory as bytes: for the contents of blocks that no other thread can reach yet. */
  readonly bytes: Buffer;
  /** This thread. */
  readonly owner: number;
  readonly #lock: RobustLock;
  readonly #heapStart: number;
  readonly #heapOrder: number;
  #inTransaction = false;

  /**
   * `owner` is this thread's id from 1 to 1023, unique among the living. The main thread, which alone can release the
   * lock of a dead thread, must not wait for it long: give it a short `waitLimitMs`.
   */
  constructor(memory: ArenaMemory, owner: number, waitLimitMs: number = WAIT_LIMIT_MS) {
    assert(
      owner > 0 && owner < MAX_OWNERS,
      `an arena owner is a number from 1 to ${MAX_OWNERS - 1}, not ${owner}`,
    );
    this.words = new Int32Array(memory.buffer);
    this.bytes = Buffer.from(memory.buffer);
    this.owner = owner;
    this.#lock = new RobustLock(this.words, Word.LOCK, owner, waitLimitMs);
    this.#heapStart = this.words[Word.HEAP_START];
    this.#heapOrder = this.words[Word.HEAP_ORDER];
  }

  static create(options: ArenaOptions = {}): ArenaMemory {
    const heapBytes = options.heapBytes ?? DEFAULT_HEAP_BYTES;
    const order = Math.log2(heapBytes);
    if (!Number.isInteger(order) || order < 12 || order > MAX_ORDER)
      throw new DragomanError(
        'SHM_ARENA_SIZE',
        `an arena is a power of two from 4 KiB to 1 GiB, not ${heapBytes} bytes`,
      );
    const bucketCount = Math.max(64, heapBytes >>> 9);
    const heapStart = HEADER_WORDS + bucketCount;
    const buffer = new SharedArrayBuffer(heapStart * 4 + heapBytes);
    const words = new Int32Array(buffer);
    words[Word.HEAP_START] = heapStart;
    words[Word.HEAP_ORDER] = order;
    words[Word.BUCKETS_START] = HEADER_WORDS;
    words[Word.BUCKET_COUNT] = bucketCount;
    words[Word.NAMESPACE_LIMIT] = options.namespaceLimitBytes ?? DEFAULT_NAMESPACE_LIMIT_BYTES;
    words[Word.NEXT_CAS] = 1;
    words[Word.NEXT_TOKEN] = 1;
    words[Word.FREE_LISTS + order] = heapStart;
    words[heapStart] = order;
    return { buffer };
  }

  /** Runs `change` under the lock; all of its writes happen or, when it throws or the thread dies, none. */
  transact<T>(change: () => T): T {
    assert(!this.#inTransaction, 'arena transactions do not nest');
    this.#lock.acquire();
    this.#inTransaction = true;
    try {
      const result = change();
      Atomics.store(this.words, Word.JOURNAL_LENGTH, 0);
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    } finally {
      this.#inTransaction = false;
      this.#lock.release();
    }
  }

  /** Writes a word inside a transaction, remembering what it was. */
  put(index: number, value: number): void {
    const length = this.words[Word.JOURNAL_LENGTH];
    assert(length < JOURNAL_CAPACITY, 'an arena transaction makes too many changes');
    this.words[Word.JOURNAL + 2 * length] = index;
    this.words[Word.JOURNAL + 2 * length + 1] = this.words[index];
    Atomics.store(this.words, Word.JOURNAL_LENGTH, length + 1);
    this.words[index] = value;
  }

  /** A number that no value has had, never 0. In a transaction. */
  nextCas(): number {
    const cas = this.words[Word.NEXT_CAS];
    this.put(Word.NEXT_CAS, cas + 1 === 0 ? 1 : cas + 1);
    return cas;
  }

  #rollBack(): void {
    const { words } = this;
    for (let entry = words[Word.JOURNAL_LENGTH] - 1; entry >= 0; entry--)
      words[words[Word.JOURNAL + 2 * entry]] = words[Word.JOURNAL + 2 * entry + 1];
    Atomics.store(words, Word.JOURNAL_LENGTH, 0);
  }

  /** After a thread has ended for certain: undoes its unfinished transaction and frees its lock. */
  releaseOwner(deadOwner: number): void {
    if (!this.#lock.takeOver(deadOwner)) return;
    this.#rollBack();
    this.#lock.release();
  }

  /**
   * A block with room for `bytes` after its header word; 0 when the heap is full. In a transaction; allocate before
   * freeing, or a rollback would find the freed block's contents overwritten.
   */
  allocate(bytes: number): number {
    const order = Math.max(MIN_ORDER, 32 - Math.clz32(bytes + 3));
    let from = order;
    while (from <= this.#heapOrder && this.words[Word.FREE_LISTS + from] === 0) from++;
    if (from > this.#heapOrder) return 0;
    const block = this.words[Word.FREE_LISTS + from];
    this.#unlink(block, from);
    while (from > order) {
      from--;
      this.#link(block + (1 << (from - 2)), from);
    }
    this.put(block, order | USED);
    // Contents are written without the journal; what the free list kept in these words must come back on rollback.
    this.put(block + 1, 0);
    this.put(block + 2, 0);
    return block;
  }

  /** Gives a block back, joined with its free buddies. In a transaction. */
  free(block: number): void {
    let order = this.words[block] & ~USED;
    let joined = block;
    while (order < this.#heapOrder) {
      const buddy = this.#heapStart + ((joined - this.#heapStart) ^ (1 << (order - 2)));
      if (this.words[buddy] !== order) break;
      this.#unlink(buddy, order);
      joined = Math.min(joined, buddy);
      order++;
    }
    this.#link(joined, order);
  }

  /** Free blocks are a doubly linked list per order: header, next, previous. */
  #link(block: number, order: number): void {
    const head = this.words[Word.FREE_LISTS + order];
    this.put(block, order);
    this.put(block + 1, head);
    this.put(block + 2, 0);
    if (head !== 0) this.put(head + 2, block);
    this.put(Word.FREE_LISTS + order, block);
  }

  #unlink(block: number, order: number): void {
    const next = this.words[block + 1];
    const previous = this.words[block + 2];
    if (previous === 0) this.put(Word.FREE_LISTS + order, next);
    else this.put(previous + 1, next);
    if (next !== 0) this.put(next + 2, previous);
  }

  /** Free bytes of the heap; for tests and gauges. */
  get freeBytes(): number {
    let free = 0;
    for (let order = MIN_ORDER; order <= this.#heapOrder; order++)
      for (let block = this.words[Word.FREE_LISTS + order]; block !== 0; block = this.words[block + 1])
        free += 2 ** order;
    return free;
  }
}
