// Copies a code section with checks inserted at the places that were found, and one function added at the end. Pure.

import type { CodeMap } from './code-scan.ts';
import { unsignedLebLength } from './encoding.ts';

/** What is inserted. */
export interface Insertions {
  readonly map: CodeMap;
  /** 1 for functions with a check at their entry. */
  readonly entries: Uint8Array;
  readonly check: Uint8Array;
  /** Goes behind every memory.grow; empty for nothing. */
  readonly afterGrow: Uint8Array;
  /** Body of the added function; null for none. */
  readonly addedBody: readonly number[] | null;
}

/** Copying a short run byte by byte beats the call. */
const SHORT_RUN_BYTES = 40;
const SECTION_HEAD_BYTES = 6;

/** The code section as it is to be, with its head. */
export function writeCode(source: Uint8Array, insertions: Insertions): Uint8Array {
  return new CodeWriter(source, insertions).run();
}

class CodeWriter {
  readonly #source: Buffer;
  readonly #insertions: Insertions;
  readonly #grownSizes: Float64Array;
  readonly #target: Buffer;
  #at = SECTION_HEAD_BYTES;

  constructor(source: Uint8Array, insertions: Insertions) {
    this.#source = Buffer.from(source.buffer, source.byteOffset, source.length);
    this.#insertions = insertions;
    const { map, addedBody } = insertions;
    this.#grownSizes = new Float64Array(map.functionCount);
    let total = SECTION_HEAD_BYTES + 5 + (addedBody === null ? 0 : 5 + addedBody.length);
    for (let f = 0; f < map.functionCount; f++) {
      const size = this.#grownSize(f);
      this.#grownSizes[f] = size;
      total += size + unsignedLebLength(size);
    }
    this.#target = Buffer.alloc(total);
  }

  run(): Uint8Array {
    const { map, addedBody } = this.#insertions;
    this.#number(map.functionCount + (addedBody === null ? 0 : 1));
    for (let f = 0; f < map.functionCount; f++) this.#function(f);
    if (addedBody !== null) {
      this.#number(addedBody.length);
      this.#insert(Uint8Array.from(addedBody));
    }
    const target = this.#target;
    target[0] = 10;
    const end = this.#at;
    this.#at = 1;
    // Five bytes whatever the size, so that nothing has to move.
    let size = end - SECTION_HEAD_BYTES;
    for (let i = 0; i < 4; i++) {
      target[this.#at++] = (size & 0x7f) | 0x80;
      size >>>= 7;
    }
    target[this.#at] = size;
    return target.subarray(0, end);
  }

  #grownSize(f: number): number {
    const { map, entries, check, afterGrow } = this.#insertions;
    const { values } = map.marks;
    let size = map.bodyEnds[f] - map.bodyStarts[f] + (entries[f] === 1 ? check.length : 0);
    for (let i = map.firstMarks[f]; i < map.firstMarks[f + 1]; i++)
      size += (values[i] & 1) === 1 ? afterGrow.length : check.length;
    return size;
  }

  #function(f: number): void {
    const { map, entries, check, afterGrow } = this.#insertions;
    const { values } = map.marks;
    const last = map.firstMarks[f + 1];
    let from = map.bodyStarts[f];
    this.#number(this.#grownSizes[f]);
    if (entries[f] === 1) {
      this.#copy(from, map.codeStarts[f]);
      from = map.codeStarts[f];
      this.#insert(check);
    }
    for (let i = map.firstMarks[f]; i < last; i++) {
      const mark = values[i];
      this.#copy(from, mark >> 1);
      from = mark >> 1;
      this.#insert((mark & 1) === 1 ? afterGrow : check);
    }
    this.#copy(from, map.bodyEnds[f]);
  }

  #copy(from: number, to: number): void {
    const source = this.#source;
    const target = this.#target;
    if (to - from > SHORT_RUN_BYTES) {
      source.copy(target, this.#at, from, to);
      this.#at += to - from;
      return;
    }
    let at = this.#at;
    while (from < to) target[at++] = source[from++];
    this.#at = at;
  }

  #insert(code: Uint8Array): void {
    const target = this.#target;
    let at = this.#at;
    for (let i = 0; i < code.length; i++) target[at++] = code[i];
    this.#at = at;
  }

  #number(value: number): void {
    const target = this.#target;
    while (value > 0x7f) {
      target[this.#at++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    target[this.#at++] = value;
  }
}
