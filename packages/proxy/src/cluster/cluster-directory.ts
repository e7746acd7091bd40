// All clusters on the main thread: adds, replaces and removes them, says when they are warm, hands the workers
// their snapshot and updates, and shows them to the admin interface.

import { isDeepStrictEqual } from 'node:util';
import type { Cluster as ClusterConfig, ClusterLoadAssignment } from '@dragoman/config';
import { releaseBreakerRow, type Thresholds } from './circuit-breakers.ts';
import type { ClusterReport, ClusterSnapshot } from './cluster-update.ts';
import { DirectoryCluster, type DirectoryContext } from './directory-cluster.ts';
import { HealthChecker } from './health-check/health-checker.ts';
import { hostStatPrefix } from './host.ts';
import type { Locality } from './host-spec.ts';
import { OutlierDetector } from './outlier/outlier-detector.ts';
import { compileOutlierSettings } from './outlier/outlier-settings.ts';
import { isScopeShared } from './retirement.ts';

/** A host as /clusters shows it. Its counters are statistics under `statPrefix`, summed over the workers. */
export interface HostView {
  readonly addressText: string;
  readonly address: string;
  readonly port: number;
  readonly pipePath: string;
  readonly hostname: string;
  /** Bits of HealthFlag; healthFlagsText() makes the text of them. */
  readonly healthFlags: number;
  readonly weight: number;
  readonly priority: number;
  readonly locality: Locality;
  readonly canary: boolean;
  /** Percent, or -1. */
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
  /** "@host.<cluster>.<address>." before cx_active, cx_connect_fail, cx_total, rq_active, ... */
  readonly statPrefix: string;
}

/** A cluster as /clusters shows it. */
export interface ClusterView {
  readonly name: string;
  readonly observabilityName: string;
  readonly addedViaApi: boolean;
  readonly edsServiceName: string;
  readonly config: ClusterConfig;
  /** [DEFAULT, HIGH]. */
  readonly thresholds: readonly Thresholds[];
  /** Null without outlier detection; -1 where a figure does not exist. */
  readonly outlier: OutlierView | null;
  readonly hosts: readonly HostView[];
}

export interface OutlierView {
  readonly successRateAverage: number;
  readonly successRateEjectionThreshold: number;
  readonly localOriginSuccessRateAverage: number;
  readonly localOriginSuccessRateEjectionThreshold: number;
}

