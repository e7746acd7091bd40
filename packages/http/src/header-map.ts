// The header map: an offset table over one immutable latin1 string (the head as it came), plus replaced values and
// appended lines. Values become strings when somebody asks; untouched lines are written back as whole runs.

import {
  type HeadTable,
  LINE_END,
  LINE_ID,
  NAME_END,
  NAME_START,
  REMOVED,
  STRIDE,
  VALUE_END,
  VALUE_START,
} from './head-table.ts';
import { ENVOY_ID_BITS, HEADER_IDS, HEADER_NAMES, HeaderId, HIDDEN_HOST_ID } from './header-names.ts';
import { isHeaderName, isHeaderValue, lowerCaseName } from './header-validation.ts';
import { hasBit, JOINED_NOWHERE } from './joined-names.ts';

const TRANSFER_ENCODING = HEADER_NAMES[HeaderId.TRANSFER_ENCODING];

// An appended line is three neighbours in #added: the text of the line, its name, its value.
const ADDED_STRIDE = 3;

// Lines that were set or added lately, validated: a plugin gives every request the same few constants. Per thread.
const KNOWN_LINES = 128;
const MAX_KNOWN_LINE = 256;
/** What no name is: the empty one must not be found. */
const NOTHING = '\0';
const knownNames: string[] = new Array<string>(KNOWN_LINES).fill(NOTHING);
const knownLowerNames: string[] = new Array<string>(KNOWN_LINES).fill('');
const knownValues: string[] = new Array<string>(KNOWN_LINES).fill('');
const knownTexts: string[] = new Array<string>(KNOWN_LINES).fill('');
const knownIds = new Uint8Array(KNOWN_LINES);

/**
 * Header lines in order. Names are lower-case; values are latin1 strings, one character a byte. Lookups accept any case.
 * A map that a parser filled is valid until the connection parses its next head: copy() what must live longer.
 */
export class HeaderMap {
  #text = '';
  #table: HeadTable | null = null;
  #replacements: string[] = [];
  #added: string[] = [];

  /**
   * A map of [name, value, name, value, ...]. Names are lower-cased, nothing is validated: for trailers, HTTP/2 and tests.
   */
  static fromPairs(pairs: readonly string[]): HeaderMap {
    return new HeaderMap().addPairs(pairs);
  }

  /** The first value of `name`. */
  get(name: string): string | undefined {
    const id = HEADER_IDS.get(name);
    if (id !== undefined) return this.getId(id);
    const lower = lowerCaseName(name);
    const line = this.#findLine(lower, 0);
    if (line >= 0) return this.#valueAt(line);
    const added = this.#findAdded(lower, 0);
    return added >= 0 ? this.#added[added + 2] : undefined;
  }

