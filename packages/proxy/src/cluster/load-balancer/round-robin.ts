// ROUND_ROBIN: rotation when all weights are equal, earliest-deadline-first when they differ.

import type { Host } from '../host.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import { emptyPicker, type HostPicker } from './load-balancer.ts';
import type { SlowStart } from './slow-start.ts';

class RotationPicker implements HostPicker {
  readonly #hosts: readonly Host[];
  #next: number;

  constructor(hosts: readonly Host[], random: () => number) {
    this.#hosts = hosts;
    this.#next = Math.floor(random() * hosts.length);
  }

  pick(): Host {
    const host = this.#hosts[this.#next]!;
    if (++this.#next === this.#hosts.length) this.#next = 0;
    return host;
  }
}

class WeightedPicker implements HostPicker {
  readonly #scheduler: EdfScheduler<Host>;

  constructor(hosts: readonly Host[], weightOf: (host: Host) => number, random: () => number) {
    this.#scheduler = new EdfScheduler(hosts, weightOf, random);
  }

  pick(): Host | null {
    return this.#scheduler.pick();
  }
}

export function equalWeights(hosts: readonly Host[]): boolean {
  return hosts.every(host => host.weight === hosts[0]!.weight);
}

/** Hosts by `weightOf`, evenly spread; shared with LEAST_REQUEST. */
export function weightedPicker(
  hosts: readonly Host[],
  weightOf: (host: Host) => number,
  random: () => number,
): HostPicker {
  return new WeightedPicker(hosts, weightOf, random);
}

export function roundRobin(
  hosts: readonly Host[],
  slowStart: SlowStart | null,
  random: () => number,
): HostPicker {
  if (hosts.length === 0) return emptyPicker;
  if (slowStart !== null) return weightedPicker(hosts, host => host.weight * slowStart.factor(host), random);
  return equalWeights(hosts)
    ? new RotationPicker(hosts, random)
    : weightedPicker(hosts, host => host.weight, random);
}
