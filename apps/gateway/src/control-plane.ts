// The main thread's side of a running proxy, on one screen: configuration in, workers, clusters, statistics and admin
// interface wired to each other, and an orderly end. It never carries traffic.

import { writeFileSync } from 'node:fs';
import { AdminServer, type ServerState, ServerStats } from '@dragoman/admin';
import { DragomanError, systemClock } from '@dragoman/base';
import {
  hasLimitedPlugins,
  hasRemotePlugins,
  hasSingletonServices,
  hasStatsSinks,
  releaseWorkerSharedState,
  SharedStateStats,
  StatsUpdateEncoder,
} from '@dragoman/filters';
import { compileStatsMatcher, compileStringMatcher, PrometheusText } from '@dragoman/metrics';
import {
  AdminAccessLog,
  type BoundListener,
  ClusterDirectory,
  CONNECTION_COUNTS_ATTACHMENT,
  clusterResolvers,
  collectGarbage,
  OVERLOAD_STATE_ATTACHMENT,
  OverloadManager,
  releaseWorkerConnections,
  type Snapshot,
} from '@dragoman/proxy';
import type { StatLane } from '@dragoman/shm';
import { AdminFacade } from './admin-facade.ts';
import type { Settings } from './command-line.ts';
import type { Configuration } from './configuration.ts';
import type { LogFile } from './logging/log-file.ts';
import type { LogWriter } from './logging/log-writer.ts';
import { PluginFileWatch } from './plugin-file-watch.ts';
import { PluginWatch } from './plugin-watch.ts';
import { withRemotePlugins } from './remote-plugins.ts';
import { RuntimeLayers } from './runtime-layers.ts';
import { TlsFileWatch } from './tls-file-watch.ts';
import { BUILD_VERSION } from './version.ts';
import type { VisibleStats } from './visible-stats.ts';
import type { FleetOwner, WorkerFleet } from './worker-fleet.ts';

/** What exists before there is a configuration. */
export interface Foundations {
  readonly settings: Settings;
  readonly log: LogWriter;
  readonly logFile: LogFile;
  readonly stats: VisibleStats;
  /** The main thread's own lane. */
  readonly lane: StatLane;
  readonly fleet: WorkerFleet;
  /** Wall-clock milliseconds of the process's start. */
  readonly startTimeMs: number;
}

const DEFAULT_FLUSH_INTERVAL_MS = 5000;
const ADMIN_PATIENCE_MS = 250;

export class ControlPlane implements FleetOwner {
  readonly #foundations: Foundations;
  #configuration: Configuration;
  readonly #directory: ClusterDirectory;
  readonly #runtime: RuntimeLayers;
  readonly #serverStats: ServerStats;
  readonly #admin: AdminServer | null;
  readonly #onQuit: () => void;
  /** Counter of replaced workers. */
  readonly #workerRestarts: number;
  readonly #sharedStateStats: SharedStateStats;
  #listeners: readonly BoundListener[] = [];
  #flushTimer: NodeJS.Timeout | null = null;
  #pluginWatch: PluginWatch | null = null;
  #serviceWatch: PluginWatch | null = null;
  /** Null without stats sinks. */
  readonly #statsUpdates: StatsUpdateEncoder | null;
  #tlsWatch: TlsFileWatch | null = null;
  #codeWatch: PluginFileWatch | null = null;
  readonly #overload: OverloadManager | null;
  readonly #adminLog: AdminAccessLog | null;
  #state: ServerState = 'INITIALIZING';

