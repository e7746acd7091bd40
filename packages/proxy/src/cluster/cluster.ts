// A cluster on one worker: its compiled settings, its hosts, its balancer, its breakers and its statistics.
// Made and changed by the cluster manager from what the main thread posts; connections live elsewhere.

import type { Cluster as ClusterConfig, Metadata, TransportSocket } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import { CircuitBreakers, compileThresholds, PRIORITIES } from './circuit-breakers.ts';
import { clusterStatName } from './cluster-name.ts';
import { ClusterStats, Http1CodecStats, Http2CodecStats } from './cluster-stats.ts';
import type { ClusterSnapshot, WorkerContext } from './cluster-update.ts';
import { Host } from './host.ts';
import { HostHealth } from './host-health.ts';
import { type HostSet, hostSets } from './host-set.ts';
import { addressText, type HostSpec, NO_LOCALITY } from './host-spec.ts';
import { createLoadBalancer } from './load-balancer/factory.ts';
import type { LbContext, LoadBalancer } from './load-balancer/load-balancer.ts';
import { OriginalDstBalancer } from './load-balancer/original-dst.ts';
import { compilePolicy } from './load-balancer/policy.ts';
import { OutlierMonitor } from './outlier/outlier-monitor.ts';
import { compileOutlierSettings, type OutlierSettings } from './outlier/outlier-settings.ts';
import { dropChance } from './overload-drop.ts';
import { compileProtocolOptions, type ProtocolOptions } from './protocol-options.ts';
import { ResponseStats } from './response-stats.ts';

export class Cluster {
  readonly name: string;
  readonly statName: string;
  readonly config: ClusterConfig;
  readonly connectTimeoutMs: number;
  readonly perConnectionBufferLimitBytes: number;
  readonly protocolOptions: ProtocolOptions;
  readonly metadata: Metadata | undefined;
  /** As configured; plaintext when undefined. */
  readonly transportSocket: TransportSocket | undefined;
  readonly lane: StatLane;
  readonly stats: ClusterStats;
  readonly responses: ResponseStats;
  /** Breakers by priority: [DEFAULT, HIGH]. */
  readonly breakers: readonly CircuitBreakers[];
  readonly loadBalancer: LoadBalancer;
  /** False once the configuration has dropped the cluster; running requests finish. */
  active = true;
  /** The balancer looks at the hash of a request: others cost none, and make no cookie. */
  readonly balancesByHash: boolean;
  hosts: readonly Host[] = [];
  hostSets: readonly HostSet[] = [];
  readonly #byKey = new Map<string, Host>();
  readonly #context: WorkerContext;
  readonly #outlierSettings: OutlierSettings | null;
  readonly #originalDst: OriginalDstBalancer | null;
  readonly #dropChance: number;
  #http1Stats: Http1CodecStats | null = null;
  #http2Stats: Http2CodecStats | null = null;
  #onHostForgotten: (host: Host) => void = () => {};

  constructor(snapshot: ClusterSnapshot, context: WorkerContext) {
    const { config } = snapshot;
    this.name = config.name;
    this.statName = clusterStatName(config);
    this.config = config;
    this.connectTimeoutMs = config.connectTimeout ?? 5000;
    this.perConnectionBufferLimitBytes = config.perConnectionBufferLimitBytes ?? 1024 * 1024;
    this.protocolOptions = compileProtocolOptions(config);
    this.metadata = config.metadata;
    this.transportSocket = config.transportSocket;
    this.lane = context.lane;
    this.#context = context;
    this.#outlierSettings =
      config.outlierDetection === undefined ? null : compileOutlierSettings(config.outlierDetection);
    const prefix = `cluster.${this.statName}.`;
    this.stats = new ClusterStats(context.lane, prefix);
    this.responses = new ResponseStats(context.lane, prefix);
    const thresholds = compileThresholds(config.circuitBreakers);
    this.breakers = PRIORITIES.map(
      (_, index) => new CircuitBreakers(snapshot.breakers, index, thresholds[index]!, context.workerIndex),
    );
    const kind = compilePolicy(config)?.policy.kind;
    this.balancesByHash = kind === 'ring_hash' || kind === 'maglev';
    this.#dropChance = dropChance(config.loadAssignment?.policy);
    this.#originalDst = config.type === 'ORIGINAL_DST' ? this.#originalDstBalancer() : null;
    this.loadBalancer =
      this.#originalDst ??
      createLoadBalancer({
        config,
        lane: context.lane,
        statPrefix: prefix,
        stats: this.stats,
        random: context.random,
        clock: context.clock,
        showsTableSize: context.workerIndex === 0,
      });
    this.setHosts(snapshot.hosts);
  }

  /**
   * The host for a request, or null when there is none to be had; that is charged to upstream_cx_none_healthy.
   * `context` may be null when the request has neither hash nor metadata nor earlier attempts.
   */
  chooseHost(context: LbContext | null): Host | null {
    if (context !== null && context.overrideHost !== '') {
      const bound = this.#byKey.get(context.overrideHost);
      if (bound !== undefined && bound.health !== HostHealth.UNHEALTHY) return bound;
    }
    const host = this.loadBalancer.pick(context);
    if (host === null) this.lane.inc(this.stats.upstreamCxNoneHealthy);
    return host;
  }

  /** Statistics of the HTTP/1 codec; their names appear when a pool asks for them first. */
  get http1Stats(): Http1CodecStats {
    this.#http1Stats ??= new Http1CodecStats(this.lane, `cluster.${this.statName}.`);
    return this.#http1Stats;
  }

