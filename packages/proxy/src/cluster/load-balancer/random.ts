// RANDOM: any host, weights ignored.

import type { Host } from '../host.ts';
import { emptyPicker, type HostPicker } from './load-balancer.ts';

class RandomPicker implements HostPicker {
  readonly #hosts: readonly Host[];
  readonly #random: () => number;

  constructor(hosts: readonly Host[], random: () => number) {
    this.#hosts = hosts;
    this.#random = random;
  }

  pick(): Host {
    return this.#hosts[Math.floor(this.#random() * this.#hosts.length)]!;
  }
}

export function randomHost(hosts: readonly Host[], random: () => number): HostPicker {
  return hosts.length === 0 ? emptyPicker : new RandomPicker(hosts, random);
}
