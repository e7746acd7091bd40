// Shared data and shared queues in memory that all threads of a process have in common, so that plugins on one worker see
// what those on another have stored. One object of each kind per thread, over the same arena.

import { Status } from '@dragoman/abi';
import {
  type Arena,
  EnqueueResult,
  RemoveResult,
  SetResult,
  SharedDataStore,
  SharedQueueStore,
} from '@dragoman/shm';
import type { SharedCount, SharedData, SharedQueues } from './vm-host.ts';

const STATUS_OF_SET: Readonly<Record<SetResult, Status>> = {
  [SetResult.OK]: Status.Ok,
  [SetResult.CAS_MISMATCH]: Status.CasMismatch,
  [SetResult.OVER_BUDGET]: Status.InternalFailure,
  [SetResult.HEAP_FULL]: Status.InternalFailure,
  [SetResult.NOT_A_NUMBER]: Status.BadArgument,
};

const STATUS_OF_REMOVE: Readonly<Record<RemoveResult, Status>> = {
  [RemoveResult.OK]: Status.Ok,
  [RemoveResult.CAS_MISMATCH]: Status.CasMismatch,
  [RemoveResult.ABSENT]: Status.NotFound,
};

const STATUS_OF_ENQUEUE: Readonly<Record<EnqueueResult, Status>> = {
  [EnqueueResult.OK]: Status.Ok,
  [EnqueueResult.UNKNOWN_TOKEN]: Status.NotFound,
  [EnqueueResult.OVER_BUDGET]: Status.InternalFailure,
  [EnqueueResult.HEAP_FULL]: Status.InternalFailure,
  [EnqueueResult.QUEUE_FULL]: Status.InternalFailure,
};

/** Shared data of a process. The budget of each VM id is the arena's. */
export class ArenaSharedData implements SharedData {
  readonly #store: SharedDataStore;

  /** `nowMs` is the same on all threads. */
  constructor(arena: Arena, nowMs?: () => number) {
    this.#store = new SharedDataStore(arena, nowMs);
  }

  get(vmId: string, key: string): { readonly value: Uint8Array; readonly cas: number } | null {
    return this.#store.get(vmId, key);
  }

  set(vmId: string, key: string, value: Buffer, cas: number, ttlMs?: number): Status {
    return STATUS_OF_SET[this.#store.set(vmId, key, value, cas, ttlMs)];
  }

  delete(vmId: string, key: string, cas: number): Status {
    return STATUS_OF_REMOVE[this.#store.remove(vmId, key, cas)];
  }

  keys(vmId: string, prefix: string): string[] {
    return this.#store.keys(vmId, prefix);
  }

  increment(vmId: string, key: string, delta: bigint, ttlMs?: number): SharedCount | Status {
    const result = this.#store.increment(vmId, key, delta, ttlMs);
    return typeof result === 'object' ? result : STATUS_OF_SET[result];
  }
}

/** Shared queues of a process; an item wakes the thread that registered the queue last. */
export class ArenaSharedQueues implements SharedQueues {
  readonly #store: SharedQueueStore;
  readonly #listeners = new Map<number, (token: number) => void>();
  #stop: (() => void) | null = null;

  constructor(arena: Arena) {
    this.#store = new SharedQueueStore(arena);
  }

  register(vmId: string, name: string, onItem: (token: number) => void): number {
    const token = this.#store.register(vmId, name);
    if (token === 0) return 0;
    this.#listeners.set(token, onItem);
    this.#stop ??= this.#store.listen(ready => this.#listeners.get(ready)?.(ready));
    return token;
  }

  resolve(vmId: string, name: string): number {
    return this.#store.resolve(vmId, name);
  }

  enqueue(token: number, item: Buffer): Status {
    return STATUS_OF_ENQUEUE[this.#store.enqueue(token, item)];
  }

  dequeue(token: number): Uint8Array | null | undefined {
    return this.#store.dequeue(token);
  }

  /** Hears of no more items. */
  close(): void {
    this.#stop?.();
    this.#stop = null;
    this.#listeners.clear();
  }
}
