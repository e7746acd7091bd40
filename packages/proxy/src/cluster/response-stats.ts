// Statistics that depend on the response: upstream_rq_<code>, upstream_rq_<c>xx, upstream_rq_completed and
// upstream_rq_time, with their canary., internal., external. and zone. twins. A name appears with its first
// use, as in Envoy; after that a charge is a few array stores.

import type { StatLane } from '@dragoman/shm';

/** Slots that one status of one prefix moves. */
class CodeSlots {
  readonly completed: number;
  /** "upstream_rq_2xx"; -1 for a status outside 100..599. */
  readonly group: number;
  /** "upstream_rq_200". */
  readonly code: number;

  constructor(lane: StatLane, prefix: string, status: number) {
    const known = status >= 100 && status < 600;
    this.completed = lane.counter(`${prefix}upstream_rq_completed`);
    this.group = known ? lane.counter(`${prefix}upstream_rq_${Math.floor(status / 100)}xx`) : -1;
    this.code = lane.counter(`${prefix}upstream_rq_${known ? status : 'unknown'}`);
  }
}

/** The counters of one prefix, by status. */
class CodeTable {
  readonly #lane: StatLane;
  readonly #prefix: string;
  readonly #slots: (CodeSlots | undefined)[] = [];
  #timeHistogram = -1;

  constructor(lane: StatLane, prefix: string) {
    this.#lane = lane;
    this.#prefix = prefix;
  }

  charge(status: number): void {
    const index = status >= 100 && status < 600 ? status - 100 : 500;
    let slots = this.#slots[index];
    if (slots === undefined) {
      slots = new CodeSlots(this.#lane, this.#prefix, status);
      this.#slots[index] = slots;
    }
    this.#lane.inc(slots.completed);
    if (slots.group !== -1) this.#lane.inc(slots.group);
    this.#lane.inc(slots.code);
  }

  chargeTime(timeMs: number): void {
    if (this.#timeHistogram === -1)
      this.#timeHistogram = this.#lane.histogram(`${this.#prefix}upstream_rq_time`, 'ms');
    this.#lane.record(this.#timeHistogram, timeMs);
  }
}

/** Names come from requests: they must not fill the memory of the statistics. */
const MAX_ALTERNATIVES = 64;

/** Response statistics under one root: a cluster ("cluster.app."), or a virtual cluster or route of a virtual host. */
export class ResponseStats {
  readonly #lane: StatLane;
  readonly #prefix: string;
  readonly #own: CodeTable;
  readonly #internal: CodeTable;
  readonly #external: CodeTable;
  readonly #canary: CodeTable;
  readonly #retry: CodeTable;
  readonly #zones = new Map<string, CodeTable>();
  readonly #alternatives = new Map<string, ResponseStats>();

  constructor(lane: StatLane, prefix: string) {
    this.#lane = lane;
    this.#prefix = prefix;
    this.#own = new CodeTable(lane, prefix);
    this.#internal = new CodeTable(lane, `${prefix}internal.`);
    this.#external = new CodeTable(lane, `${prefix}external.`);
    this.#canary = new CodeTable(lane, `${prefix}canary.`);
    this.#retry = new CodeTable(lane, `${prefix}retry.`);
  }

  /**
   * Counts a final response (or the local reply in its place). `fromZone` and `toZone` are this proxy's and the
   * host's zone; '' when unknown, and then no zone statistics are kept.
   */
  chargeResponse(status: number, internal: boolean, canary: boolean, fromZone = '', toZone = ''): void {
    this.#own.charge(status);
    if (internal) this.#internal.charge(status);
    else this.#external.charge(status);
    if (canary) this.#canary.charge(status);
    if (fromZone !== '' && toZone !== '') this.#zone(fromZone, toZone).charge(status);
  }

  /** Records how long the upstream took, from the end of the request to the end of the response. */
  chargeResponseTime(timeMs: number, internal: boolean, canary: boolean, fromZone = '', toZone = ''): void {
    this.#own.chargeTime(timeMs);
    if (internal) this.#internal.chargeTime(timeMs);
    else this.#external.chargeTime(timeMs);
    if (canary) this.#canary.chargeTime(timeMs);
    if (fromZone !== '' && toZone !== '') this.#zone(fromZone, toZone).chargeTime(timeMs);
  }

  /** Counts a response that was not given to the client because the request is tried again. */
  chargeRetriedResponse(status: number): void {
    this.#retry.charge(status);
  }

  /** Counts under the prefix alone, without twins: for virtual clusters and routes with a stat prefix. */
  chargePlain(status: number): void {
    this.#own.charge(status);
  }

  /** Records the time under the prefix alone, without twins. */
  chargePlainTime(timeMs: number): void {
    this.#own.chargeTime(timeMs);
  }

  /** The same statistics under another name below this one; null when there are too many names already. */
  alternative(name: string): ResponseStats | null {
    const known = this.#alternatives.get(name);
    if (known !== undefined) return known;
    if (name === '' || this.#alternatives.size >= MAX_ALTERNATIVES) return null;
    const stats = new ResponseStats(this.#lane, `${this.#prefix}${name}.`);
    this.#alternatives.set(name, stats);
    return stats;
  }

  #zone(fromZone: string, toZone: string): CodeTable {
    const key = `${fromZone}.${toZone}`;
    let table = this.#zones.get(key);
    if (table === undefined) {
      table = new CodeTable(this.#lane, `${this.#prefix}zone.${key}.`);
      this.#zones.set(key, table);
    }
    return table;
  }
}
