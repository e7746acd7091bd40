// The worker's side of the deadline: says in shared memory which call into a guest is running and how long it may take.
// One for each thread that runs guests, because only one call runs on a thread. The other side is watchdog.ts.

import { KillWordLayout } from './module-rewriter/inserted-code.ts';
import { nativeThreadId } from './thread-cpu-time.ts';

const CALL_NUMBER = KillWordLayout.CallNumber / 4;
const DEADLINE_MS = KillWordLayout.DeadlineMs / 4;
const GROWTH_REFUSED = KillWordLayout.GrowthRefused / 4;
const THREAD_ID = KillWordLayout.ThreadId / 4;
const MAX_NUMBER = 0x7fff_ffff;

/** Bit that the watchdog adds to the number of a call that must end. */
export const KILLED = -0x8000_0000;

/** Numbers the calls into guests on one thread. */
export class Guard {
  /** To be imported by rewritten modules, and to be given to the watchdog: shared, one page. */
  readonly memory: WebAssembly.Memory;
  readonly #words: Int32Array;
  #number: number;
  #depth = 0;

  /**
   * To be made on the thread that runs the calls. The memory of an earlier guard must not be used again from `lastNumber` 0:
   * its numbers would come a second time.
   */
  constructor(memory: WebAssembly.Memory = Guard.createMemory(), lastNumber = 0) {
    this.memory = memory;
    this.#number = lastNumber;
    this.#words = new Int32Array(memory.buffer);
    this.#words[THREAD_ID] = nativeThreadId();
  }

  /** The memory for a guard, for a thread that makes it for another. */
  static createMemory(): WebAssembly.Memory {
    return new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  }

  /**
   * Called right before guest code runs. A call inside of another has the number and the deadline of the outer one: a
   * guest that makes the host call guests must not win time by it. `deadlineMs` is an integer; 0: none.
   *
   * Plain stores are enough. The watchdog only ever swaps the number it has seen, this thread reads its own stores in
   * order, and a swap that comes too late is overwritten here or finds another number.
   */
  enter(deadlineMs: number): void {
    if (this.#depth++ !== 0) return;
    const number = this.#number === MAX_NUMBER ? 1 : this.#number + 1;
    this.#number = number;
    this.#words[DEADLINE_MS] = deadlineMs;
    this.#words[CALL_NUMBER] = number;
  }

  /**
   * Called once for every enter(), after guest code has returned or thrown. True when the watchdog has ended the call.
   * Code that returned in spite of it has met no check any more. A kill that comes between the load and the store in
   * here ends nothing and is not told.
   */
  leave(): boolean {
    const words = this.#words;
    const killed = words[CALL_NUMBER] < 0;
    if (--this.#depth === 0) words[CALL_NUMBER] = 0;
    return killed;
  }

  /** Milliseconds that the last call had; 0: no end. */
  get deadlineMs(): number {
    return this.#words[DEADLINE_MS];
  }

  /** True when a guest's memory was not allowed to grow in the call that runs or ran last. */
  get growthRefused(): boolean {
    return (this.#words[GROWTH_REFUSED] & MAX_NUMBER) === this.#number;
  }
}
