// A cluster on the main thread: where its endpoints are now (static, by DNS, or assigned by a management server),
// what is held against each, and what the workers must hear of it. Health checks and outlier detection change
// flags through here; nothing here carries traffic.

import { isIP, type Socket } from 'node:net';
import type { Clock, Logger } from '@dragoman/base';
import type { Cluster as ClusterConfig, ClusterLoadAssignment } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import { CircuitBreakers, compileThresholds, createBreakerMemory, PRIORITIES } from './circuit-breakers.ts';
import { clusterStatName } from './cluster-name.ts';
import type { ClusterSnapshot, ClusterUpdate } from './cluster-update.ts';
import { DirectoryHost } from './directory-host.ts';
import { compileDnsSettings, DnsName } from './dns-discovery.ts';
import type { DnsAnswer, DnsResolver } from './dns-resolver.ts';
import type { HealthChecker } from './health-check/health-checker.ts';
import { HealthFlag, HostHealth, healthOf, isExcluded } from './host-health.ts';
import { addressText, type EndpointSpec, endpointSpecs, HostKeys } from './host-spec.ts';
import { MembershipStats } from './membership-stats.ts';
import type { OutlierDetector } from './outlier/outlier-detector.ts';
import { UpdateMerger } from './update-merger.ts';

/** Where a cluster's endpoints come from. */
export type DiscoveryKind = 'static' | 'strict_dns' | 'logical_dns' | 'eds' | 'original_dst';

/** What clusters on the main thread use of their surroundings. */
export interface DirectoryContext {
  readonly lane: StatLane;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Number of workers. */
  readonly concurrency: number;
  /** The resolver for a cluster: its own name servers, or the system's. */
  readonly resolverFor: (config: ClusterConfig) => DnsResolver;
  /** Posts to every worker. */
  readonly post: (update: ClusterUpdate) => void;
  /** Sum of a statistic over all threads; undefined when nobody has it. */
  readonly statValue: (name: string) => number | undefined;
  /** Connections for health checks with the cluster's transport socket; without it they are plaintext. */
  readonly dial?: (cluster: DirectoryCluster, address: string, port: number, pipePath: string) => Socket;
}

/** Follows the hosts of a cluster: health checks, outlier detection. */
export interface HostWatcher {
  /** Runs before workers hear of the hosts; may set flags. */
  onHosts(added: readonly DirectoryHost[], removed: readonly DirectoryHost[]): void;
  /** Ends when the follower has had its say on the hosts there are. */
  warm(): Promise<void>;
  close(): void;
}

export function discoveryKind(config: ClusterConfig): DiscoveryKind {
  switch (config.clusterType?.name) {
    case 'envoy.clusters.strict_dns':
      return 'strict_dns';
    case 'envoy.clusters.logical_dns':
      return 'logical_dns';
  }
  switch (config.type) {
    case 'STRICT_DNS':
      return 'strict_dns';
    case 'LOGICAL_DNS':
      return 'logical_dns';
    case 'EDS':
      return 'eds';
    case 'ORIGINAL_DST':
      return 'original_dst';
    default:
      return 'static';
  }
}

export class DirectoryCluster {
  readonly config: ClusterConfig;
  readonly name: string;
  readonly statName: string;
  readonly kind: DiscoveryKind;
  readonly addedViaApi: boolean;
  readonly version: number;
  readonly stats: MembershipStats;
  /** Reading side of the workers' breakers: [DEFAULT, HIGH]. */
  readonly breakers: readonly CircuitBreakers[];
  readonly breakerMemory: SharedArrayBuffer;
  /** Ends when the cluster knows its hosts for the first time (or knows that it cannot know them). */
  readonly warm: Promise<void>;
  healthChecker: HealthChecker | null = null;
  outlierDetector: OutlierDetector | null = null;
  readonly #context: DirectoryContext;
  readonly #watchers: HostWatcher[] = [];
  #endpoints: EndpointSpec[] = [];
  /** By endpoint: addresses it stands for, null before the first answer. */
  #addresses: (readonly string[] | null)[] = [];
  #names: DnsName[] = [];
  #hosts: DirectoryHost[] = [];
  #resolveWarm: () => void = () => {};
  #published = false;
  readonly #merger: UpdateMerger;
  /** Hosts whose flags changed, and whether the list did, since the workers heard last. */
  readonly #changed = new Set<DirectoryHost>();
  #listChanged = false;
  /** Whether new hosts wait for their first health check. */
  #checked = false;

