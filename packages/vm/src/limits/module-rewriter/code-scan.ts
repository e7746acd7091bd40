// One pass over the code section: where checks belong and which function calls which. Copies nothing. The loop is the
// price of loading a plugin, a few nanoseconds for each byte of code, so the commonest instructions are passed in line. Pure.

import type { Declarations } from './declarations.ts';
import { InstructionCursor } from './instruction-cursor.ts';
import { IntList } from './int-list.ts';
import {
  CALL,
  CALL_INDIRECT,
  CALL_REFERENCE,
  ENDS_STRAIGHT_LINE,
  FIRST_BULK,
  LEB,
  LOOP,
  MEMORY_ARGUMENT,
  MEMORY_GROW,
  NONE,
  OPERANDS,
  PREFIX,
} from './opcodes.ts';
import type { Section } from './section-list.ts';

/** Traits of a function. Its first instruction of control is a loop, whose check stands for one at the entry. */
export const BEGINS_WITH_LOOP = 1;
/** It calls what only the running program knows. */
export const CALLS_INDIRECTLY = 2;

/** Straight-line code longer than this gets a check of its own: at most some 50 microseconds run without one. */
export const STRAIGHT_LINE_LIMIT_BYTES = 64 * 1024;

/** What the scan found; arrays have an entry for every function, lists are cut into functions by their `first` arrays. */
export interface CodeMap {
  readonly functionCount: number;
  /** Places of the body (its locals), of its first instruction, and behind it. */
  readonly bodyStarts: Int32Array;
  readonly codeStarts: Int32Array;
  readonly bodyEnds: Int32Array;
  readonly traits: Uint8Array;
  /** Defined functions that are called directly, without those imported. */
  readonly calls: IntList;
  readonly firstCalls: Int32Array;
  /** `place << 1` of instructions to be checked before; `place << 1 | 1` behind a memory.grow. In ascending order. */
  readonly marks: IntList;
  readonly firstMarks: Int32Array;
  readonly growCount: number;
}

const NO_CODE: Section = { id: 10, head: 0, start: 0, end: 0, name: '' };

/** Scans the code section, if there is one. */
export function scanCode(
  bytes: Uint8Array,
  section: Section | undefined,
  declarations: Declarations,
): CodeMap {
  return new CodeScan(bytes, section ?? NO_CODE, declarations).run();
}

class CodeScan {
  readonly #bytes: Uint8Array;
  readonly #section: Section;
  readonly #importedFunctionCount: number;
  readonly #cursor: InstructionCursor;
  readonly #marks: IntList;
  readonly #calls = new IntList(4096);
  #growCount = 0;
  #traits = 0;
  /** Code from here on has gone too long without a check. */
  #checkDueAt = 0;

  constructor(bytes: Uint8Array, section: Section, { rules, importedFunctionCount }: Declarations) {
    this.#bytes = bytes;
    this.#section = section;
    this.#importedFunctionCount = importedFunctionCount;
    this.#cursor = new InstructionCursor(bytes, section.start, section.end, rules);
    this.#marks = new IntList((section.end - section.start) >>> 5);
  }

  run(): CodeMap {
    const cursor = this.#cursor;
    const { start, end } = this.#section;
    const functionCount = start === end ? 0 : cursor.u32();
    // Each takes a byte at least: a count that lies must not make arrays of its size.
    if (functionCount > end - start) cursor.refuse(`a code section of ${functionCount} functions is cut`);
    const map: CodeMap = {
      functionCount,
      bodyStarts: new Int32Array(functionCount),
      codeStarts: new Int32Array(functionCount),
      bodyEnds: new Int32Array(functionCount),
      traits: new Uint8Array(functionCount),
      calls: this.#calls,
      firstCalls: new Int32Array(functionCount + 1),
      marks: this.#marks,
      firstMarks: new Int32Array(functionCount + 1),
      growCount: 0,
    };
    for (let f = 0; f < functionCount; f++) this.#function(map, f);
    if (cursor.at !== end) cursor.refuse('the code section is longer than what it holds');
    map.firstCalls[functionCount] = this.#calls.length;
    map.firstMarks[functionCount] = this.#marks.length;
    return { ...map, growCount: this.#growCount };
  }

  #function(map: CodeMap, f: number): void {
    const cursor = this.#cursor;
    cursor.end = this.#section.end;
    const size = cursor.u32();
    const bodyStart = cursor.at;
    const bodyEnd = bodyStart + size;
    if (bodyEnd > cursor.end) cursor.refuse('a function is longer than its section', bodyStart);
    map.bodyStarts[f] = bodyStart;
    map.bodyEnds[f] = bodyEnd;
    map.firstCalls[f] = this.#calls.length;
    map.firstMarks[f] = this.#marks.length;
    cursor.end = bodyEnd;
    for (let groups = cursor.u32(); groups > 0; groups--) {
      cursor.u32();
      cursor.valueType();
    }
    map.codeStarts[f] = cursor.at;
    this.#traits = 0;
    cursor.at = this.#instructions(cursor.at, bodyEnd);
    map.traits[f] = this.#traits;
  }

  /** Passes the instructions from `at` to the end of the body. */
  #instructions(at: number, bodyEnd: number): number {
    const bytes = this.#bytes;
    const cursor = this.#cursor;
    const withMemory = cursor.rules.memoryCount > 0;
    let straightLine = true;
    this.#checkDueAt = at + STRAIGHT_LINE_LIMIT_BYTES;
    while (at < bodyEnd) {
      const start = at;
      const opcode = bytes[at++];
      const kind = OPERANDS[opcode];
      if (straightLine && ENDS_STRAIGHT_LINE[opcode] === 1) {
        straightLine = false;
        if (kind === LOOP) this.#traits |= BEGINS_WITH_LOOP;
      }
      if (start >= this.#checkDueAt) this.#mark(start, 0);
      if (kind === NONE) continue;
      if (kind === LEB && bytes[at] < 0x80) at++;
      // An alignment without the memory bit, and an offset of one byte.
      else if (kind === MEMORY_ARGUMENT && withMemory && bytes[at] <= 4 && bytes[at + 1] < 0x80) at += 2;
      else {
        cursor.at = at;
        this.#rare(opcode, kind, start);
        at = cursor.at;
      }
    }
    if (at !== bodyEnd) cursor.refuse('an instruction is longer than its function', at);
    return at;
  }

  /** An instruction with operands of another kind, or with a meaning for the limits. */
  #rare(opcode: number, kind: number, start: number): void {
    const cursor = this.#cursor;
    if (kind === PREFIX) kind = cursor.prefixedKind(opcode, start);
    // A chain of a million fills of the whole memory has no loop.
    if (kind >= FIRST_BULK) this.#mark(start, 0);
    cursor.operands(kind, start);
    if (kind === LOOP) this.#mark(cursor.at, 0);
    else if (kind === CALL) this.#call(cursor.callTarget, start);
    else if (kind === CALL_INDIRECT || kind === CALL_REFERENCE) this.#traits |= CALLS_INDIRECTLY;
    else if (kind === MEMORY_GROW) {
      this.#growCount++;
      this.#mark(cursor.at, 1);
    }
  }

  /** The host's functions can take long, and have no checks in them. */
  #call(target: number, start: number): void {
    if (target < this.#importedFunctionCount) this.#mark(start, 0);
    else this.#calls.push(target - this.#importedFunctionCount);
  }

  #mark(place: number, behindGrow: number): void {
    this.#marks.push((place << 1) | behindGrow);
    this.#checkDueAt = place + STRAIGHT_LINE_LIMIT_BYTES;
  }
}
