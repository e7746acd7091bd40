// The values plugins share, in the memory of one thread. A proxy with several workers gives them a store over shared
// memory instead; this one serves single threads, tests and scratch VMs, and has no budget.

import { Status } from '@dragoman/abi';
import type { SharedCount, SharedData } from './vm-host.ts';

interface Entry {
  readonly value: Uint8Array;
  readonly cas: number;
  readonly endMs: number;
}

const COUNT_BYTES = 8;

export class LocalSharedData implements SharedData {
  readonly #spaces = new Map<string, Map<string, Entry>>();
  readonly #nowMs: () => number;
  /** One counter for all keys, as in the reference host; never 0. */
  #nextCas = 1;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  get(vmId: string, key: string): Entry | null {
    return this.#live(vmId, key) ?? null;
  }

  set(vmId: string, key: string, value: Buffer, cas: number, ttlMs = 0): Status {
    const existing = this.#live(vmId, key);
    if (cas !== 0 && existing !== undefined && existing.cas !== cas) return Status.CasMismatch;
    this.#store(vmId, key, value, this.#endAfter(ttlMs));
    return Status.Ok;
  }

  delete(vmId: string, key: string, cas: number): Status {
    const existing = this.#live(vmId, key);
    if (existing === undefined) return Status.NotFound;
    if (cas !== 0 && existing.cas !== cas) return Status.CasMismatch;
    this.#spaces.get(vmId)!.delete(key);
    return Status.Ok;
  }

  keys(vmId: string, prefix: string): string[] {
    const keys = [...(this.#spaces.get(vmId)?.keys() ?? [])];
    return keys.filter(key => key.startsWith(prefix) && this.#live(vmId, key) !== undefined);
  }

  increment(vmId: string, key: string, delta: bigint, ttlMs = 0): SharedCount | Status {
    const existing = this.#live(vmId, key);
    if (existing !== undefined && existing.value.length !== COUNT_BYTES) return Status.BadArgument;
    const before = existing === undefined ? 0n : Buffer.from(existing.value).readBigInt64LE();
    const value = BigInt.asIntN(64, before + delta);
    const bytes = Buffer.alloc(COUNT_BYTES);
    bytes.writeBigInt64LE(value);
    return { value, cas: this.#store(vmId, key, bytes, existing?.endMs ?? this.#endAfter(ttlMs)) };
  }

  #endAfter(ttlMs: number): number {
    return ttlMs === 0 ? Number.POSITIVE_INFINITY : this.#nowMs() + ttlMs;
  }

  #live(vmId: string, key: string): Entry | undefined {
    const space = this.#spaces.get(vmId);
    const entry = space?.get(key);
    if (entry === undefined || entry.endMs > this.#nowMs()) return entry;
    space!.delete(key);
    return undefined;
  }

  #store(vmId: string, key: string, value: Uint8Array, endMs: number): number {
    let space = this.#spaces.get(vmId);
    if (space === undefined) this.#spaces.set(vmId, (space = new Map()));
    const cas = this.#nextCas;
    space.set(key, { value, cas, endMs });
    this.#nextCas = (cas + 1) >>> 0 || 1;
    return cas;
  }
}
