// What stats sinks are told, in Envoy's binary form: a block of counters and a block of gauges, each with its size in
// bytes, its type and its number of entries; an entry is length and bytes of the name, padding to a multiple of eight, and
// the values as 64-bit numbers. Little endian. Main thread.

const COUNTERS = 1;
const GAUGES = 2;
const BLOCK_HEAD_BYTES = 12;

/** One counter or gauge; other kinds are not told of. */
export interface SunkStat {
  readonly kind: string;
  readonly name: string;
  readonly value: number;
  /** Was ever written. */
  readonly used: boolean;
}

/** Encodes flush after flush: a counter's entry has its growth since the one before. */
export class StatsUpdateEncoder {
  readonly #flushed = new Map<string, number>();

  /** Only what has been used is told. */
  encode(stats: readonly SunkStat[]): Uint8Array {
    const counters = stats.filter(({ kind, used }) => kind === 'counter' && used);
    const gauges = stats.filter(({ kind, used }) => kind === 'gauge' && used);
    const start = blockEnd(0, counters, 2);
    const bytes = Buffer.alloc(blockEnd(start, gauges, 1));
    writeBlock(bytes, 0, start, COUNTERS, counters, stat => [stat.value, this.#growth(stat)]);
    writeBlock(bytes, start, bytes.length, GAUGES, gauges, stat => [stat.value]);
    return bytes;
  }

  /** Counters that were set back begin anew. */
  #growth({ name, value }: SunkStat): number {
    const before = this.#flushed.get(name) ?? 0;
    this.#flushed.set(name, value);
    return value < before ? value : value - before;
  }
}

const aligned = (offset: number): number => Math.ceil(offset / 8) * 8;

/** Where the block that begins at `start` ends. */
function blockEnd(start: number, stats: readonly SunkStat[], values: number): number {
  let at = start + BLOCK_HEAD_BYTES;
  for (const { name } of stats) at = aligned(at + 4 + Buffer.byteLength(name)) + 8 * values;
  return at;
}

function writeBlock(
  bytes: Buffer,
  start: number,
  end: number,
  type: number,
  stats: readonly SunkStat[],
  valuesOf: (stat: SunkStat) => readonly number[],
): void {
  bytes.writeUInt32LE(end - start, start);
  bytes.writeUInt32LE(type, start + 4);
  bytes.writeUInt32LE(stats.length, start + 8);
  let at = start + BLOCK_HEAD_BYTES;
  for (const stat of stats) {
    const length = bytes.write(stat.name, at + 4);
    bytes.writeUInt32LE(length, at);
    at = aligned(at + 4 + length);
    for (const value of valuesOf(stat)) {
      bytes.writeBigInt64LE(BigInt(Math.trunc(value)), at);
      at += 8;
    }
  }
}