export class ClusterDirectory {
  readonly #context: DirectoryContext;
  /** In use, by name. */
  readonly #active = new Map<string, DirectoryCluster>();
  /** Not yet in use: the workers still have the one of `#active`, or none. */
  readonly #warming = new Map<string, DirectoryCluster>();
  readonly #stats: {
    readonly added: number;
    readonly modified: number;
    readonly removed: number;
    readonly active: number;
    readonly warming: number;
  };
  #version = 0;
  #serving = false;

  constructor(context: DirectoryContext) {
    this.#context = context;
    const { lane } = context;
    const name = (stat: string) => `cluster_manager.${stat}`;
    this.#stats = {
      added: lane.counter(name('cluster_added')),
      modified: lane.counter(name('cluster_modified')),
      removed: lane.counter(name('cluster_removed')),
      active: lane.gauge(name('active_clusters')),
      warming: lane.gauge(name('warming_clusters')),
    };
    for (const stat of [
      'cluster_updated',
      'cluster_updated_via_merge',
      'update_merge_cancelled',
      'update_out_of_merge_window',
    ])
      lane.counter(name(stat));
  }

  /**
   * Adds a cluster, or replaces the one of its name once the new one is warm. False when it is the one there is
   * already. Before serve() clusters are in use at once, warm or not.
   */
  set(config: ClusterConfig, addedViaApi = false): boolean {
    const { lane } = this.#context;
    const present = this.#warming.get(config.name) ?? this.#active.get(config.name);
    if (present !== undefined && isDeepStrictEqual(present.config, config)) return false;
    lane.inc(present === undefined ? this.#stats.added : this.#stats.modified);
    const cluster = new DirectoryCluster(config, ++this.#version, addedViaApi, this.#context);
    this.#warming.get(config.name)?.close();
    this.#warming.set(config.name, cluster);
    attachWatchers(cluster, this.#context);
    cluster.start();
    if (this.#serving) void cluster.warm.then(() => this.#activate(cluster));
    else this.#activate(cluster);
    this.#setGauges();
    return true;
  }

  /** Removes a cluster; false when there is none of that name. */
  remove(name: string): boolean {
    const warming = this.#warming.get(name);
    const active = this.#active.get(name);
    if (warming === undefined && active === undefined) return false;
    this.#warming.delete(name);
    this.#active.delete(name);
    warming?.close();
    active?.close();
    this.#context.lane.inc(this.#stats.removed);
    const { statName } = (active ?? warming)!;
    if (!isScopeShared(statName, [...this.#active.values(), ...this.#warming.values()]))
      this.#context.lane.removeScope(`cluster.${statName}.`);
    this.#setGauges();
    if (active !== undefined) this.#context.post({ kind: 'cluster-removed', name });
    return true;
  }

  /** Ends when all clusters know their hosts, or after `limitMs`: a slow resolver must not keep the proxy from starting. */
  async warm(limitMs = 5000): Promise<void> {
    const waiting = [...this.#active.values()].filter(cluster => cluster.config.waitForWarmOnInit ?? true);
    let cancel = () => {};
    const limit = new Promise<void>(resolve => {
      cancel = this.#context.clock.after(limitMs, resolve);
    });
    await Promise.race([Promise.all(waiting.map(cluster => cluster.warm)), limit]);
    cancel();
  }

  /**
   * The clusters for workers that start now. What changes afterwards is posted, in order; a worker that starts
   * later gets a snapshot of its own.
   */
  serve(): ClusterSnapshot[] {
    this.#serving = true;
    return [...this.#active.values()].map(cluster => cluster.publish());
  }

  get(name: string): DirectoryCluster | undefined {
    return this.#active.get(name);
  }

  get names(): string[] {
    return [...this.#active.keys()];
  }

  /** Gives the EDS clusters of a service their endpoints; undefined when the server has none to give. */
  setAssignment(serviceName: string, assignment: ClusterLoadAssignment | undefined): void {
    for (const clusters of [this.#active, this.#warming])
      for (const cluster of clusters.values())
        if (cluster.kind === 'eds' && edsServiceName(cluster.config) === serviceName)
          cluster.setAssignment(assignment);
  }

  /** Names to subscribe to by EDS. */
  get edsServiceNames(): string[] {
    const names = new Set<string>();
    for (const clusters of [this.#active, this.#warming])
      for (const cluster of clusters.values())
        if (cluster.kind === 'eds') names.add(edsServiceName(cluster.config));
    return [...names];
  }

  /** A worker's report. */
  onReport(report: ClusterReport): void {
    const cluster = this.#active.get(report.cluster);
    const host = cluster?.hostByKey(report.host);
    if (cluster === undefined || host === undefined) return;
    if (report.kind === 'outlier') cluster.outlierDetector?.onReport(host, report.reason);
    else cluster.healthChecker?.onImmediateFailure(host);
  }

  /** Forgets what a worker that has ended had in use. */
  releaseWorker(workerIndex: number): void {
    for (const cluster of this.#active.values()) releaseBreakerRow(cluster.breakerMemory, workerIndex);
  }

  /** Brings the gauges that mirror shared tables up to date; before statistics are read. */
  refreshStats(): void {
    for (const cluster of this.#active.values()) cluster.stats.refreshBreakers(cluster.breakers);
  }

  /** What /clusters shows, in the order of configuration. */
  views(): ClusterView[] {
    return [...this.#active.values()].map(viewOf);
  }

  /** Stops timers and look-ups. */
  close(): void {
    for (const cluster of [...this.#active.values(), ...this.#warming.values()]) cluster.close();
  }

  #activate(cluster: DirectoryCluster): void {
    if (this.#warming.get(cluster.name) !== cluster) return;
    this.#warming.delete(cluster.name);
    this.#active.get(cluster.name)?.close();
    this.#active.set(cluster.name, cluster);
    this.#setGauges();
    if (this.#serving) this.#context.post({ kind: 'cluster', cluster: cluster.publish() });
  }

  #setGauges(): void {
    this.#context.lane.gaugeSet(this.#stats.active, this.#active.size);
    this.#context.lane.gaugeSet(this.#stats.warming, this.#warming.size);
  }
}

function attachWatchers(cluster: DirectoryCluster, context: DirectoryContext): void {
  const { healthChecks, outlierDetection } = cluster.config;
  if (outlierDetection !== undefined) {
    const detector = new OutlierDetector(cluster, compileOutlierSettings(outlierDetection), context);
    cluster.outlierDetector = detector;
    cluster.watch(detector, false);
  }
  // Envoy takes one health check per cluster, and configuration with more is refused.
  const check = healthChecks[0];
  if (check === undefined) return;
  cluster.healthChecker = new HealthChecker(cluster, check, context, host =>
    cluster.outlierDetector?.onHealthCheckPassed(host),
  );
  cluster.watch(cluster.healthChecker, true);
}

function edsServiceName(config: ClusterConfig): string {
  return config.edsClusterConfig?.serviceName || config.name;
}

function viewOf(cluster: DirectoryCluster): ClusterView {
  const { config } = cluster;
  return {
    name: cluster.name,
    observabilityName: config.altStatName || config.name,
    addedViaApi: cluster.addedViaApi,
    edsServiceName: cluster.kind === 'eds' ? (config.edsClusterConfig?.serviceName ?? '') : '',
    config,
    thresholds: cluster.breakers.map(breaker => breaker.thresholds),
    outlier: outlierView(cluster.outlierDetector),
    hosts: cluster.hosts.map(host => ({
      addressText: host.addressText,
      address: host.address,
      port: host.endpoint.port,
      pipePath: host.endpoint.pipePath,
      hostname: host.hostname,
      healthFlags: host.flags,
      weight: host.endpoint.weight,
      priority: host.endpoint.priority,
      locality: host.endpoint.locality,
      canary: host.canary,
      successRate: host.successRate,
      localOriginSuccessRate: host.localOriginSuccessRate,
      statPrefix: hostStatPrefix(cluster.name, host.addressText),
    })),
  };
}

function outlierView(detector: OutlierDetector | null): OutlierView | null {
  if (detector === null) return null;
  return {
    successRateAverage: detector.external.average,
    successRateEjectionThreshold: detector.external.ejectionThreshold,
    localOriginSuccessRateAverage: detector.localOrigin.average,
    localOriginSuccessRateEjectionThreshold: detector.localOrigin.ejectionThreshold,
  };
}
