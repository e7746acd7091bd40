// Chooses priority, then healthy or degraded, then (if asked to) locality, and leaves the choice of the host to the
// policy's picker. All tables are made when hosts change, so a pick in the common case, one priority with
// healthy hosts, is one call.

import type { StatLane } from '@dragoman/shm';
import type { ClusterStats } from '../cluster-stats.ts';
import type { Host } from '../host.ts';
import type { HostSet } from '../host-set.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import {
  emptyPicker,
  type HostPicker,
  type LbContext,
  type LoadBalancer,
  type PickerFactory,
} from './load-balancer.ts';
import { type PrioritySettings, priorityLoads } from './priority-load.ts';

export interface BalancerSettings extends PrioritySettings {
  /** Answer "no host" in panic instead of using all hosts. */
  readonly failTrafficOnPanic: boolean;
  /** Choose a locality by weight first. */
  readonly localityWeighted: boolean;
  /** The request's hash chooses the priority, too, so that a key sticks to its host. */
  readonly hashing: boolean;
}

/** A share of the traffic and who serves it. */
interface Source {
  /** Cumulative percent: the source takes draws below it. */
  readonly until: number;
  readonly picker: HostPicker;
  readonly panic: boolean;
}

interface WeightedLocality {
  readonly picker: HostPicker;
  readonly weight: number;
}

class LocalityPicker implements HostPicker {
  readonly #scheduler: EdfScheduler<WeightedLocality>;

  constructor(localities: readonly WeightedLocality[], random: () => number) {
    this.#scheduler = new EdfScheduler(localities, locality => locality.weight, random);
  }

  pick(context: LbContext | null, attempt: number): Host | null {
    const locality = this.#scheduler.pick();
    return locality === null ? null : locality.picker.pick(context, attempt);
  }
}

export class PriorityLoadBalancer implements LoadBalancer {
  readonly #settings: BalancerSettings;
  readonly #createPicker: PickerFactory;
  readonly #random: () => number;
  readonly #lane: StatLane;
  readonly #stats: ClusterStats;
  #sources: Source[] = [{ until: 100, picker: emptyPicker, panic: false }];
  /** The only source, where there is only one. */
  #single: Source | null = this.#sources[0]!;

  constructor(
    settings: BalancerSettings,
    createPicker: PickerFactory,
    random: () => number,
    lane: StatLane,
    stats: ClusterStats,
  ) {
    this.#settings = settings;
    this.#createPicker = createPicker;
    this.#random = random;
    this.#lane = lane;
    this.#stats = stats;
  }

  pick(context: LbContext | null): Host | null {
    const host = this.#pickOnce(context, 0);
    if (context === null || host === null || context.hostSelectionRetries === 0) return host;
    return this.#pickAnother(context, host);
  }

  rebuild(hostSets: readonly HostSet[]): void {
    const loads = priorityLoads(hostSets, this.#settings);
    const sources: Source[] = [];
    let until = 0;
    hostSets.forEach((set, i) => {
      const load = loads.healthy[i]!;
      if (load === 0) return;
      until += load;
      const panic = loads.panic[i]!;
      sources.push({ until, panic, picker: this.#sourcePicker(set, panic ? 'hosts' : 'healthyHosts') });
    });
    hostSets.forEach((set, i) => {
      const load = loads.degraded[i]!;
      if (load === 0) return;
      until += load;
      const panic = loads.panic[i]!;
      sources.push({ until, panic, picker: this.#sourcePicker(set, panic ? 'hosts' : 'degradedHosts') });
    });
    this.#sources = sources;
    this.#single = sources.length === 1 ? sources[0]! : null;
  }

  #pickOnce(context: LbContext | null, attempt: number): Host | null {
    const source = this.#single ?? this.#drawSource(context);
    if (source.panic) {
      this.#lane.inc(this.#stats.lbHealthyPanic);
      if (this.#settings.failTrafficOnPanic) return null;
    }
    return source.picker.pick(context, attempt);
  }

  #pickAnother(context: LbContext, host: Host | null): Host | null {
    for (let attempt = 1; attempt <= context.hostSelectionRetries; attempt++) {
      if (host === null || !context.shouldSelectAnother(host)) return host;
      host = this.#pickOnce(context, attempt);
    }
    return host;
  }

  #drawSource(context: LbContext | null): Source {
    const hashed = this.#settings.hashing && context?.hasHash === true;
    const draw = hashed ? percentOf(context!.hashHigh, context!.hashLow) : this.#random() * 100;
    for (const source of this.#sources) if (draw < source.until) return source;
    return this.#sources[this.#sources.length - 1]!;
  }

  #sourcePicker(set: HostSet, kind: 'hosts' | 'healthyHosts' | 'degradedHosts'): HostPicker {
    if (!this.#settings.localityWeighted || kind === 'hosts') return this.#createPicker(set[kind]);
    const localities: WeightedLocality[] = [];
    for (const locality of set.localities) {
      const usable = locality[kind];
      const available = Math.min(
        1,
        ((usable.length / locality.hosts.length) * this.#settings.overprovisioningPercent) / 100,
      );
      const weight = locality.weight * available;
      if (weight > 0) localities.push({ picker: this.#createPicker(usable), weight });
    }
    // Without any weight the localities play no part.
    if (localities.length === 0) return this.#createPicker(set[kind]);
    return localities.length === 1 ? localities[0]!.picker : new LocalityPicker(localities, this.#random);
  }
}

/** The 64-bit hash modulo 100. */
function percentOf(hashHigh: number, hashLow: number): number {
  return ((hashHigh % 100) * 96 + (hashLow % 100)) % 100; // 2 ** 32 % 100 is 96
}
