// Whole numbers by name that all threads add to and read at once: for counters and gauges whose sum a worker must know,
// where lanes (one per thread) are only summed by the main thread. Entries are found by hash and never removed.

import { DragomanError } from '@dragoman/base';

/** Goes to other threads as it is (structured clone shares it). */
export interface SharedTotalsMemory {
  readonly buffer: SharedArrayBuffer;
}

const DEFAULT_CAPACITY = 1 << 14;
const FREE = 0n;

const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;

export class SharedTotals {
  readonly #names: BigInt64Array;
  readonly #values: BigInt64Array;

  constructor({ buffer }: SharedTotalsMemory) {
    const capacity = buffer.byteLength / 16;
    this.#names = new BigInt64Array(buffer, 0, capacity);
    this.#values = new BigInt64Array(buffer, capacity * 8, capacity);
  }

  /** `capacity`: names at most; a power of two. */
  static create(capacity: number = DEFAULT_CAPACITY): SharedTotalsMemory {
    if (capacity < 1 || (capacity & (capacity - 1)) !== 0)
      throw new DragomanError('SHARED_TOTALS_SIZE', `the capacity must be a power of two, not ${capacity}`);
    return { buffer: new SharedArrayBuffer(capacity * 16) };
  }

  /** The entry of that name, made on first use by whichever thread comes first; -1: there is no room. */
  entry(name: string): number {
    const hash = hashOf(name);
    const mask = this.#names.length - 1;
    const start = Number(BigInt.asUintN(32, hash)) & mask;
    for (let step = 0; step <= mask; step++) {
      const index = (start + step) & mask;
      const found = Atomics.compareExchange(this.#names, index, FREE, hash);
      if (found === FREE || found === hash) return index;
    }
    return -1;
  }

  add(entry: number, offset: number): void {
    Atomics.add(this.#values, entry, BigInt(offset));
  }

  /** Sets the value; answers the one before. */
  exchange(entry: number, value: number): number {
    return Number(Atomics.exchange(this.#values, entry, BigInt(value)));
  }

  get(entry: number): number {
    return Number(Atomics.load(this.#values, entry));
  }
}

/** FNV-1a, 64 bit: two of the few thousand names there may be have the same one with a chance below 1e-11. */
function hashOf(name: string): bigint {
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(name, 'utf8')) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  return hash === FREE ? 1n : BigInt.asIntN(64, hash);
}
