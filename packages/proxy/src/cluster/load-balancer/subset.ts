// Subset balancing: hosts divided by their "envoy.lb" metadata as the selectors say, a balancer of its own for every
// subset, and the fallbacks for routes whose criteria no subset meets.

import type {
  Cluster_LbSubsetConfig_LbSubsetSelector as SelectorConfig,
  Cluster_LbSubsetConfig as SubsetSettings,
} from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import type { ClusterStats } from '../cluster-stats.ts';
import type { Host } from '../host.ts';
import { type HostSet, hostSets } from '../host-set.ts';
import type { LbContext, LoadBalancer, MetadataMatch } from './load-balancer.ts';
import { canonicalText, metadataMatchOf } from './metadata-match.ts';

interface Subset {
  readonly balancer: LoadBalancer;
  readonly hosts: Host[];
}

interface Selector {
  /** Sorted. */
  readonly keys: readonly string[];
  readonly config: SelectorConfig;
}

/** The name of a subset: its keys and values in the order of keys. */
function subsetName(criteria: MetadataMatch['criteria']): string {
  return criteria.map(([key, value]) => `${JSON.stringify(key)}=${value}`).join('&');
}

/** Every combination of values that a host has for the keys; several only where a list stands for any of its members. */
function combinations(host: Host, keys: readonly string[], listAsAny: boolean): string[] {
  const metadata = host.metadata?.filterMetadata?.['envoy.lb'];
  let names: [string, string][][] = [[]];
  for (const key of keys) {
    const value = metadata?.[key];
    if (value === undefined) return [];
    const values = listAsAny && Array.isArray(value) ? value : [value];
    names = names.flatMap(name =>
      values.map((one): [string, string][] => [...name, [key, canonicalText(one)]]),
    );
  }
  return names.map(subsetName);
}

export class SubsetLoadBalancer implements LoadBalancer {
  readonly #settings: SubsetSettings;
  readonly #createBalancer: () => LoadBalancer;
  readonly #lane: StatLane;
  readonly #stats: ClusterStats;
  readonly #selectors: readonly Selector[];
  readonly #defaultName: string | null;
  #subsets = new Map<string, Subset>();
  /** Hosts used when no subset is met; null for NO_FALLBACK. */
  #fallback: LoadBalancer | null = null;
  #any: LoadBalancer;
  #default: LoadBalancer | null = null;
  /** What the criteria of routes led to, by identity; dropped when hosts change. */
  #found = new WeakMap<MetadataMatch, Subset>();

  constructor(
    settings: SubsetSettings,
    createBalancer: () => LoadBalancer,
    lane: StatLane,
    stats: ClusterStats,
  ) {
    this.#settings = settings;
    this.#createBalancer = createBalancer;
    this.#lane = lane;
    this.#stats = stats;
    this.#selectors = settings.subsetSelectors.map(config => ({ keys: [...config.keys].sort(), config }));
    const match = settings.defaultSubset === undefined ? null : metadataMatchOf(settings.defaultSubset);
    this.#defaultName = match === null ? null : subsetName(match.criteria);
    this.#any = createBalancer();
  }