  /** `onQuit` is called when somebody asks the admin interface to end the process. */
  constructor(foundations: Foundations, configuration: Configuration, onQuit: () => void) {
    this.#foundations = foundations;
    this.#configuration = configuration;
    this.#onQuit = onQuit;
    const { settings, log, lane, stats, fleet, startTimeMs } = foundations;
    const { bootstrap, unknownFieldCount } = configuration;
    stats.accept(compileStatsMatcher(bootstrap.statsConfig?.statsMatcher));
    this.#serverStats = new ServerStats(lane, {
      concurrency: settings.concurrency,
      version: BUILD_VERSION,
      versionOverride: bootstrap.statsServerVersionOverride,
      restartEpoch: 0,
      startTimeMs,
    });
    this.#workerRestarts = lane.counter('dragoman.worker_restarts');
    this.#sharedStateStats = new SharedStateStats(lane, configuration.attachments);
    this.#serverStats.add('server.static_unknown_fields', unknownFieldCount);
    this.#directory = new ClusterDirectory({
      lane,
      clock: systemClock,
      logger: log,
      random: Math.random,
      concurrency: settings.concurrency + (hasSingletonServices(bootstrap) ? 1 : 0),
      resolverFor: clusterResolvers(),
      post: update => fleet.post(update),
      statValue: name => stats.value(name),
    });
    this.#statsUpdates = hasStatsSinks(bootstrap) ? new StatsUpdateEncoder() : null;
    this.#runtime = new RuntimeLayers(bootstrap, merged => fleet.setRuntime(merged));
    this.#overload = this.#makeOverloadManager();
    const logOptions = { lane, logger: log, flushIntervalMs: settings.fileFlushIntervalMs };
    this.#adminLog =
      bootstrap.admin === undefined ? null : AdminAccessLog.create(bootstrap.admin, logOptions);
    this.#admin = bootstrap.admin?.address === undefined ? null : this.#makeAdmin();
  }

  get listeners(): readonly BoundListener[] {
    return this.#listeners;
  }

  get bootstrap(): Configuration['bootstrap'] {
    return this.#configuration.bootstrap;
  }

  /** Everything up: clusters, workers, admin interface. Rejects with the first thing that cannot be had. */
  async start(): Promise<void> {
    const { startTimeMs, log, settings } = this.#foundations;
    // A start that takes long can be watched; a short one is never seen as anything but LIVE.
    let admin: Promise<void> | null = null;
    const patience = setTimeout(() => {
      admin = this.#listenForAdmin();
      admin.catch(() => {});
    }, ADMIN_PATIENCE_MS);
    await this.#initialize();
    clearTimeout(patience);
    if (settings.mode === 'init_only') return;
    await (admin ?? this.#listenForAdmin());
    this.#state = 'LIVE';
    this.#serverStats.initialized(Date.now() - startTimeMs);
    log.log('info', 'main', 'starting main dispatch loop');
    void this.#pluginWatch?.test();
  }

  async #initialize(): Promise<void> {
    const { bootstrap } = this.#configuration;
    const { log, settings, fleet } = this.#foundations;
    const clusters = bootstrap.staticResources?.clusters ?? [];
    const listeners = bootstrap.staticResources?.listeners ?? [];
    log.log('info', 'config', `loading ${clusters.length} cluster(s)`);
    for (const cluster of clusters) this.#directory.set(cluster);
    await this.#directory.warm();
    log.log('info', 'upstream', 'cm init: all clusters initialized');
    log.log('info', 'config', `loading ${listeners.length} listener(s)`);
    if (settings.mode === 'init_only') return;
    if (hasRemotePlugins(bootstrap))
      this.#configuration = await withRemotePlugins(this.#configuration, this.#foundations, this.#directory);
    log.log('info', 'config', 'all dependencies initialized. starting workers');
    if (hasLimitedPlugins(this.#configuration.attachments)) this.#pluginWatch = new PluginWatch(fleet, log);
    this.#overload?.start();
    if (hasSingletonServices(bootstrap)) await this.#startServices();
    this.#listeners = await fleet.start(this);
    this.#countListeners(listeners.length);
    this.#tlsWatch = new TlsFileWatch(bootstrap, {
      ...{ logger: log, lane: this.#foundations.lane },
      onChange: () => fleet.reloadTls(),
    });
    this.#codeWatch = new PluginFileWatch(bootstrap, {
      ...{ logger: log, lane: this.#foundations.lane },
      attachments: () => this.#configuration.attachments,
      onChange: codes => {
        const attachments = new Map([...this.#configuration.attachments, ...codes]);
        // For workers that take the place of dead ones.
        this.#configuration = { ...this.#configuration, attachments };
        fleet.replacePluginCode(codes);
      },
    });
    const intervalMs = bootstrap.statsFlushInterval ?? DEFAULT_FLUSH_INTERVAL_MS;
    this.#flushTimer = setInterval(() => this.#flush(), intervalMs).unref();
  }

  /** Services begin before there is traffic, as in Envoy. */
  async #startServices(): Promise<void> {
    const { log, fleet } = this.#foundations;
    const services = await fleet.startServices(this);
    if (this.#pluginWatch !== null) this.#serviceWatch = new PluginWatch(services, log);
  }

  /** Stops accepting and lets what is in flight finish, for `limitMs` at most; then everything ends. */
  async stop(limitMs: number): Promise<void> {
    this.#state = 'DRAINING';
    const limit = new Promise<'late'>(resolve => setTimeout(resolve, limitMs, 'late').unref());
    const drained = await Promise.race([this.#foundations.fleet.drain(), limit]);
    if (drained === 'late')
      this.#foundations.log.log(
        'warning',
        'main',
        `drain: still busy after ${limitMs} ms, closing connections`,
      );
    await this.close();
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    if (this.#flushTimer !== null) clearInterval(this.#flushTimer);
    this.#overload?.close();
    this.#directory.close();
    this.#tlsWatch?.close();
    this.#codeWatch?.close();
    await Promise.all([
      this.#admin?.close(),
      this.#foundations.fleet.close(),
      this.#pluginWatch?.close(),
      this.#serviceWatch?.close(),
    ]);
    this.#adminLog?.close();
  }

  /** Opens log files anew, after a rotation. */
  async reopenLogs(): Promise<void> {
    const { log, logFile, fleet } = this.#foundations;
    const closeOld = logFile.reopen();
    log.redirect(logFile.fd);
    this.#adminLog?.reopen();
    await fleet.reopenLogs(logFile.fd);
    closeOld?.();
  }

  currentSnapshot(): Snapshot {
    const { bootstrap, attachments } = this.#configuration;
    return {
      ...{ version: 1, bootstrap, attachments, boundPorts: {} },
      clusters: this.#directory.serve(),
      runtime: this.#runtime.merged,
    };
  }

  onReport(report: Parameters<FleetOwner['onReport']>[0]): void {
    this.#directory.onReport(report);
  }

  onWorkerDeath(workerIndex: number): void {
    this.#directory.releaseWorker(workerIndex);
    const { attachments } = this.#configuration;
    releaseWorkerSharedState(attachments, workerIndex);
    // The thread of services accepts no connections.
    if (workerIndex >= this.#foundations.settings.concurrency) return;
    const counts = attachments.get(CONNECTION_COUNTS_ATTACHMENT) as SharedArrayBuffer;
    releaseWorkerConnections(counts, this.#foundations.settings.concurrency, workerIndex);
  }

  onWorkerReplaced(): void {
    this.#foundations.lane.inc(this.#workerRestarts);
  }

  #makeOverloadManager(): OverloadManager | null {
    const { bootstrap, attachments } = this.#configuration;
    const { lane, log, fleet } = this.#foundations;
    if (bootstrap.overloadManager === undefined) return null;
    return new OverloadManager(bootstrap.overloadManager, {
      ...{ lane, clock: systemClock, logger: log },
      memory: attachments.get(OVERLOAD_STATE_ATTACHMENT) as SharedArrayBuffer,
      shrinkHeap: () => {
        collectGarbage();
        fleet.collectGarbage();
      },
    });
  }

  #makeAdmin(): AdminServer {
    const { settings, log, stats, lane, fleet, startTimeMs } = this.#foundations;
    const { bootstrap } = this.#configuration;
    const allowed = (bootstrap.admin?.allowPaths ?? []).map(matcher => compileStringMatcher(matcher));
    const context = new AdminFacade({
      ...{ settings, log, stats, startTimeMs, fleet, bootstrap },
      prometheus: new PrometheusText(stats, bootstrap.statsConfig),
      directory: this.#directory,
      runtime: this.#runtime,
      listeners: () => this.#listeners,
      state: () => this.#state,
      setState: state => {
        this.#state = state;
      },
      refreshStats: () => this.#refreshStats(),
      quit: this.#onQuit,
      reopenLogs: () => void this.reopenLogs(),
      onListenersStopped: count => this.#serverStats.add('listener_manager.listener_stopped', count),
    });
    return new AdminServer({
      context,
      lane,
      logger: log,
      onAnswer: this.#adminLog === null ? null : answer => this.#adminLog?.log(answer),
      allowPath: allowed.length === 0 ? null : path => allowed.some(allows => allows(path)),
    });
  }

  async #listenForAdmin(): Promise<void> {
    const { settings, log } = this.#foundations;
    if (this.#admin === null) return;
    const { socketAddress, pipe } = this.#configuration.bootstrap.admin!.address!;
    const where =
      pipe === undefined
        ? { address: socketAddress!.address, port: socketAddress!.portValue ?? 0 }
        : { pipe: pipe.path };
    const address = await this.#admin.listen(where);
    log.log('info', 'main', `admin address: ${address}`);
    if (settings.adminAddressPath === undefined) return;
    try {
      writeFileSync(settings.adminAddressPath, address);
    } catch (cause) {
      const { message } = cause as Error;
      throw new DragomanError('ADMIN_ADDRESS_PATH', `--admin-address-path: ${message}`, { cause });
    }
  }

  #countListeners(count: number): void {
    const { settings } = this.#foundations;
    this.#serverStats.add('listener_manager.listener_added', count);
    this.#serverStats.add('listener_manager.listener_create_success', count * settings.concurrency);
    this.#serverStats.set('listener_manager.total_listeners_active', count);
    this.#serverStats.set('listener_manager.workers_started', 1);
  }

  #flush(): void {
    this.#refreshStats();
    const { stats, fleet } = this.#foundations;
    stats.flush();
    if (this.#statsUpdates !== null) fleet.postStats(this.#statsUpdates.encode(stats.rows()));
  }

  #refreshStats(): void {
    this.#directory.refreshStats();
    this.#sharedStateStats.refresh();
    this.#serverStats.refresh({
      state: this.#state,
      nowMs: Date.now(),
      totalConnections: this.#totalConnections(),
    });
  }

  /** Downstream connections of all listeners but the admin's. */
  #totalConnections(): number {
    let total = 0;
    for (const { kind, name, value } of this.#foundations.stats.rows())
      if (kind === 'gauge' && /^listener\.(?!admin\.).*\.downstream_cx_active$/.test(name)) total += value;
    return total;
  }
}
