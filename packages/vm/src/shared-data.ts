// The values plugins share, in the memory of one thread. A proxy with several workers gives them a store over shared
// memory instead; this one serves single threads, tests and scratch VMs.

import { Status } from '@dragoman/abi';
import type { SharedData } from './vm-host.ts';

interface Entry {
  readonly value: Uint8Array;
  readonly cas: number;
}

export class LocalSharedData implements SharedData {
  readonly #spaces = new Map<string, Map<string, Entry>>();
  /** One counter for all keys, as in the reference host; never 0. */
  #nextCas = 1;

  get(vmId: string, key: string): Entry | null {
    return this.#spaces.get(vmId)?.get(key) ?? null;
  }

  set(vmId: string, key: string, value: Buffer, cas: number): Status {
    let space = this.#spaces.get(vmId);
    if (space === undefined) this.#spaces.set(vmId, (space = new Map()));
    const existing = space.get(key);
    if (cas !== 0 && existing !== undefined && existing.cas !== cas) return Status.CasMismatch;
    space.set(key, { value, cas: this.#nextCas });
    this.#nextCas = (this.#nextCas + 1) >>> 0 || 1;
    return Status.Ok;
  }
}
