// Which functions test the kill word at their entry. Loop heads test it anyway, so what is left is code that runs long
// without a loop: recursion, and trees of calls that fan out (f1 calls f2 twice, f2 calls f3 twice, ...). Testing
// everywhere costs recursive code 40 to 60 %; this choice 10 to 20 %, and most functions nothing. Pure.

import { BEGINS_WITH_LOOP, CALLS_INDIRECTLY, type CodeMap } from './code-scan.ts';

/** The most bytes of code that may run between two checks, apart from the function that passes the mark. */
const RUN_LIMIT_BYTES = 16 * 1024;
/** Functions that cost no more than this are not worth a check of their own: their callers get one. */
const SMALL_FUNCTION_BYTES = 256;

const UNSEEN = 0;
const OPEN = 1;
const DONE = 2;

/**
 * 1 for every function to be checked at its entry: those with an indirect call, one of every cycle of direct calls, and
 * those under which too much code would run unchecked.
 */
export function chooseEntries(map: CodeMap): Uint8Array {
  return new EntryChoice(map).run();
}

class EntryChoice {
  readonly #map: CodeMap;
  readonly #checked: Uint8Array;
  readonly #state: Uint8Array;
  /** Bytes that can run from the entry of a function without a check. */
  readonly #costs: Float64Array;
  /** Index into `calls` of the next call to follow. */
  readonly #next: Int32Array;
  readonly #stack: number[] = [];

  constructor(map: CodeMap) {
    const { functionCount } = map;
    this.#map = map;
    this.#checked = new Uint8Array(functionCount);
    this.#state = new Uint8Array(functionCount);
    this.#costs = new Float64Array(functionCount);
    this.#next = new Int32Array(functionCount);
  }

  /** A walk in depth from every function: callees are done before their callers. */
  run(): Uint8Array {
    const { functionCount, calls, firstCalls } = this.#map;
    const stack = this.#stack;
    for (let root = 0; root < functionCount; root++) {
      if (this.#state[root] === UNSEEN) this.#open(root);
      while (stack.length > 0) {
        const f = stack[stack.length - 1];
        if (this.#next[f] < firstCalls[f + 1]) this.#follow(calls.values[this.#next[f]++]);
        else {
          stack.pop();
          this.#close(f);
        }
      }
    }
    return this.#checked;
  }

  #open(f: number): void {
    const traits = this.#map.traits[f];
    this.#state[f] = OPEN;
    this.#next[f] = this.#map.firstCalls[f];
    if ((traits & CALLS_INDIRECTLY) !== 0) this.#check(f);
    this.#stack.push(f);
  }

  #follow(callee: number): void {
    if (this.#state[callee] === UNSEEN) this.#open(callee);
    // The call closes a cycle.
    else if (this.#state[callee] === OPEN) this.#check(callee);
  }

  #close(f: number): void {
    const { calls, firstCalls } = this.#map;
    this.#state[f] = DONE;
    let cost = this.#sum(f);
    if (cost > RUN_LIMIT_BYTES) {
      for (let i = firstCalls[f]; i < firstCalls[f + 1]; i++) {
        const callee = calls.values[i];
        if (this.#costs[callee] > SMALL_FUNCTION_BYTES) this.#check(callee);
      }
      cost = this.#sum(f);
      if (cost > RUN_LIMIT_BYTES) this.#check(f);
    }
    this.#costs[f] = cost;
  }

  #sum(f: number): number {
    const { bodyEnds, codeStarts, calls, firstCalls } = this.#map;
    let cost = bodyEnds[f] - codeStarts[f];
    for (let i = firstCalls[f]; i < firstCalls[f + 1]; i++) {
      const callee = calls.values[i];
      if (!this.#isChecked(callee)) cost += this.#costs[callee];
    }
    return cost;
  }

  #isChecked(f: number): boolean {
    return this.#checked[f] === 1 || (this.#map.traits[f] & BEGINS_WITH_LOOP) !== 0;
  }

  #check(f: number): void {
    if ((this.#map.traits[f] & BEGINS_WITH_LOOP) === 0) this.#checked[f] = 1;
  }
}
