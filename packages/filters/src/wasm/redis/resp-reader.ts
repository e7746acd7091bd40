// Splits what a Redis server sends into whole values, byte for byte as they came: RESP2 and RESP3 by their
// specification (redis.io/docs/reference/protocol-spec), without the streamed forms no server sends.

const CR = 13;
const LF = 10;
/** Longest line: a simple string, an error, a number. */
const MAX_LINE_BYTES = 64 * 1024;
const FIRST_CAPACITY = 4096;

/** Forms of what stands between the type and the end of the line. */
const TEXT = /^[^\r\n]*$/;
const LINE_FORMS: Readonly<Record<string, RegExp>> = {
  '+': TEXT,
  '-': TEXT,
  ':': /^[+-]?\d{1,19}$/,
  _: /^$/,
  '#': /^[tf]$/,
  ',': /^(?:[+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|inf)|-?nan)$/,
  '(': /^[+-]?\d+$/,
};
/** Types with a length and bytes; and whether there is a null of RESP2 among them. */
const BULKS: Readonly<Record<string, boolean>> = { $: true, '!': false, '=': false };
/** Types with a count: values for each that is counted. */
const AGGREGATES: Readonly<Record<string, number>> = { '*': 1, '~': 1, '>': 1, '%': 2, '|': 2 };

export class RespReader {
  /** Why nothing more can be read; '' as long as all was well. */
  fault = '';
  readonly #maxBytes: number;
  #buffer = Buffer.alloc(0);
  #length = 0;
  /** Start of the value that is being read. */
  #start = 0;
  /** Where the next element of it begins. */
  #at = 0;
  /** Elements it still needs. */
  #missing = 1;

  /** A value of more than `maxBytes` is a fault. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** No value has been begun. */
  get atBoundary(): boolean {
    return this.#length === 0 && this.fault === '';
  }

  /** The values that `bytes` (borrowed) completes. Pushed messages of RESP3 answer nothing and are left out. */
  push(bytes: Uint8Array): Buffer[] {
    const values: Buffer[] = [];
    if (this.fault !== '') return values;
    this.#append(bytes);
    while (this.#at < this.#length && this.#readElement()) {
      if (this.#missing > 0) continue;
      if (this.#buffer[this.#start] !== 62)
        values.push(Buffer.from(this.#buffer.subarray(this.#start, this.#at)));
      this.#start = this.#at;
      this.#missing = 1;
    }
    this.#buffer.copyWithin(0, this.#start, this.#length);
    this.#length -= this.#start;
    this.#at -= this.#start;
    this.#start = 0;
    if (this.fault === '' && this.#length > this.#maxBytes) this.#refuse(`over ${this.#maxBytes} bytes`);
    return values;
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2, FIRST_CAPACITY));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = needed;
  }

  /** Steps over one element; false when more bytes are needed, or none help. */
  #readElement(): boolean {
    const type = String.fromCharCode(this.#buffer[this.#at]);
    const line = this.#readLine();
    if (line === null) return false;
    const end = this.#at + 1 + line.length + 2;
    const form = LINE_FORMS[type];
    if (form !== undefined) return form.test(line) ? this.#step(end, -1) : this.#refuse(`${type}${line}`);
    const nullable = BULKS[type];
    const perCount = AGGREGATES[type];
    if (nullable === undefined && perCount === undefined) return this.#refuse(`type ${JSON.stringify(type)}`);
    if (line === '-1' && (nullable === true || type === '*')) return this.#step(end, -1);
    if (!/^\d{1,10}$/.test(line) || Number(line) > this.#maxBytes) return this.#refuse(`${type}${line}`);
    const count = Number(line);
    // An attribute stands before the value it belongs to, and does not count as one.
    if (perCount !== undefined) return this.#step(end, count * perCount - (type === '|' ? 0 : 1));
    if (this.#length < end + count + 2) return false;
    if (this.#buffer[end + count] !== CR || this.#buffer[end + count + 1] !== LF)
      return this.#refuse(`${type}${line} without its end`);
    return this.#step(end + count + 2, -1);
  }

  /** What stands behind the type, without the end of the line; null: it is not there yet, or there is a fault. */
  #readLine(): string | null {
    const from = this.#at + 1;
    const limit = Math.min(this.#length, from + MAX_LINE_BYTES + 2);
    const found = this.#buffer.subarray(from, limit).indexOf(LF);
    if (found < 0) {
      if (limit - from > MAX_LINE_BYTES) this.#refuse(`line over ${MAX_LINE_BYTES} bytes`);
      return null;
    }
    if (found === 0 || this.#buffer[from + found - 1] !== CR) {
      this.#refuse('line feed alone');
      return null;
    }
    return this.#buffer.latin1Slice(from, from + found - 1);
  }

  #step(to: number, missing: number): true {
    this.#at = to;
    this.#missing += missing;
    return true;
  }

  #refuse(what: string): false {
    this.fault = `not RESP: ${what.length > 80 ? `${what.slice(0, 80)}...` : what}`;
    return false;
  }
}
