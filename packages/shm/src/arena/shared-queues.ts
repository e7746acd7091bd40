// Queues between threads, by namespace and name: the store behind the shared queues of the ABI (reference 7.3). The
// last registrant's thread is woken for every item; items count against the namespace's byte budget.

import { type Arena, ArenaWord } from './arena.ts';
import { charge, encodeName, findNamespace, holdsBytes, NamespaceWord } from './namespaces.ts';

/** What became of an enqueue. */
export const EnqueueResult = {
  OK: 0,
  UNKNOWN_TOKEN: 1,
  OVER_BUDGET: 2,
  HEAP_FULL: 3,
  QUEUE_FULL: 4,
} as const;
export type EnqueueResult = (typeof EnqueueResult)[keyof typeof EnqueueResult];

/** Words of a queue block after its header. */
const NEXT = 1;
const NAMESPACE = 2;
const TOKEN = 3;
const OWNER = 4;
/** Items enqueued that the owner has not been told of. */
const PENDING = 5;
const COUNT = 6;
const HEAD = 7;
const TAIL = 8;
const NAME_LENGTH = 9;
const NAME = 10;

/** Words of an item block after its header. */
const ITEM_NEXT = 1;
const ITEM_LENGTH = 2;
const ITEM = 3;
const ITEM_OVERHEAD_BYTES = 16;

const DEFAULT_ITEM_LIMIT = 65_536;
/** Queues that one transaction changes: its journal has an end. */
const QUEUES_PER_TRANSACTION = 256;

export class SharedQueueStore {
  readonly #arena: Arena;
  readonly #itemLimit: number;

  /** `itemLimit` is how many items a queue may hold, unless the namespace's policy says otherwise. */
  constructor(arena: Arena, itemLimit: number = DEFAULT_ITEM_LIMIT) {
    this.#arena = arena;
    this.#itemLimit = itemLimit;
  }

  /** The queue's token, the queue made if it is not there; this thread is its owner now. 0 when the heap is full. */
  register(namespace: string, name: string): number {
    const arena = this.#arena;
    const nameBytes = Buffer.from(name);
    return arena.transact(() => {
      const space = findNamespace(arena, encodeName(namespace), true);
      if (space === 0) return 0;
      let queue = this.#find(space, nameBytes);
      if (queue === 0) queue = this.#create(space, nameBytes);
      if (queue === 0) return 0;
      arena.put(queue + OWNER, arena.owner);
      return arena.words[queue + TOKEN];
    });
  }

  /** 0 when there is none. */
  resolve(namespace: string, name: string): number {
    const arena = this.#arena;
    return arena.transact(() => {
      const space = findNamespace(arena, encodeName(namespace), false);
      const queue = space === 0 ? 0 : this.#find(space, Buffer.from(name));
      return queue === 0 ? 0 : arena.words[queue + TOKEN];
    });
  }

  /** Appends a copy and wakes the owner's thread. */
  enqueue(token: number, item: Uint8Array): EnqueueResult {
    const arena = this.#arena;
    const { words } = arena;
    let owner = 0;
    const result = arena.transact((): EnqueueResult => {
      const queue = this.#byToken(token);
      if (queue === 0) return EnqueueResult.UNKNOWN_TOKEN;
      const limit = words[words[queue + NAMESPACE] + NamespaceWord.QUEUE_ITEM_LIMIT] || this.#itemLimit;
      if (words[queue + COUNT] >= limit) return EnqueueResult.QUEUE_FULL;
      const block = arena.allocate((ITEM - 1) * 4 + item.length);
      if (block === 0) return EnqueueResult.HEAP_FULL;
      if (!charge(arena, words[queue + NAMESPACE], ITEM_OVERHEAD_BYTES + item.length)) {
        arena.free(block);
        return EnqueueResult.OVER_BUDGET;
      }
      arena.put(block + ITEM_NEXT, 0);
      arena.put(block + ITEM_LENGTH, item.length);
      arena.bytes.set(item, (block + ITEM) * 4);
      const tail = words[queue + TAIL];
      arena.put(tail === 0 ? queue + HEAD : tail + ITEM_NEXT, block);
      arena.put(queue + TAIL, block);
      arena.put(queue + COUNT, words[queue + COUNT] + 1);
      owner = words[queue + OWNER];
      if (owner !== 0) arena.put(queue + PENDING, words[queue + PENDING] + 1);
      return EnqueueResult.OK;
    });
    if (owner !== 0) {
      Atomics.add(words, ArenaWord.MAILBOXES + owner, 1);
      Atomics.notify(words, ArenaWord.MAILBOXES + owner);
    }
    return result;
  }

  /** Undefined for an unknown token, null for an empty queue. */
  dequeue(token: number): Uint8Array | null | undefined {
    const arena = this.#arena;
    const { words } = arena;
    return arena.transact(() => {
      const queue = this.#byToken(token);
      if (queue === 0) return undefined;
      const block = words[queue + HEAD];
      if (block === 0) return null;
      const at = (block + ITEM) * 4;
      const item = Buffer.from(arena.bytes.subarray(at, at + words[block + ITEM_LENGTH]));
      this.#dropHead(queue);
      return item;
    });
  }

