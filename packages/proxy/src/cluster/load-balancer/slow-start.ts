// Slow start: a host that has just come gets a share that grows to its weight within a window.

import type { Clock } from '@dragoman/base';
import type { Cluster_SlowStartConfig } from '@dragoman/config';
import type { Host } from '../host.ts';

export class SlowStart {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #aggression: number;
  readonly #minFactor: number;

  constructor(windowMs: number, aggression: number, minWeightPercent: number, clock: Clock) {
    this.#windowMs = windowMs;
    this.#aggression = aggression;
    this.#minFactor = minWeightPercent / 100;
    this.#clock = clock;
  }

  /** What a host's weight is multiplied with now: up to 1, reached when the window is over. */
  factor(host: Host): number {
    const ageMs = this.#clock.nowMs() - host.rampStartMs;
    if (ageMs >= this.#windowMs) return 1;
    const part = Math.max(ageMs, 1) / this.#windowMs;
    return Math.max(this.#minFactor, this.#aggression === 1 ? part : part ** (1 / this.#aggression));
  }
}

/** Null when no window is configured. */
export function compileSlowStart(
  config: Cluster_SlowStartConfig | undefined,
  clock: Clock,
): SlowStart | null {
  const windowMs = config?.slowStartWindow ?? 0;
  if (windowMs <= 0) return null;
  return new SlowStart(
    windowMs,
    Math.max(config?.aggression?.defaultValue ?? 1, 0.01),
    config?.minWeightPercent?.value ?? 10,
    clock,
  );
}