  /** Statistics of the HTTP/2 codec; their names appear when a pool asks for them first. */
  get http2Stats(): Http2CodecStats {
    this.#http2Stats ??= new Http2CodecStats(this.lane, `cluster.${this.statName}.`);
    return this.#http2Stats;
  }

  /** True when this request is to be dropped by drop_overloads: 503, flag DO, before a host is chosen. */
  dropsOverload(): boolean {
    return this.#dropChance > 0 && this.#context.random() < this.#dropChance;
  }

  /** Every request is to be dropped: Envoy has other words for that. */
  get dropsAll(): boolean {
    return this.#dropChance >= 1;
  }

  /** Where an ORIGINAL_DST cluster takes the destination from: a request header, or null for the connection's address. */
  get originalDstHeader(): string | null {
    const settings = this.config.originalDstLbConfig;
    if (settings?.useHttpHeader !== true) return null;
    return settings.httpHeaderName === ''
      ? 'x-envoy-original-dst-host'
      : settings.httpHeaderName.toLowerCase();
  }

  /** Takes over a new list of hosts. Hosts that keep their key keep their object; the others are returned as removed. */
  setHosts(specs: readonly HostSpec[]): Host[] {
    // The hosts of ORIGINAL_DST are the worker's own: the main thread does not know them.
    if (this.#originalDst !== null && this.active) return [];
    const nowMs = this.#context.clock.nowMs();
    const next: Host[] = [];
    const kept = new Set<string>();
    for (const spec of specs) {
      let host = this.#byKey.get(spec.key);
      if (host === undefined) {
        host = new Host(this.name, spec, this.lane, nowMs);
        host.outlier = this.#outlierMonitor(spec);
        this.#byKey.set(spec.key, host);
      } else host.update(spec, nowMs);
      kept.add(spec.key);
      next.push(host);
    }
    const removed: Host[] = [];
    for (const [key, host] of this.#byKey) {
      if (kept.has(key)) continue;
      host.inCluster = false;
      this.#byKey.delete(key);
      removed.push(host);
    }
    this.hosts = next;
    this.#rebuild();
    return removed;
  }

  /** Applies new health flags: [key, flags, key, flags, ...]. Returns the hosts whose health got worse. */
  setHealth(changes: readonly (string | number)[]): Host[] {
    const nowMs = this.#context.clock.nowMs();
    const worse: Host[] = [];
    for (let i = 0; i + 1 < changes.length; i += 2) {
      const host = this.#byKey.get(changes[i] as string);
      if (host === undefined) continue;
      const before = host.health;
      host.setHealthFlags(changes[i + 1] as number, nowMs);
      if (host.health < before) worse.push(host);
    }
    this.#rebuild();
    return worse;
  }

  /** A response of the host carried x-envoy-immediate-health-check-fail: it is failed until its next check. */
  reportImmediateHealthCheckFail(host: Host): void {
    if (this.config.healthChecks.length === 0) return;
    this.#context.report({ kind: 'immediate-health-check-fail', cluster: this.name, host: host.key });
  }

  /** The host of this key (see HostSpec), if the cluster has it. */
  hostByKey(key: string): Host | undefined {
    return this.#byKey.get(key);
  }

  /** Hears of hosts that the cluster itself forgets (ORIGINAL_DST). */
  listen(onHostForgotten: (host: Host) => void): void {
    this.#onHostForgotten = onHostForgotten;
  }

  /** Ends what the cluster does by itself; its hosts are removed with setHosts([]). */
  close(): void {
    this.active = false;
    this.#originalDst?.close();
  }

  #originalDstBalancer(): OriginalDstBalancer {
    const { clock } = this.#context;
    return new OriginalDstBalancer({
      cleanupIntervalMs: this.config.cleanupInterval ?? 5000,
      portOverride: this.config.originalDstLbConfig?.upstreamPortOverride ?? 0,
      create: (address, port) => this.#addHost(address, port),
      forget: host => {
        this.#byKey.delete(host.key);
        this.hosts = [...this.#byKey.values()];
        host.inCluster = false;
        this.#onHostForgotten(host);
      },
      clock,
      lane: this.lane,
      stats: this.stats,
    });
  }

  /** The host of a place that a request named; two texts may mean the same place. */
  #addHost(address: string, port: number): Host {
    const key = addressText(address, port, '');
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const spec: HostSpec = {
      key,
      address,
      port,
      pipePath: '',
      hostname: '',
      weight: 1,
      priority: 0,
      locality: NO_LOCALITY,
      localityWeight: 0,
      metadata: undefined,
      healthFlags: 0,
    };
    const host = new Host(this.name, spec, this.lane, this.#context.clock.nowMs());
    this.#byKey.set(key, host);
    this.hosts = [...this.#byKey.values()];
    return host;
  }

  #outlierMonitor(spec: HostSpec): OutlierMonitor | null {
    if (this.#outlierSettings === null || spec.outlierCounts === undefined) return null;
    const { workerIndex, report } = this.#context;
    return new OutlierMonitor(spec.outlierCounts, workerIndex, this.#outlierSettings, reason =>
      report({ kind: 'outlier', cluster: this.name, host: spec.key, reason }),
    );
  }

  #rebuild(): void {
    this.hostSets = hostSets(this.hosts);
    this.loadBalancer.rebuild(this.hostSets);
  }
}