  rebuild(sets: readonly HostSet[]): void {
    const hosts = sets.flatMap(set => set.hosts);
    const members = new Map<string, Host[]>();
    for (const selector of this.#selectors)
      for (const host of hosts)
        for (const name of combinations(host, selector.keys, this.#settings.listAsAny)) {
          const list = members.get(name);
          if (list === undefined) members.set(name, [host]);
          else if (!list.includes(host) && !selector.config.singleHostPerSubset) list.push(host);
        }
    this.#adopt(members);
    this.#found = new WeakMap();
    this.#any.rebuild(sets);
    this.#default = this.#balancerFor(this.#defaultHosts(hosts), this.#default);
    const policy = this.#settings.fallbackPolicy;
    if (policy === 'ANY_ENDPOINT') this.#fallback = this.#any;
    else this.#fallback = policy === 'DEFAULT_SUBSET' ? this.#default : null;
  }

  pick(context: LbContext | null): Host | null {
    const match = context?.metadataMatch ?? null;
    if (match !== null) {
      const subset = this.#find(match);
      if (subset !== undefined) {
        this.#lane.inc(this.#stats.lbSubsetsSelected);
        return subset.balancer.pick(context);
      }
      const selector = this.#selectorOf(match);
      if (selector !== undefined && selector.config.fallbackPolicy !== 'NOT_DEFINED')
        return this.#selectorFallback(selector, match, context);
    }
    return this.#pickFallback(this.#fallback, context);
  }

  /** Keeps the balancers of subsets that stay, so that their rotation goes on. */
  #adopt(members: Map<string, Host[]>): void {
    const before = this.#subsets;
    this.#subsets = new Map();
    let created = 0;
    for (const [name, hosts] of members) {
      const known = before.get(name);
      if (known === undefined) created++;
      before.delete(name);
      const balancer = known?.balancer ?? this.#createBalancer();
      balancer.rebuild(hostSets(hosts));
      this.#subsets.set(name, { balancer, hosts });
    }
    this.#lane.add(this.#stats.lbSubsetsCreated, created);
    this.#lane.add(this.#stats.lbSubsetsRemoved, before.size);
    this.#lane.gaugeSet(this.#stats.lbSubsetsActive, this.#subsets.size);
  }

  #defaultHosts(hosts: readonly Host[]): Host[] {
    if (this.#defaultName === null) return [...hosts];
    const keys = Object.keys(this.#settings.defaultSubset!).sort();
    return hosts.filter(host =>
      combinations(host, keys, this.#settings.listAsAny).includes(this.#defaultName!),
    );
  }

  #balancerFor(hosts: readonly Host[], known: LoadBalancer | null): LoadBalancer {
    const balancer = known ?? this.#createBalancer();
    balancer.rebuild(hostSets(hosts));
    return balancer;
  }

  #find(match: MetadataMatch): Subset | undefined {
    let subset = this.#found.get(match);
    if (subset === undefined) {
      subset = this.#subsets.get(subsetName(match.criteria));
      if (subset !== undefined) this.#found.set(match, subset);
    }
    return subset;
  }

  #selectorOf(match: MetadataMatch): Selector | undefined {
    return this.#selectors.find(
      ({ keys }) =>
        keys.length === match.criteria.length && keys.every((key, i) => key === match.criteria[i]![0]),
    );
  }

  #selectorFallback(selector: Selector, match: MetadataMatch, context: LbContext | null): Host | null {
    switch (selector.config.fallbackPolicy) {
      case 'ANY_ENDPOINT':
        return this.#pickFallback(this.#any, context);
      case 'DEFAULT_SUBSET':
        return this.#pickFallback(this.#default, context);
      case 'KEYS_SUBSET': {
        const kept = new Set(selector.config.fallbackKeysSubset);
        const narrower = { criteria: match.criteria.filter(([key]) => kept.has(key)) };
        const subset = this.#subsets.get(subsetName(narrower.criteria));
        if (subset === undefined) {
          const next = this.#selectorOf(narrower);
          if (next === undefined || next === selector || next.config.fallbackPolicy === 'NOT_DEFINED')
            return this.#pickFallback(this.#fallback, context);
          return this.#selectorFallback(next, narrower, context);
        }
        this.#lane.inc(this.#stats.lbSubsetsSelected);
        return subset.balancer.pick(context);
      }
      default:
        return null;
    }
  }

  #pickFallback(balancer: LoadBalancer | null, context: LbContext | null): Host | null {
    const host = balancer?.pick(context) ?? null;
    if (host !== null) {
      this.#lane.inc(this.#stats.lbSubsetsFallback);
      return host;
    }
    if (!this.#settings.panicModeAny) return null;
    const any = this.#any.pick(context);
    if (any !== null) this.#lane.inc(this.#stats.lbSubsetsFallbackPanic);
    return any;
  }
}
