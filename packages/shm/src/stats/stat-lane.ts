// One thread's counters, gauges and histograms in shared memory. The owning thread is the only writer, so an
// increment is a plain load, add and store; the main thread sums the lanes when somebody asks.

import { assert, DragomanError } from '@dragoman/base';
import { DefinitionKind, DefinitionWriter } from './definition-log.ts';
import { BUCKET_COUNT, bucketOf } from './histogram-buckets.ts';
import { HISTOGRAM_UNITS, type HistogramUnit } from './histogram-snapshot.ts';

/** Goes to the owning thread as it is (structured clone shares it). */
export interface StatLaneMemory {
  readonly buffer: SharedArrayBuffer;
}

export interface StatLaneOptions {
  /** Eight bytes each, used only once touched. A counter takes one, a gauge two, a histogram 1002. */
  readonly slotCapacity?: number;
  /** Ring of names on their way to the main thread; a power of two. */
  readonly logBytes?: number;
}

/** A million slots are room for a thousand histograms; untouched pages cost address space only. */
const DEFAULT_SLOT_CAPACITY = 1 << 20;
const DEFAULT_LOG_BYTES = 1 << 22;

const HEADER_BYTES = 64;
/** Fields of the header, as Int32 indices. */
const Header = { SLOT_CAPACITY: 0, LOG_BYTES: 1, LOG_POSITIONS: 2, OWNED: 4 } as const;

/** A histogram block: sum, count, buckets. */
export const HISTOGRAM_SLOTS = 2 + BUCKET_COUNT;
const GAUGE_SLOTS = 2;

/** Stats for which there was no room write here, and nobody reads it. */
const SINK_SLOT = 0;
/** Counts definitions that found the lane full. */
const OVERFLOW_SLOT = HISTOGRAM_SLOTS;
const FIRST_SLOT = OVERFLOW_SLOT + 1;

/** The counter that says how many stats had to be left out because their lane was full. */
export const LANE_OVERFLOW_STAT = 'dragoman.stat_lane_overflow';

interface Entry {
  readonly kind: DefinitionKind;
  readonly slot: number;
}

export interface LaneViews {
  readonly slots: Float64Array;
  readonly positions: Int32Array;
  readonly log: Buffer;
  readonly header: Int32Array;
}

/** The parts of a lane's memory. */
export function laneViews(memory: StatLaneMemory): LaneViews {
  const header = new Int32Array(memory.buffer, 0, HEADER_BYTES / 4);
  const slotCapacity = header[Header.SLOT_CAPACITY];
  const logBytes = header[Header.LOG_BYTES];
  return {
    header,
    positions: header.subarray(Header.LOG_POSITIONS, Header.LOG_POSITIONS + 2),
    slots: new Float64Array(memory.buffer, HEADER_BYTES, slotCapacity),
    log: Buffer.from(memory.buffer, HEADER_BYTES + slotCapacity * 8, logBytes),
  };
}

/** The writing end of a lane. Define stats when configuration is applied, write them on the hot path. */
export class StatLane {
  /** For code that adds several values at once: `slots[index] += n` is what the methods do. */
  readonly slots: Float64Array;
  readonly #log: DefinitionWriter;
  readonly #entries = new Map<string, Entry>();
  /** Slots of removed stats, by how many slots they had. */
  readonly #free = new Map<number, number[]>();
  #used = FIRST_SLOT;

  /** Takes the lane for the calling thread; ERR_DRAGOMAN_STAT_LANE_OWNED if another has it already. */
  constructor(memory: StatLaneMemory) {
    const views = laneViews(memory);
    if (Atomics.compareExchange(views.header, Header.OWNED, 0, 1) !== 0)
      throw new DragomanError('STAT_LANE_OWNED', 'a stat lane has one writer, and this one has it already');
    this.slots = views.slots;
    this.#log = new DefinitionWriter(views.positions, views.log);
  }

  /** Memory for one thread's lane; made on the main thread. */
  static create(options: StatLaneOptions = {}): StatLaneMemory {
    const slotCapacity = options.slotCapacity ?? DEFAULT_SLOT_CAPACITY;
    const logBytes = options.logBytes ?? DEFAULT_LOG_BYTES;
    assert(slotCapacity >= FIRST_SLOT, `a stat lane needs ${FIRST_SLOT} slots at least`);
    const buffer = new SharedArrayBuffer(HEADER_BYTES + slotCapacity * 8 + logBytes);
    const header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    header[Header.SLOT_CAPACITY] = slotCapacity;
    header[Header.LOG_BYTES] = logBytes;
    return { buffer };
  }