  /** All values of `name` in order. */
  getAll(name: string): string[] {
    const lower = lowerCaseName(name);
    const values: string[] = [];
    for (let i = this.#findLine(lower, 0); i >= 0; i = this.#findLine(lower, i + STRIDE)) {
      values.push(this.#valueAt(i));
    }
    for (let i = this.#findAdded(lower, 0); i >= 0; i = this.#findAdded(lower, i + ADDED_STRIDE)) {
      values.push(this.#added[i + 2]);
    }
    return values;
  }

  has(name: string): boolean {
    const id = HEADER_IDS.get(name);
    if (id !== undefined) return this.hasId(id);
    const lower = lowerCaseName(name);
    return this.#findLine(lower, 0) >= 0 || this.#findAdded(lower, 0) >= 0;
  }

  /**
   * Gives `name` this one value, in the place of its first line; further lines of the name go. False, and nothing
   * changed, when name or value are not RFC 9110 token and field value, or for transfer-encoding (the codec's own).
   */
  set(name: string, value: string): boolean {
    const slot = knownSlot(name, value);
    if (knownNames[slot] === name && knownValues[slot] === value) {
      this.#put(knownLowerNames[slot], value, knownTexts[slot]);
      return true;
    }
    const lower = lowerCaseName(name);
    if (!isSettable(lower, value)) return false;
    this.#put(lower, value, remember(slot, name, lower, value));
    return true;
  }

  /** Appends a line, or joins the value to the one line its name may have. Validated like set(). */
  add(name: string, value: string): boolean {
    const slot = knownSlot(name, value);
    if (knownNames[slot] === name && knownValues[slot] === value) {
      if (knownIds[slot] !== 0 && this.#joinTo(knownIds[slot], knownLowerNames[slot], value)) return true;
      this.#added.push(knownTexts[slot], knownLowerNames[slot], value);
      return true;
    }
    const lower = lowerCaseName(name);
    if (!isSettable(lower, value)) return false;
    const id = HEADER_IDS.get(lower) ?? 0;
    const text = remember(slot, name, lower, value);
    if (id !== 0 && this.#joinTo(id, lower, value)) return true;
    this.#added.push(text, lower, value);
    return true;
  }

  /** Removes all lines of `name`; tells how many there were. */
  remove(name: string): number {
    const lower = lowerCaseName(name);
    return this.#removeLines(lower, 0) + this.#removeAdded(lower, 0);
  }

  /**
   * Appends a trusted line without validation: `line` is exactly `name: value\r\n`. For texts made at configuration time
   * and for the proxy's own headers.
   */
  addLine(line: string, name: string, value: string): void {
    this.#added.push(line, name, value);
  }

  /** The first value of a known name. */
  getId(id: number): string | undefined {
    const line = this.#findId(id, 0);
    if (line >= 0) return this.#valueAt(line);
    const added = this.#added.length === 0 ? -1 : this.#findAdded(HEADER_NAMES[id], 0);
    return added >= 0 ? this.#added[added + 2] : undefined;
  }

  hasId(id: number): boolean {
    return this.#findId(id, 0) >= 0 || (this.#added.length > 0 && this.#findAdded(HEADER_NAMES[id], 0) >= 0);
  }

  /** Removes all lines of a known name; tells how many there were. */
  removeId(id: number): number {
    let removed = 0;
    for (let i = this.#findId(id, 0); i >= 0; i = this.#findId(id, i + STRIDE)) {
      this.#table!.lines[i + VALUE_END] = REMOVED;
      removed++;
    }
    return this.#added.length === 0 ? removed : removed + this.#removeAdded(HEADER_NAMES[id], 0);
  }

  /** False when no x-envoy-* name this package knows is in the map: removing them one by one can be skipped. */
  get hasEnvoyHeaders(): boolean {
    if (this.#table !== null) {
      const seen = this.#table.seen;
      for (let word = 0; word < seen.length; word++)
        if ((seen[word] & ENVOY_ID_BITS[word]) !== 0) return true;
    }
    for (let i = 1; i < this.#added.length; i += ADDED_STRIDE) {
      if (this.#added[i].startsWith('x-envoy-')) return true;
    }
    return false;
  }

  /** Live lines; pseudo headers do not count. */
  get lineCount(): number {
    let count = this.#added.length / ADDED_STRIDE;
    const table = this.#table;
    if (table === null) return count;
    for (let i = 0; i < table.count * STRIDE; i += STRIDE) {
      if (table.lines[i + VALUE_END] !== REMOVED && table.lines[i] !== HIDDEN_HOST_ID) count++;
    }
    return count;
  }

  /** Live lines and pseudo headers. */
  get count(): number {
    return this.lineCount;
  }

  /** Visits pseudo headers first, then the lines in order. The map must not be changed meanwhile. */
  forEach(visit: (name: string, value: string) => void): void {
    this.forEachLine(visit);
  }

  /** Visits the lines, without pseudo headers. The map must not be changed meanwhile. */
  forEachLine(visit: (name: string, value: string) => void): void {
    const table = this.#table;
    if (table !== null) {
      const lines = table.lines;
      for (let i = 0; i < table.count * STRIDE; i += STRIDE) {
        if (lines[i + VALUE_END] !== REMOVED && lines[i] !== HIDDEN_HOST_ID)
          visit(this.#nameAt(i), this.#valueAt(i));
      }
    }
    for (let i = 0; i < this.#added.length; i += ADDED_STRIDE) visit(this.#added[i + 1], this.#added[i + 2]);
  }

  /** [name, value, ...] as forEach visits them; the form node:http2 takes. */
  toPairs(): string[] {
    const pairs: string[] = [];
    this.forEach((name, value) => {
      pairs.push(name, value);
    });
    return pairs;
  }

  /** Appends [name, value, ...] lower-cased and unvalidated. Returns the map. */
  addPairs(pairs: readonly string[]): this {
    for (let i = 0; i < pairs.length; i += 2) {
      const name = lowerCaseName(pairs[i]);
      this.addLine(`${name}: ${pairs[i + 1]}\r\n`, name, pairs[i + 1]);
    }
    return this;
  }

  /** Removes every line, and pseudo headers. */
  clear(): void {
    const table = this.#table;
    if (table !== null) {
      for (let i = 0; i < table.count * STRIDE; i += STRIDE) {
        if (table.lines[i] !== HIDDEN_HOST_ID) table.lines[i + VALUE_END] = REMOVED;
      }
    }
    this.#added.length = 0;
  }

  /** The header lines as they go on the wire, without start line and without the final CR LF. */
  serialize(): string {
    let out = '';
    const table = this.#table;
    if (table !== null) {
      const lines = table.lines;
      const end = table.count * STRIDE;
      let runStart = -1;
      let runEnd = 0;
      for (let i = 0; i < end; i += STRIDE) {
        const removed = lines[i + VALUE_END] === REMOVED;
        const lineEnd = lines[i + LINE_END];
        if (!removed && lineEnd !== 0) {
          if (runStart < 0) runStart = lines[i + NAME_START];
          runEnd = lineEnd;
          continue;
        }
        if (runStart >= 0) {
          out += this.#text.substring(runStart, runEnd);
          runStart = -1;
        }
        if (!removed) out += `${this.#nameAt(i)}: ${this.#valueAt(i)}\r\n`;
      }
      if (runStart >= 0) out += this.#text.substring(runStart, runEnd);
    }
    const added = this.#added;
    for (let i = 0; i < added.length; i += ADDED_STRIDE) out += added[i];
    return out;
  }

  /** A snapshot that stays valid when the connection goes on to its next head. */
  copy(): HeaderMap {
    return this.copyLinesTo(new HeaderMap());
  }

  /** Codec only: takes over a freshly parsed head. The table stays the parser's; `text` is the head, latin1. */
  adopt(text: string, table: HeadTable): void {
    this.#text = text;
    this.#table = table;
    if (this.#replacements.length > 0) this.#replacements = [];
    if (this.#added.length > 0) this.#added = [];
    if (table.repeated) this.joinRepeated();
  }

  /** Codec only: makes one line of those whose name may have one only. */
  joinRepeated(): void {
    const { joined } = this;
    const seen = new Int32Array(joined.length);
    this.forEachLine(name => {
      const id = HEADER_IDS.get(name) ?? 0;
      if (id === 0 || !hasBit(joined, id)) return;
      seen[id >> 5] |= 1 << (id & 31);
    });
    for (let id = 1; id < HEADER_NAMES.length; id++) {
      if (!hasBit(seen, id)) continue;
      const values = this.getAll(HEADER_NAMES[id]);
      if (values.length > 1) this.#put(HEADER_NAMES[id], values.filter(value => value !== '').join(','));
    }
  }

  /** The ids of names that have one line only. */
  protected get joined(): Int32Array {
    return JOINED_NOWHERE;
  }

  #joinTo(id: number, name: string, value: string): boolean {
    if (!hasBit(this.joined, id)) return false;
    if (!this.hasId(id)) return false;
    const before = this.getAll(name).filter(each => each !== '');
    if (value !== '') this.#put(name, [...before, value].join(','));
    return true;
  }

  /** Forgets everything and every string that keeps a head alive. */
  reset(): void {
    this.#text = '';
    this.#table = null;
    if (this.#replacements.length > 0) this.#replacements = [];
    if (this.#added.length > 0) this.#added = [];
  }

  /** Copies the lines into `target`, an empty map, and returns it. */
  protected copyLinesTo<Target extends HeaderMap>(target: Target): Target {
    target.#text = this.#text;
    target.#table = this.#table === null ? null : this.#table.copy();
    target.#replacements = this.#replacements.slice();
    target.#added = this.#added.slice();
    return target;
  }

  /** Puts back a line of the head that its parser has taken out. */
  protected restoreLine(line: number, valueEnd: number): void {
    this.#table!.lines[line + VALUE_END] = valueEnd;
  }

  /** Removes the Host line that a request parser left in place. */
  protected removeHostLine(): void {
    const table = this.#table;
    if (table === null) return;
    for (let i = 0; i < table.count * STRIDE; i += STRIDE) {
      if (table.lines[i] === HIDDEN_HOST_ID) table.lines[i + VALUE_END] = REMOVED;
    }
  }

  #nameAt(line: number): string {
    const lines = this.#table!.lines;
    const id = lines[line + LINE_ID];
    if (id !== 0 && id !== HIDDEN_HOST_ID) return HEADER_NAMES[id];
    return this.#text.substring(lines[line + NAME_START], lines[line + NAME_END]);
  }

  #valueAt(line: number): string {
    const lines = this.#table!.lines;
    const start = lines[line + VALUE_START];
    return start < 0 ? this.#replacements[~start] : this.#text.substring(start, lines[line + VALUE_END]);
  }

  /** The offset of the first live line of a lower-case name at or after line offset `from`, or -1. */
  #findLine(name: string, from: number): number {
    if (this.#table === null) return -1;
    const id = HEADER_IDS.get(name);
    if (id !== undefined) return this.#findId(id, from);
    const { lines, count } = this.#table;
    const length = name.length;
    for (let i = from; i < count * STRIDE; i += STRIDE) {
      const start = lines[i + NAME_START];
      if (lines[i] !== 0 || lines[i + NAME_END] - start !== length || lines[i + VALUE_END] === REMOVED)
        continue;
      if (this.#text.startsWith(name, start)) return i;
    }
    return -1;
  }

  #findId(id: number, from: number): number {
    const table = this.#table;
    if (table === null || (table.seen[id >> 5] & (1 << (id & 31))) === 0) return -1;
    const lines = table.lines;
    for (let i = from; i < table.count * STRIDE; i += STRIDE) {
      if (lines[i] === id && lines[i + VALUE_END] !== REMOVED) return i;
    }
    return -1;
  }

  #findAdded(name: string, from: number): number {
    const added = this.#added;
    for (let i = from; i < added.length; i += ADDED_STRIDE) if (added[i + 1] === name) return i;
    return -1;
  }

  /** `text` is `name: value\r\n`. */
  #put(name: string, value: string, text = `${name}: ${value}\r\n`): void {
    const line = this.#findLine(name, 0);
    if (line >= 0) {
      const lines = this.#table!.lines;
      lines[line + VALUE_START] = ~(this.#replacements.push(value) - 1);
      lines[line + VALUE_END] = 0;
      lines[line + LINE_END] = 0;
      this.#removeLines(name, line + STRIDE);
      this.#removeAdded(name, 0);
      return;
    }
    const added = this.#findAdded(name, 0);
    if (added < 0) {
      this.#added.push(text, name, value);
      return;
    }
    this.#added[added] = text;
    this.#added[added + 2] = value;
    this.#removeAdded(name, added + ADDED_STRIDE);
  }

  #removeLines(name: string, from: number): number {
    let removed = 0;
    for (let i = this.#findLine(name, from); i >= 0; i = this.#findLine(name, i + STRIDE)) {
      this.#table!.lines[i + VALUE_END] = REMOVED;
      removed++;
    }
    return removed;
  }

  #removeAdded(name: string, from: number): number {
    let removed = 0;
    for (let i = this.#findAdded(name, from); i >= 0; i = this.#findAdded(name, i)) {
      this.#added.splice(i, ADDED_STRIDE);
      removed++;
    }
    return removed;
  }
}

/** Where a line would be among the known ones: by its lengths and last characters, in which constants differ. */
function knownSlot(name: string, value: string): number {
  const end = name.length;
  const names = end * 31 + name.charCodeAt(end - 1) * 5 + name.charCodeAt(end - 2) * 17;
  return (names + value.length + value.charCodeAt(value.length - 1) * 3) & (KNOWN_LINES - 1);
}

/** Keeps a valid line for those who come with it again, if it is not too long; its text. */
function remember(slot: number, name: string, lower: string, value: string): string {
  const text = `${lower}: ${value}\r\n`;
  if (text.length > MAX_KNOWN_LINE) return text;
  knownIds[slot] = HEADER_IDS.get(lower) ?? 0;
  knownNames[slot] = name;
  knownLowerNames[slot] = lower;
  knownValues[slot] = value;
  knownTexts[slot] = text;
  return text;
}

function isSettable(name: string, value: string): boolean {
  if (name === TRANSFER_ENCODING || !isHeaderValue(value)) return false;
  return HEADER_IDS.has(name) || isHeaderName(name);
}
