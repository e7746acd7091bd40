// When an instance that is well is to be replaced: how old it is, how many streams and how much memory it has seen. It says
// itself when the next look is worth while, so that requests compare two numbers and no more.

import type { Vm } from '@dragoman/vm';
import type { RecycleRules } from './plugin-limits.ts';
import type { RecycleReason } from './plugin-stats.ts';

/** Streams between two looks at an instance whose memory does not grow. */
const MAX_INTERVAL = 64;
/** Looks at one that grows, on its way to the limit. */
const LOOKS_BEFORE_LIMIT = 4;

export class InstanceWear {
  /** The number of streams at which it is worth while to look again. */
  inspectAt = 1;
  readonly #vm: Vm;
  readonly #rules: RecycleRules;
  readonly #startMs: number;
  readonly #startBytes: number;
  #bytes: number;
  #streams = 0;
  #interval = 1;

  constructor(vm: Vm, rules: RecycleRules, nowMs: number) {
    this.#vm = vm;
    this.#rules = rules;
    this.#startMs = nowMs;
    this.#startBytes = this.#bytes = vm.memoryBytes;
  }

  /** Why it is due, or null. */
  reasonToRecycle(nowMs: number): RecycleReason | null {
    const { memoryBytes, requests, ageMs } = this.#rules;
    if (this.#vm.streamsBegun >= requests) return 'requests';
    // One that needs as much to begin with must not be replaced for ever.
    const bytes = this.#vm.memoryBytes;
    if (bytes >= memoryBytes && bytes > this.#startBytes) return 'memory';
    return nowMs - this.#startMs >= ageMs ? 'age' : null;
  }

  /** Decides when to look again. */
  planNextLook(): void {
    const { memoryBytes, requests } = this.#rules;
    const { streamsBegun, memoryBytes: bytes } = this.#vm;
    const grown = (bytes - this.#bytes) / Math.max(1, streamsBegun - this.#streams);
    const untilLimit = (memoryBytes - bytes) / (LOOKS_BEFORE_LIMIT * grown);
    const wanted = grown > 0 ? Math.max(1, Math.floor(untilLimit)) : MAX_INTERVAL;
    this.#interval = Math.min(MAX_INTERVAL, 2 * this.#interval, wanted);
    this.#bytes = bytes;
    this.#streams = streamsBegun;
    const next = streamsBegun + this.#interval;
    this.inspectAt = streamsBegun < requests ? Math.min(next, requests) : next;
  }
}
