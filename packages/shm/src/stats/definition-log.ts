// The ring through which a stat lane tells the table which names its slots have: single writer (the lane's
// thread), single reader (the main thread), no messages. Values are not here; they are plain slots.

import { DragomanError } from '@dragoman/base';

export const DefinitionKind = {
  PADDING: 0,
  COUNTER: 1,
  GAUGE: 2,
  HISTOGRAM: 3,
  TEXT_READOUT: 4,
  REMOVAL: 5,
} as const;
export type DefinitionKind = (typeof DefinitionKind)[keyof typeof DefinitionKind];

/** What a thread knows about one stat of its lane. */
export interface Definition {
  readonly kind: DefinitionKind;
  readonly unit: number;
  readonly slot: number;
  readonly name: string;
  /** Only of text readouts. */
  readonly text: string;
}

/** Bytes before the name: kind, unit, name length (16 bit), slot, text length. */
const RECORD_HEAD_BYTES = 12;
const LONGEST_NAME_BYTES = 0xffff;
const LONGEST_TEXT_BYTES = 0xffff;

const WRITTEN = 0;
const READ = 1;

const aligned = (bytes: number): number => (bytes + 7) & ~7;

/** Both ends share `positions` (two Int32: written, read, both running on modulo 2^32) and `bytes` (a power of two). */
class Ring {
  protected readonly positions: Int32Array;
  protected readonly bytes: Buffer;
  protected readonly mask: number;

  constructor(positions: Int32Array, bytes: Buffer) {
    if ((bytes.length & (bytes.length - 1)) !== 0)
      throw new DragomanError(
        'STAT_LOG_SIZE',
        `the definition log must be a power of two, not ${bytes.length} bytes`,
      );
    this.positions = positions;
    this.bytes = bytes;
    this.mask = bytes.length - 1;
  }
}

/** The lane's end. What does not fit waits in this thread's heap until the reader has made room. */
export class DefinitionWriter extends Ring {
  readonly #waiting: Definition[] = [];

  write(definition: Definition): void {
    if (Buffer.byteLength(definition.name) > LONGEST_NAME_BYTES)
      throw new DragomanError(
        'STAT_NAME_LENGTH',
        `a stat name of ${definition.name.length} characters is over ${LONGEST_NAME_BYTES}`,
      );
    this.#waiting.push(definition);
    this.publish();
  }

  /** Moves waiting records into the ring as far as there is room; false while some still wait. */
  publish(): boolean {
    let done = 0;
    while (done < this.#waiting.length && this.#put(this.#waiting[done])) done++;
    if (done > 0) this.#waiting.splice(0, done);
    return this.#waiting.length === 0;
  }

  #put(definition: Definition): boolean {
    const text = Buffer.from(definition.text).subarray(0, LONGEST_TEXT_BYTES);
    const nameBytes = Buffer.byteLength(definition.name);
    const size = aligned(RECORD_HEAD_BYTES + nameBytes + text.length);
    let written = Atomics.load(this.positions, WRITTEN);
    const free = this.bytes.length - ((written - Atomics.load(this.positions, READ)) >>> 0);
    const untilEnd = this.bytes.length - (written & this.mask);
    const padding = untilEnd < size ? untilEnd : 0;
    if (free < size + padding) return false;
    if (padding > 0) {
      this.bytes[written & this.mask] = DefinitionKind.PADDING;
      written = (written + padding) | 0;
    }
    const at = written & this.mask;
    this.bytes[at] = definition.kind;
    this.bytes[at + 1] = definition.unit;
    this.bytes.writeUInt16LE(nameBytes, at + 2);
    this.bytes.writeUInt32LE(definition.slot, at + 4);
    this.bytes.writeUInt32LE(text.length, at + 8);
    this.bytes.write(definition.name, at + RECORD_HEAD_BYTES, 'utf8');
    this.bytes.set(text, at + RECORD_HEAD_BYTES + nameBytes);
    Atomics.store(this.positions, WRITTEN, (written + size) | 0);
    return true;
  }
}

/** The main thread's end. */
export class DefinitionReader extends Ring {
  /** Visits every record published since the last call, in order. */
  drain(visit: (definition: Definition) => void): void {
    const written = Atomics.load(this.positions, WRITTEN);
    let read = Atomics.load(this.positions, READ);
    while (read !== written) {
      const at = read & this.mask;
      const kind = this.bytes[at] as DefinitionKind;
      if (kind === DefinitionKind.PADDING) {
        read = (read + this.bytes.length - at) | 0;
        continue;
      }
      const nameBytes = this.bytes.readUInt16LE(at + 2);
      const textBytes = this.bytes.readUInt32LE(at + 8);
      const nameStart = at + RECORD_HEAD_BYTES;
      visit({
        kind,
        unit: this.bytes[at + 1],
        slot: this.bytes.readUInt32LE(at + 4),
        name: this.bytes.toString('utf8', nameStart, nameStart + nameBytes),
        text: this.bytes.toString('utf8', nameStart + nameBytes, nameStart + nameBytes + textBytes),
      });
      read = (read + aligned(RECORD_HEAD_BYTES + nameBytes + textBytes)) | 0;
    }
    Atomics.store(this.positions, READ, read);
  }
}