  constructor(config: ClusterConfig, version: number, addedViaApi: boolean, context: DirectoryContext) {
    this.config = config;
    this.name = config.name;
    this.statName = clusterStatName(config);
    this.version = version;
    this.addedViaApi = addedViaApi;
    this.#context = context;
    this.#merger = new UpdateMerger(
      config.commonLbConfig?.updateMergeWindow ?? 1000,
      context.clock,
      context.lane,
      priority => this.#deliver(priority),
    );
    this.breakerMemory = createBreakerMemory(context.concurrency);
    const thresholds = compileThresholds(config.circuitBreakers);
    this.breakers = PRIORITIES.map((_, i) => new CircuitBreakers(this.breakerMemory, i, thresholds[i]!, -1));
    this.stats = new MembershipStats(context.lane, `cluster.${this.statName}.`, this.breakers);
    context.lane.gaugeSet(this.stats.warmingState, 0);
    let kind = discoveryKind(config);
    const endpoints = endpointSpecs(config.loadAssignment);
    if (kind === 'static' && endpoints.some(isNamed)) {
      kind = 'strict_dns';
      const name = endpoints.find(isNamed)!.host;
      context.logger.log(
        'warning',
        'upstream',
        `cluster ${this.name}: ${name} in a STATIC cluster is no IP address; resolving it as STRICT_DNS does`,
      );
    }
    this.kind = kind;
    this.warm = new Promise(resolve => {
      this.#resolveWarm = resolve;
    });
    this.#endpoints = endpoints;
  }

  get hosts(): readonly DirectoryHost[] {
    return this.#hosts;
  }

  /** Adds a follower; before start(). `checks` says that hosts are unhealthy until the follower says otherwise. */
  watch(watcher: HostWatcher, checks: boolean): void {
    this.#watchers.push(watcher);
    if (checks) this.#checked = true;
  }

  /** Starts finding hosts. Static hosts are there when it returns. */
  start(): void {
    if (this.kind === 'eds') return;
    this.#setEndpoints(this.#endpoints);
  }

  /** From now on changes are posted; the snapshot taken at this moment has all earlier ones. */
  publish(): ClusterSnapshot {
    if (!this.#published) {
      this.#published = true;
      this.#changed.clear();
      this.#listChanged = false;
    }
    return this.snapshot();
  }

  snapshot(): ClusterSnapshot {
    return {
      config: this.config,
      version: this.version,
      hosts: this.#hosts.map(host => host.spec()),
      breakers: this.breakerMemory,
    };
  }

  /** A management server's answer for an EDS cluster; undefined when it has none and the wait is over. */
  setAssignment(assignment: ClusterLoadAssignment | undefined): void {
    this.#setEndpoints(endpointSpecs(assignment));
  }

  /** Changes health flags of hosts; workers hear of those that really changed, merged as update_merge_window says. */
  setFlags(changes: readonly (readonly [host: DirectoryHost, set: number, clear: number])[]): void {
    const priorities = new Set<number>();
    for (const [host, set, clear] of changes) {
      const flags = (host.flags & ~clear) | set;
      if (flags === host.flags) continue;
      host.flags = flags;
      this.#changed.add(host);
      priorities.add(host.endpoint.priority);
    }
    if (priorities.size === 0) return;
    this.#setGauges();
    if (this.#published) for (const priority of priorities) this.#merger.update(priority, true);
  }

  hostByKey(key: string): DirectoryHost | undefined {
    return this.#hosts.find(host => host.key === key);
  }

  close(): void {
    for (const name of this.#names) name.close();
    for (const watcher of this.#watchers) watcher.close();
    this.#merger.close();
    this.#names = [];
    this.#resolveWarm();
  }

  #setEndpoints(endpoints: EndpointSpec[]): void {
    for (const name of this.#names) name.close();
    this.#names = [];
    this.#endpoints = endpoints;
    const byName = this.kind === 'strict_dns' || this.kind === 'logical_dns';
    this.#addresses = endpoints.map(endpoint => (byName && isNamed(endpoint) ? null : [endpoint.host]));
    const first = endpoints.map((endpoint, index) =>
      this.#addresses[index] === null ? this.#resolve(endpoint, index) : null,
    );
    this.#rebuild();
    void Promise.all(first)
      .then(() => Promise.all(this.#watchers.map(watcher => watcher.warm())))
      .then(this.#resolveWarm);
  }

  #resolve(endpoint: EndpointSpec, index: number): Promise<void> {
    const { lane, clock, logger, random, resolverFor } = this.#context;
    const name = new DnsName(
      endpoint.host,
      compileDnsSettings(this.config),
      resolverFor(this.config),
      clock,
      random,
      {
        onAttempt: () => lane.inc(this.stats.updateAttempt),
        onAnswer: (_, answer) => this.#onAnswer(index, answer),
        onFailure: (host, error) => {
          lane.inc(this.stats.updateFailure);
          logger.log('debug', 'upstream', `cluster ${this.name}: ${host} does not resolve: ${error.message}`);
        },
      },
    );
    this.#names.push(name);
    return name.start();
  }

  #onAnswer(index: number, answer: DnsAnswer): void {
    const { lane } = this.#context;
    // A logical host keeps its last address rather than having none.
    if (this.kind === 'logical_dns' && answer.addresses.length === 0) {
      lane.inc(this.stats.updateFailure);
      return;
    }
    lane.inc(this.stats.updateSuccess);
    this.#addresses[index] = [...new Set(answer.addresses)];
    if (!this.#rebuild()) lane.inc(this.stats.updateNoRebuild);
  }

  /** Makes the host list anew from endpoints and addresses; false when it is what it was. */
  #rebuild(): boolean {
    const keys = new HostKeys();
    const before = new Map(this.#hosts.map(host => [host.key, host]));
    const next: DirectoryHost[] = [];
    const added: DirectoryHost[] = [];
    let changed = false;
    this.#endpoints.forEach((endpoint, index) => {
      for (const [key, address] of this.#placesOf(endpoint, this.#addresses[index] ?? [], keys)) {
        let host = before.get(key);
        before.delete(key);
        if (host === undefined) {
          host = new DirectoryHost(key, endpoint, address, this.#startFlags(endpoint));
          added.push(host);
        } else if (host.update(endpoint, address)) changed = true;
        next.push(host);
      }
    });
    changed ||= this.#keepHealthy(before, next);
    const removed = [...before.values()];
    if (!changed && added.length === 0 && removed.length === 0) return false;
    this.#hosts = next;
    this.#onChange(added, removed);
    return true;
  }

  #placesOf(
    endpoint: EndpointSpec,
    addresses: readonly string[],
    keys: HostKeys,
  ): (readonly [key: string, address: string])[] {
    if (this.kind === 'logical_dns')
      return addresses.slice(0, 1).map(address => [keys.next(`${endpoint.host}:${endpoint.port}`), address]);
    return addresses.map(address => [
      keys.next(addressText(address, endpoint.port, endpoint.pipePath)),
      address,
    ]);
  }

  /** Hosts that discovery no longer names but that still pass their checks stay until they fail one. */
  #keepHealthy(gone: Map<string, DirectoryHost>, next: DirectoryHost[]): boolean {
    if (!this.#checked || this.config.ignoreHealthOnHostRemoval) return false;
    let changed = false;
    for (const [key, host] of gone) {
      if ((host.flags & HealthFlag.FAILED_ACTIVE_HC) !== 0) continue;
      gone.delete(key);
      next.push(host);
      if ((host.flags & HealthFlag.PENDING_DYNAMIC_REMOVAL) !== 0) continue;
      host.flags |= HealthFlag.PENDING_DYNAMIC_REMOVAL;
      changed = true;
    }
    return changed;
  }

  /** Drops the hosts that were kept only because they were healthy and no longer are; after a failed check. */
  dropFailedRemovals(): void {
    const mask = HealthFlag.PENDING_DYNAMIC_REMOVAL | HealthFlag.FAILED_ACTIVE_HC;
    const removed = this.#hosts.filter(host => (host.flags & mask) === mask);
    if (removed.length === 0) return;
    this.#hosts = this.#hosts.filter(host => !removed.includes(host));
    this.#onChange([], removed);
  }

  #startFlags(endpoint: EndpointSpec): number {
    if (!this.#checked || endpoint.healthCheck?.disabled === true) return 0;
    const warming = this.config.commonLbConfig?.ignoreNewHostsUntilFirstHc === true;
    return HealthFlag.FAILED_ACTIVE_HC | (warming ? HealthFlag.PENDING_ACTIVE_HC : 0);
  }

  #onChange(added: readonly DirectoryHost[], removed: readonly DirectoryHost[]): void {
    const { lane } = this.#context;
    const mergeable = added.length === 0 && removed.length === 0;
    if (!mergeable) lane.inc(this.stats.membershipChange);
    lane.add(this.stats.totalMatchCount, added.length);
    for (const watcher of this.#watchers) watcher.onHosts(added, removed);
    this.#setGauges();
    this.#listChanged = true;
    if (this.#published) this.#merger.update((added[0] ?? removed[0])?.endpoint.priority ?? 0, mergeable);
  }

  /** Tells the workers what has changed: the whole list, or the health of hosts of one priority. */
  #deliver(priority: number): void {
    const { post } = this.#context;
    if (this.#listChanged) {
      this.#listChanged = false;
      this.#changed.clear();
      post({ kind: 'hosts', cluster: this.name, hosts: this.#hosts.map(host => host.spec()) });
      return;
    }
    const changes: (string | number)[] = [];
    for (const host of this.#changed) {
      if (host.endpoint.priority !== priority) continue;
      changes.push(host.key, host.flags);
      this.#changed.delete(host);
    }
    if (changes.length > 0) post({ kind: 'health', cluster: this.name, changes });
  }

  #setGauges(): void {
    const { lane } = this.#context;
    const { stats } = this;
    let healthy = 0;
    let degraded = 0;
    let excluded = 0;
    let maxWeight = 0;
    for (const host of this.#hosts) {
      const health = healthOf(host.flags);
      if (health === HostHealth.HEALTHY) healthy++;
      else if (health === HostHealth.DEGRADED) degraded++;
      if (isExcluded(host.flags)) excluded++;
      maxWeight = Math.max(maxWeight, host.endpoint.weight);
    }
    lane.gaugeSet(stats.membershipHealthy, healthy);
    lane.gaugeSet(stats.membershipDegraded, degraded);
    lane.gaugeSet(stats.membershipExcluded, excluded);
    lane.gaugeSet(stats.membershipTotal, this.#hosts.length);
    if (this.kind !== 'static') lane.gaugeSet(stats.maxHostWeight, maxWeight);
  }
}

/** True for an endpoint whose host is a DNS name. */
function isNamed(endpoint: EndpointSpec): boolean {
  return endpoint.pipePath === '' && endpoint.host !== '' && isIP(endpoint.host) === 0;
}
