// Hosts of a cluster by priority and health: the tables that load balancers read. Rebuilt whole on every
// membership or health change, on the worker; never changed in place.

import type { Host } from './host.ts';
import { HostHealth, isExcluded } from './host-health.ts';
import type { Locality } from './host-spec.ts';

/** Hosts of one locality within one priority. */
export interface LocalityHosts {
  readonly locality: Locality;
  /** `load_balancing_weight` of the locality; 0 when not configured. */
  readonly weight: number;
  readonly hosts: Host[];
  readonly healthyHosts: Host[];
  readonly degradedHosts: Host[];
}

/** All hosts of one priority (Envoy: HostSet). */
export class HostSet {
  readonly priority: number;
  readonly hosts: readonly Host[];
  readonly healthyHosts: readonly Host[];
  readonly degradedHosts: readonly Host[];
  /** Hosts not yet checked, left out of the percentages. */
  readonly excludedCount: number;
  readonly localities: readonly LocalityHosts[];

  constructor(priority: number, hosts: readonly Host[]) {
    this.priority = priority;
    this.hosts = hosts;
    this.healthyHosts = hosts.filter(host => host.health === HostHealth.HEALTHY);
    this.degradedHosts = hosts.filter(host => host.health === HostHealth.DEGRADED);
    this.excludedCount = hosts.filter(host => isExcluded(host.healthFlags)).length;
    this.localities = groupByLocality(hosts);
  }
}

function groupByLocality(hosts: readonly Host[]): LocalityHosts[] {
  const groups = new Map<string, LocalityHosts>();
  for (const host of hosts) {
    const { region, zone, subZone } = host.locality;
    const key = `${region}\n${zone}\n${subZone}`;
    let group = groups.get(key);
    if (group === undefined) {
      group = {
        locality: host.locality,
        weight: host.localityWeight,
        hosts: [],
        healthyHosts: [],
        degradedHosts: [],
      };
      groups.set(key, group);
    }
    group.hosts.push(host);
    if (host.health === HostHealth.HEALTHY) group.healthyHosts.push(host);
    else if (host.health === HostHealth.DEGRADED) group.degradedHosts.push(host);
  }
  return [...groups.values()];
}

/** One HostSet for each priority from 0 up; a priority without hosts has an empty one. At least one entry. */
export function hostSets(hosts: readonly Host[]): HostSet[] {
  let last = 0;
  for (const host of hosts) if (host.priority > last) last = host.priority;
  const byPriority: Host[][] = Array.from({ length: last + 1 }, () => []);
  for (const host of hosts) byPriority[host.priority]!.push(host);
  return byPriority.map((members, priority) => new HostSet(priority, members));
}
