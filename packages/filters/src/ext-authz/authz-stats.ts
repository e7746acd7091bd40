// Statistics of the ext_authz filter: its own under the connection manager, and those of the cluster that a request
// would have gone to.

import type { FilterContext } from '@dragoman/proxy';
import type { StatLane } from '@dragoman/shm';

const NAMES = ['ok', 'denied', 'error', 'disabled', 'failure_mode_allowed', 'invalid'] as const;
export type AuthzEvent = (typeof NAMES)[number];

type Slots = Readonly<Record<AuthzEvent, number>>;

function slotsUnder(lane: StatLane, prefix: string): Slots {
  return Object.fromEntries(NAMES.map(name => [name, lane.counter(prefix + name)])) as Slots;
}

export class AuthzStats {
  readonly #context: FilterContext;
  readonly #suffix: string;
  readonly #own: Slots;
  /** Slots by statistic; each appears with its first event, as in Envoy. */
  readonly #clusters = new Map<string, number>();

  constructor(context: FilterContext, statPrefix: string) {
    this.#context = context;
    this.#suffix = statPrefix === '' ? 'ext_authz.' : `ext_authz.${statPrefix}.`;
    this.#own = slotsUnder(context.stats, context.statPrefix + this.#suffix);
  }

  /** `cluster`: where the request would have gone; '' or an unknown name counts nothing there. */
  count(event: AuthzEvent, cluster: string): void {
    const { stats, clusters } = this.#context;
    stats.inc(this.#own[event]);
    if (cluster === '' || clusters.get(cluster) === undefined) return;
    const name = `cluster.${cluster}.${this.#suffix}${event}`;
    let slot = this.#clusters.get(name);
    if (slot === undefined) {
      slot = stats.counter(name);
      this.#clusters.set(name, slot);
    }
    stats.inc(slot);
  }
}
