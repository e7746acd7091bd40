// A drain of listeners that goes on for the drain time (`/drain_listeners?graceful`): the later a response comes, the likelier
// it asks its client to close, so that not all clients come back at the same moment.

import type { Clock } from '@dragoman/base';

/** What the main thread tells the workers. */
export interface DrainPlan {
  readonly timeMs: number;
  /** All responses from now on (`--drain-strategy immediate`). */
  readonly immediate: boolean;
  /** Only listeners with traffic_direction INBOUND. */
  readonly inboundOnly: boolean;
}

export class GradualDrain {
  readonly #plan: DrainPlan;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #startMs: number;

  constructor(plan: DrainPlan, clock: Clock, random: () => number = Math.random) {
    this.#plan = plan;
    this.#clock = clock;
    this.#random = random;
    this.#startMs = clock.nowMs();
  }

  /** Whether this response ends its connection. */
  endsConnection(inbound: boolean): boolean {
    const { timeMs, immediate, inboundOnly } = this.#plan;
    if (inboundOnly && !inbound) return false;
    const elapsedMs = this.#clock.nowMs() - this.#startMs;
    return immediate || elapsedMs >= timeMs || this.#random() * timeMs < elapsedMs;
  }
}
