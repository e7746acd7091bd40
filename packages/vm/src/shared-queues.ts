// Queues between the plugins of one thread; the counterpart of shared-data.ts.

import { Status } from '@dragoman/abi';
import type { SharedQueues } from './vm-host.ts';

interface Queue {
  readonly token: number;
  readonly items: Uint8Array[];
  onItem: (token: number) => void;
}

export class LocalSharedQueues implements SharedQueues {
  readonly #byName = new Map<string, Queue>();
  readonly #byToken = new Map<number, Queue>();
  readonly #schedule: (notify: () => void) => void;

  /** `schedule` runs a function later, on this thread; setImmediate unless a test wants to say when. */
  constructor(schedule: (notify: () => void) => void = setImmediate) {
    this.#schedule = schedule;
  }

  register(vmId: string, name: string, onItem: (token: number) => void): number {
    const key = queueKey(vmId, name);
    let queue = this.#byName.get(key);
    if (queue === undefined) {
      queue = { token: this.#byName.size + 1, items: [], onItem };
      this.#byName.set(key, queue);
      this.#byToken.set(queue.token, queue);
    }
    queue.onItem = onItem;
    return queue.token;
  }

  resolve(vmId: string, name: string): number {
    return this.#byName.get(queueKey(vmId, name))?.token ?? 0;
  }

  enqueue(token: number, item: Buffer): Status {
    const queue = this.#byToken.get(token);
    if (queue === undefined) return Status.NotFound;
    queue.items.push(item);
    this.#schedule(() => queue.onItem(token));
    return Status.Ok;
  }

  dequeue(token: number): Uint8Array | null | undefined {
    const queue = this.#byToken.get(token);
    return queue === undefined ? undefined : (queue.items.shift() ?? null);
  }
}

const queueKey = (vmId: string, name: string): string => JSON.stringify([vmId, name]);
