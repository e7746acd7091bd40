// All lanes as one list of stats: the main thread's view, for the admin pages, Prometheus and the flush.
// Values are summed when asked for; names come from the lanes' definition logs.

import { DragomanError } from '@dragoman/base';
import { type Definition, DefinitionKind, DefinitionReader } from './definition-log.ts';
import { BUCKET_COUNT } from './histogram-buckets.ts';
import {
  HISTOGRAM_UNITS,
  type HistogramSnapshot,
  HistogramStatistics,
  UNUSED_HISTOGRAMS,
} from './histogram-snapshot.ts';
import { HISTOGRAM_SLOTS, laneViews, type StatLaneMemory } from './stat-lane.ts';

export interface GaugeStat {
  readonly value: number;
  /** Was ever written, even if with 0. */
  readonly used: boolean;
}

/** Everything visible, by name. Names beginning with '@' are internal and left out. */
export interface StatSnapshot {
  readonly counters: ReadonlyMap<string, number>;
  readonly gauges: ReadonlyMap<string, GaugeStat>;
  readonly histograms: ReadonlyMap<string, HistogramSnapshot>;
  readonly textReadouts: ReadonlyMap<string, string>;
}

export type StatKind = 'counter' | 'gauge' | 'histogram' | 'text_readout';

/** One stat of the sorted list. `value` is 0 for histograms and texts, `histogram` null for the others. */
export interface StatRow {
  readonly kind: StatKind;
  readonly name: string;
  readonly value: number;
  readonly used: boolean;
  readonly histogram: HistogramSnapshot | null;
  readonly text: string;
}

interface Part {
  readonly lane: Lane;
  readonly slot: number;
}

interface Lane {
  readonly id: number;
  readonly slots: Float64Array;
  readonly log: DefinitionReader;
}

class Stat {
  readonly kind: StatKind;
  readonly name: string;
  readonly unit: number;
  parts: Part[] = [];
  /** What retired lanes had counted. */
  base = 0;
  /** The sum at the last reset_counters. */
  resetAt = 0;
  text = '';
  /** Of histograms: buckets and sum of retired lanes, the totals at the last flush, and their report. */
  baseBuckets: Float64Array | null = null;
  baseSum = 0;
  flushed: Float64Array | null = null;
  flushedCount = 0;
  flushedSum = 0;
  histogram: HistogramSnapshot | null = null;

  constructor(kind: StatKind, name: string, unit: number) {
    this.kind = kind;
    this.name = name;
    this.unit = unit;
    if (kind === 'histogram') this.histogram = UNUSED_HISTOGRAMS.get(HISTOGRAM_UNITS[unit])!;
  }

  /** Increments of all lanes; of a gauge without the decrements. */
  ups(): number {
    let sum = this.base;
    for (const part of this.parts) sum += part.lane.slots[part.slot];
    return sum;
  }

  downs(): number {
    let sum = 0;
    for (const part of this.parts) sum += part.lane.slots[part.slot + 1];
    return sum;
  }
}

const KINDS: Readonly<Record<number, StatKind>> = {
  [DefinitionKind.COUNTER]: 'counter',
  [DefinitionKind.GAUGE]: 'gauge',
  [DefinitionKind.HISTOGRAM]: 'histogram',
  [DefinitionKind.TEXT_READOUT]: 'text_readout',
};

const isInternal = (name: string): boolean => name.startsWith('@');

/** The reading end of all lanes. */
export class StatTable {
  readonly #lanes = new Map<number, Lane>();
  readonly #stats = new Map<string, Stat>();
  readonly #accepts: (name: string) => boolean;
  #sorted: Stat[] | null = null;
  #nextId = 0;

  /** `accepts` says which stats are to be seen (stats_config.stats_matcher); without it all are. */
  constructor(options: { readonly accepts?: ((name: string) => boolean) | null } = {}) {
    this.#accepts = options.accepts ?? (() => true);
  }

  /** Takes a lane in and returns its id for retireLane(). */
  addLane(memory: StatLaneMemory): number {
    const views = laneViews(memory);
    const id = this.#nextId++;
    this.#lanes.set(id, { id, slots: views.slots, log: new DefinitionReader(views.positions, views.log) });
    return id;
  }

  /** The lane's thread has ended: what it counted stays, what it held (gauges) is gone. */
  retireLane(id: number): void {
    const lane = this.#lanes.get(id);
    if (lane === undefined) throw new DragomanError('STAT_LANE_UNKNOWN', `there is no stat lane ${id}`);
    this.#readLog(lane);
    this.#lanes.delete(id);
    for (const stat of this.#stats.values()) {
      const part = stat.parts.find(each => each.lane === lane);
      if (part === undefined) continue;
      stat.parts = stat.parts.filter(each => each !== part);
      if (stat.kind === 'counter') stat.base += lane.slots[part.slot];
      if (stat.kind === 'histogram') keepHistogram(stat, part);
      if (stat.kind === 'gauge' && stat.parts.length === 0) this.#delete(stat);
    }
  }

