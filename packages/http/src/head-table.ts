// The offset table behind a parsed header map: one row of integers per header line, pointing into the head's text.
// Tables are taken from a pool when a head begins and given back when a connection goes idle.

import { ID_WORDS } from './header-names.ts';

/** Integers per line. */
export const STRIDE = 6;
/** Columns of a row. Offsets count from the start of the head's text. */
export const LINE_ID = 0;
export const NAME_START = 1;
export const NAME_END = 2;
/** Start of the value; ~n when the value was replaced by the map's n-th replacement. */
export const VALUE_START = 3;
/** End of the value, or REMOVED. */
export const VALUE_END = 4;
/** End of the line behind its CR LF when the line is exactly `name: value CRLF`; 0 when it must be rewritten. */
export const LINE_END = 5;

export const REMOVED = -1;

const INITIAL_LINES = 24;
/** A table that had to grow past this is dropped instead of kept: one odd client must not cost every connection. */
const KEPT_LINES = 256;
const KEPT_TABLES = 1024;

export class HeadTable {
  lines: Int32Array;
  /** Lines in use. */
  count: number;
  /** Bit set of the ids that were seen when the head was parsed; a set bit may be of a line since removed. */
  readonly seen: Int32Array;
  /** Some known name was seen more than once. */
  repeated = false;

  constructor(capacityLines: number = INITIAL_LINES) {
    this.lines = new Int32Array(capacityLines * STRIDE);
    this.count = 0;
    this.seen = new Int32Array(ID_WORDS);
  }

  clear(): void {
    this.count = 0;
    this.repeated = false;
    const seen = this.seen;
    for (let word = 0; word < seen.length; word++) seen[word] = 0;
  }

  /** Makes room for `count` lines; what the table holds is lost. */
  ensure(count: number): void {
    if (count * STRIDE > this.lines.length) this.lines = new Int32Array(count * STRIDE);
  }

  copy(): HeadTable {
    const copy = new HeadTable(Math.max(this.count, 1));
    copy.lines.set(this.lines.subarray(0, this.count * STRIDE));
    copy.count = this.count;
    copy.seen.set(this.seen);
    copy.repeated = this.repeated;
    return copy;
  }
}

/** Tables waiting for their next head; one pool per thread. */
export class HeadTablePool {
  readonly #free: HeadTable[] = [];

  take(): HeadTable {
    return this.#free.pop() ?? new HeadTable();
  }

  give(table: HeadTable): void {
    if (this.#free.length < KEPT_TABLES && table.lines.length <= KEPT_LINES * STRIDE) this.#free.push(table);
  }
}

/** The pool of this thread. */
export const threadHeadTables: HeadTablePool = new HeadTablePool();