  /** Slot of a counter, defined on first use. Names are Envoy's ("cluster.app.upstream_rq_total"). */
  counter(name: string): number {
    return this.#define(DefinitionKind.COUNTER, name, 1, 0);
  }

  /** Slot of a gauge: increments here, decrements in the next one. */
  gauge(name: string): number {
    return this.#define(DefinitionKind.GAUGE, name, GAUGE_SLOTS, 0);
  }

  /** First slot of a histogram's block, for record(). */
  histogram(name: string, unit: HistogramUnit): number {
    return this.#define(DefinitionKind.HISTOGRAM, name, HISTOGRAM_SLOTS, HISTOGRAM_UNITS.indexOf(unit));
  }

  /** Sets a stat that is a text (of at most 65535 bytes). */
  textReadout(name: string, value: string): void {
    this.#log.write({ kind: DefinitionKind.TEXT_READOUT, unit: 0, slot: 0, name, text: value });
  }

  inc(counter: number): void {
    this.slots[counter] += 1;
  }

  add(counter: number, count: number): void {
    this.slots[counter] += count;
  }

  gaugeInc(gauge: number): void {
    this.slots[gauge] += 1;
  }

  gaugeDec(gauge: number): void {
    this.slots[gauge + 1] += 1;
  }

  gaugeAdd(gauge: number, count: number): void {
    this.slots[gauge] += count;
  }

  gaugeSub(gauge: number, count: number): void {
    this.slots[gauge + 1] += count;
  }

  /** Sets a gauge that only one thread writes. Offset by one, so that a gauge set to 0 shows as used. */
  gaugeSet(gauge: number, value: number): void {
    this.slots[gauge] = value + 1;
    this.slots[gauge + 1] = 1;
  }

  /** Records a whole, non-negative value in the histogram's unit; fractions are cut off. */
  record(histogram: number, value: number): void {
    const slots = this.slots;
    slots[histogram] += value;
    slots[histogram + 1] += 1;
    slots[histogram + 2 + bucketOf(value)] += 1;
  }

  /** Removes the stats whose names begin with `prefix`; their slot numbers must not be used any more. */
  removeScope(prefix: string): void {
    for (const [name, entry] of this.#entries) {
      if (!name.startsWith(prefix)) continue;
      this.#entries.delete(name);
      this.#log.write({ kind: DefinitionKind.REMOVAL, unit: entry.kind, slot: entry.slot, name, text: '' });
      const size = slotsOf(entry.kind);
      if (entry.slot === SINK_SLOT) continue;
      this.slots.fill(0, entry.slot, entry.slot + size);
      const free = this.#free.get(size);
      if (free === undefined) this.#free.set(size, [entry.slot]);
      else free.push(entry.slot);
    }
  }

  /** Hands on names that found the log full; call it now and then (once a second is plenty). */
  publish(): void {
    this.#log.publish();
  }

  #define(kind: DefinitionKind, name: string, size: number, unit: number): number {
    const known = this.#entries.get(name);
    if (known !== undefined) {
      if (known.kind === kind) return known.slot;
      throw new DragomanError('STAT_KIND', `the stat ${name} exists already with another type`);
    }
    const slot = this.#allocate(size);
    this.#entries.set(name, { kind, slot });
    if (slot !== SINK_SLOT) this.#log.write({ kind, unit, slot, name, text: '' });
    return slot;
  }

  #allocate(size: number): number {
    const recycled = this.#free.get(size)?.pop();
    if (recycled !== undefined) return recycled;
    if (this.#used + size > this.slots.length) {
      if (this.slots[OVERFLOW_SLOT] === 0)
        this.#log.write({
          kind: DefinitionKind.COUNTER,
          unit: 0,
          slot: OVERFLOW_SLOT,
          name: LANE_OVERFLOW_STAT,
          text: '',
        });
      this.slots[OVERFLOW_SLOT] += 1;
      return SINK_SLOT;
    }
    const slot = this.#used;
    this.#used += size;
    return slot;
  }
}

function slotsOf(kind: DefinitionKind): number {
  if (kind === DefinitionKind.HISTOGRAM) return HISTOGRAM_SLOTS;
  return kind === DefinitionKind.GAUGE ? GAUGE_SLOTS : 1;
}