  /** Reads the names defined since the last time; snapshot(), rows() and flush() do it by themselves. */
  refresh(): void {
    for (const lane of this.#lanes.values()) this.#readLog(lane);
  }

  /** Value of a counter or gauge as of now, internal ones included; undefined for an unknown name. */
  value(name: string): number | undefined {
    const stat = this.#stats.get(name);
    if (stat === undefined) return undefined;
    return stat.kind === 'gauge' ? stat.ups() - stat.downs() : Math.max(0, stat.ups() - stat.resetAt);
  }

  /** All visible stats, sorted by name: counters, gauges, histograms and texts in one list. */
  rows(): StatRow[] {
    this.refresh();
    this.#sorted ??= [...this.#stats.values()]
      .filter(stat => !isInternal(stat.name) && this.#accepts(stat.name))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    return this.#sorted.map(rowOf);
  }

  snapshot(): StatSnapshot {
    const counters = new Map<string, number>();
    const gauges = new Map<string, GaugeStat>();
    const histograms = new Map<string, HistogramSnapshot>();
    const textReadouts = new Map<string, string>();
    for (const { kind, name, value, used, histogram, text } of this.rows()) {
      if (kind === 'counter') counters.set(name, value);
      else if (kind === 'gauge') gauges.set(name, { value, used });
      else if (kind === 'histogram') histograms.set(name, histogram!);
      else textReadouts.set(name, text);
    }
    return { counters, gauges, histograms, textReadouts };
  }

  /** Ends a histogram interval; Envoy's stats_flush_interval (5 s). Until the first one, histograms show nothing. */
  flush(): void {
    this.refresh();
    for (const stat of this.#stats.values()) if (stat.kind === 'histogram') flushHistogram(stat);
  }

  /** Counters go back to 0; gauges and histograms stay. The lanes are not touched: they have their own writers. */
  resetCounters(): void {
    this.refresh();
    for (const stat of this.#stats.values()) if (stat.kind === 'counter') stat.resetAt = stat.ups();
  }

  #readLog(lane: Lane): void {
    lane.log.drain(definition => {
      if (definition.kind === DefinitionKind.REMOVAL) this.#remove(lane, definition);
      else this.#define(lane, definition);
    });
  }

  #define(lane: Lane, { kind, unit, slot, name, text }: Definition): void {
    const statKind = KINDS[kind];
    let stat = this.#stats.get(name);
    if (stat === undefined || stat.kind !== statKind) {
      stat = new Stat(statKind, name, unit);
      this.#stats.set(name, stat);
      this.#sorted = null;
    }
    if (statKind === 'text_readout') stat.text = text;
    else stat.parts.push({ lane, slot });
  }

  #remove(lane: Lane, { name }: Definition): void {
    const stat = this.#stats.get(name);
    if (stat === undefined) return;
    stat.parts = stat.parts.filter(part => part.lane !== lane);
    if (stat.parts.length === 0) this.#delete(stat);
  }

  #delete(stat: Stat): void {
    this.#stats.delete(stat.name);
    this.#sorted = null;
  }
}

function rowOf(stat: Stat): StatRow {
  const { kind, name, histogram, text } = stat;
  if (kind === 'histogram') return { kind, name, value: 0, used: histogram!.used, histogram, text };
  if (kind === 'text_readout') return { kind, name, value: 0, used: text !== '', histogram: null, text };
  const ups = stat.ups();
  if (kind === 'counter')
    return { kind, name, value: Math.max(0, ups - stat.resetAt), used: ups !== 0, histogram: null, text };
  const downs = stat.downs();
  return { kind, name, value: ups - downs, used: ups !== 0 || downs !== 0, histogram: null, text };
}

function addBuckets(into: Float64Array, part: Part): void {
  const { slots } = part.lane;
  for (let bucket = 0, slot = part.slot + 2; bucket < BUCKET_COUNT; bucket++, slot++)
    into[bucket] += slots[slot];
}

function keepHistogram(stat: Stat, part: Part): void {
  if (part.lane.slots[part.slot + 1] === 0) return;
  stat.baseBuckets ??= new Float64Array(HISTOGRAM_SLOTS - 2);
  addBuckets(stat.baseBuckets, part);
  stat.baseSum += part.lane.slots[part.slot];
  stat.base += part.lane.slots[part.slot + 1];
}

function flushHistogram(stat: Stat): void {
  let count = stat.base;
  let sum = stat.baseSum;
  for (const { lane, slot } of stat.parts) {
    sum += lane.slots[slot];
    count += lane.slots[slot + 1];
  }
  if (count === 0) return;
  const { unit, interval, cumulative } = stat.histogram!;
  if (count === stat.flushedCount) {
    if (interval.count > 0)
      stat.histogram = { unit, used: true, interval: HistogramStatistics.EMPTY, cumulative };
    return;
  }
  const total = stat.baseBuckets === null ? new Float64Array(BUCKET_COUNT) : stat.baseBuckets.slice();
  for (const part of stat.parts) addBuckets(total, part);
  const since = total.slice();
  if (stat.flushed !== null)
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) since[bucket] -= stat.flushed[bucket];
  stat.histogram = {
    unit,
    used: true,
    interval: HistogramStatistics.of(since, sum - stat.flushedSum),
    cumulative: HistogramStatistics.of(total, sum),
  };
  stat.flushed = total;
  stat.flushedCount = count;
  stat.flushedSum = sum;
}