  /** Tokens of this thread's queues with the number of items enqueued since the last call; [] when that is all. */
  takeNotices(): { token: number; count: number }[] {
    const arena = this.#arena;
    const { words } = arena;
    return arena.transact(() => {
      const notices: { token: number; count: number }[] = [];
      for (let queue = words[ArenaWord.QUEUES]; queue !== 0; queue = words[queue + NEXT]) {
        if (notices.length === QUEUES_PER_TRANSACTION) break;
        if (words[queue + OWNER] !== arena.owner || words[queue + PENDING] === 0) continue;
        notices.push({ token: words[queue + TOKEN], count: words[queue + PENDING] });
        arena.put(queue + PENDING, 0);
      }
      return notices;
    });
  }

  /**
   * Calls `onItem` once for every item that arrives in a queue of this thread, from the event loop, until the result
   * is called. Does not keep the thread alive.
   */
  listen(onItem: (token: number) => void): () => void {
    const { words, owner } = this.#arena;
    const mailbox = ArenaWord.MAILBOXES + owner;
    let open = true;
    const wait = async (): Promise<void> => {
      while (open) {
        const seen = Atomics.load(words, mailbox);
        const notices = this.takeNotices();
        for (const { token, count } of notices) for (let i = 0; i < count && open; i++) onItem(token);
        // A queue whose reader fills it again must not keep the thread from everything else.
        if (notices.length > 0) await new Promise(resolve => setImmediate(resolve));
        else await Atomics.waitAsync(words, mailbox, seen).value;
      }
    };
    void wait();
    return () => {
      open = false;
      Atomics.notify(words, mailbox);
    };
  }

  /** After a thread has ended: its queues have no owner until somebody registers them again. */
  releaseOwner(deadOwner: number): void {
    const arena = this.#arena;
    const { words } = arena;
    const releaseSome = (): boolean => {
      let released = 0;
      for (let queue = words[ArenaWord.QUEUES]; queue !== 0; queue = words[queue + NEXT]) {
        if (words[queue + OWNER] !== deadOwner) continue;
        if (released++ === QUEUES_PER_TRANSACTION) return true;
        arena.put(queue + OWNER, 0);
        arena.put(queue + PENDING, 0);
      }
      return false;
    };
    while (arena.transact(releaseSome));
  }

  /** Drops the queues of a namespace with their items; when its last VM is gone. */
  dropNamespace(namespace: string): void {
    const arena = this.#arena;
    while (
      arena.transact(() => {
        const space = findNamespace(arena, encodeName(namespace), false);
        return space !== 0 && this.#dropSome(space);
      })
    );
  }

  /** One item or, when it is empty, the queue itself per transaction: others want the lock, too. */
  #dropSome(space: number): boolean {
    const arena = this.#arena;
    const { words } = arena;
    let slot: number = ArenaWord.QUEUES;
    while (words[slot] !== 0 && words[words[slot] + NAMESPACE] !== space) slot = words[slot] + NEXT;
    const queue = words[slot];
    if (queue === 0) return false;
    if (words[queue + HEAD] !== 0) {
      this.#dropHead(queue);
      return true;
    }
    charge(arena, space, -words[queue + NAME_LENGTH]);
    arena.put(slot, words[queue + NEXT]);
    arena.free(queue);
    return true;
  }

  #dropHead(queue: number): void {
    const arena = this.#arena;
    const { words } = arena;
    const block = words[queue + HEAD];
    const next = words[block + ITEM_NEXT];
    charge(arena, words[queue + NAMESPACE], -(ITEM_OVERHEAD_BYTES + words[block + ITEM_LENGTH]));
    arena.put(queue + HEAD, next);
    if (next === 0) arena.put(queue + TAIL, 0);
    arena.put(queue + COUNT, words[queue + COUNT] - 1);
    arena.free(block);
  }

  #find(space: number, name: Buffer): number {
    const { words } = this.#arena;
    for (let queue = words[ArenaWord.QUEUES]; queue !== 0; queue = words[queue + NEXT]) {
      const found =
        words[queue + NAMESPACE] === space &&
        words[queue + NAME_LENGTH] === name.length &&
        holdsBytes(this.#arena, queue, NAME, name);
      if (found) return queue;
    }
    return 0;
  }

  #byToken(token: number): number {
    const { words } = this.#arena;
    let queue = words[ArenaWord.QUEUES];
    while (queue !== 0 && words[queue + TOKEN] !== token) queue = words[queue + NEXT];
    return queue;
  }

  #create(space: number, name: Buffer): number {
    const arena = this.#arena;
    const queue = arena.allocate((NAME - 1) * 4 + name.length);
    if (queue === 0) return 0;
    const token = arena.words[ArenaWord.NEXT_TOKEN];
    arena.put(ArenaWord.NEXT_TOKEN, token + 1);
    arena.put(queue + NEXT, arena.words[ArenaWord.QUEUES]);
    arena.put(queue + NAMESPACE, space);
    arena.put(queue + TOKEN, token);
    for (const field of [OWNER, PENDING, COUNT, HEAD, TAIL]) arena.put(queue + field, 0);
    arena.put(queue + NAME_LENGTH, name.length);
    arena.bytes.set(name, (queue + NAME) * 4);
    // The name counts, so that a namespace with queues is never taken for an empty one.
    arena.put(ArenaWord.QUEUES, queue);
    charge(arena, space, name.length);
    return queue;
  }
}
