// LEAST_REQUEST: with equal weights the least busy of a few random hosts; with different weights earliest deadline
// first, the weight shrinking with the requests in hand. Counts are those of this worker.

import type { Host } from '../host.ts';
import { emptyPicker, type HostPicker } from './load-balancer.ts';
import { equalWeights, weightedPicker } from './round-robin.ts';
import type { SlowStart } from './slow-start.ts';

export interface LeastRequestSettings {
  /** Random hosts compared per pick, at least 2. */
  readonly choiceCount: number;
  /** How strongly requests in hand reduce a weight; 0 ignores them. */
  readonly activeRequestBias: number;
  /** Compare all hosts. */
  readonly fullScan: boolean;
  readonly slowStart: SlowStart | null;
}

class ChoicesPicker implements HostPicker {
  readonly #hosts: readonly Host[];
  readonly #choiceCount: number;
  readonly #random: () => number;

  constructor(hosts: readonly Host[], choiceCount: number, random: () => number) {
    this.#hosts = hosts;
    this.#choiceCount = choiceCount;
    this.#random = random;
  }

  pick(): Host {
    const hosts = this.#hosts;
    let best = hosts[Math.floor(this.#random() * hosts.length)]!;
    for (let i = 1; i < this.#choiceCount; i++) {
      const other = hosts[Math.floor(this.#random() * hosts.length)]!;
      if (other.activeRequests < best.activeRequests) best = other;
    }
    return best;
  }
}

class ScanPicker implements HostPicker {
  readonly #hosts: readonly Host[];
  readonly #random: () => number;

  constructor(hosts: readonly Host[], random: () => number) {
    this.#hosts = hosts;
    this.#random = random;
  }

  /** Of several equally idle hosts each has the same chance. */
  pick(): Host {
    let best = this.#hosts[0]!;
    let equals = 0;
    for (const host of this.#hosts) {
      if (host.activeRequests > best.activeRequests) continue;
      equals = host.activeRequests < best.activeRequests ? 1 : equals + 1;
      if (equals === 1 || this.#random() * equals < 1) best = host;
    }
    return best;
  }
}

export function leastRequest(
  hosts: readonly Host[],
  settings: LeastRequestSettings,
  random: () => number,
): HostPicker {
  if (hosts.length === 0) return emptyPicker;
  const { slowStart, activeRequestBias: bias } = settings;
  if (slowStart === null && equalWeights(hosts))
    return settings.fullScan
      ? new ScanPicker(hosts, random)
      : new ChoicesPicker(hosts, settings.choiceCount, random);
  const weightOf = (host: Host) => {
    const idle = host.activeRequests + 1;
    const weight = bias === 1 ? host.weight / idle : host.weight / idle ** bias;
    return slowStart === null ? weight : weight * slowStart.factor(host);
  };
  return weightedPicker(hosts, weightOf, random);
}
