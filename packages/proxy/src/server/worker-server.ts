// One worker: takes snapshots and cluster updates from the main thread, holds the listeners, drains at the end.
// Everything of a request happens on this thread; the main thread only tells it what to be.

import { type Clock, type Logger, systemClock, Timers } from '@dragoman/base';
import type { Listener } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import type { AccessLogType, AccessLogTypes } from '../access-log/access-log-type.ts';
import { LogFiles } from '../access-log/log-file.ts';
import { ClusterManager } from '../cluster/cluster-manager.ts';
import type { ClusterReport, ClusterUpdate } from '../cluster/cluster-update.ts';
import { DateLine } from '../connection-manager/date-line.ts';
import { RequestIds } from '../connection-manager/request-ids.ts';
import type { HttpFilterType } from '../filter-chain/filter.ts';
import { filterContext } from '../listener/filter-chain-compiler.ts';
import { ActiveListener } from '../listener/listener.ts';
import { listenAddress, listenAddressText } from '../listener/listener-address.ts';
import { compileListener } from '../listener/listener-compiler.ts';
import { ListenerStats } from '../listener/listener-stats.ts';
import type { ListenerChains } from '../listener/network-chain.ts';
import type { NetworkFilterType } from '../network-filter/network-filter.ts';
import type { NetworkFilterTypes } from '../network-filter/network-filter-compiler.ts';
import { CONNECTION_COUNTS_ATTACHMENT, ConnectionLimits } from '../overload/connection-limits.ts';
import { collectGarbage } from '../overload/garbage.ts';
import { OVERLOAD_STATE_ATTACHMENT, OverloadState } from '../overload/overload-state.ts';
import { ReducedTimeouts } from '../overload/reduced-timeouts.ts';
import { RuntimeValues } from '../runtime/runtime-values.ts';
import { ReadBuffers } from '../socket/read-buffers.ts';
import { keepaliveOptions } from '../socket/socket-options.ts';
import { staticSecrets } from '../tls/tls-secrets.ts';
import { AsyncClient } from '../upstream/async-client.ts';
import { ConnectionPools } from '../upstream/connection-pools.ts';
import { type DrainPlan, GradualDrain } from './gradual-drain.ts';
import type { BoundListener, Snapshot } from './snapshot.ts';
import type { WorkerExtension, WorkerExtensionType, WorkerExtensionTypes } from './worker-extension.ts';
import type { WorkerServices } from './worker-services.ts';

export interface WorkerServerOptions {
  readonly workerIndex: number;
  readonly concurrency: number;
  readonly lane: StatLane;
  readonly logger: Logger;
  readonly filterTypes: readonly HttpFilterType[];
  readonly networkFilterTypes?: readonly NetworkFilterType[];
  readonly accessLogTypes?: readonly AccessLogType[];
  readonly extensionTypes?: readonly WorkerExtensionType[];
  readonly serviceCluster: string;
  readonly serviceNode: string;
  /** How long log lines may wait in memory. */
  readonly fileFlushIntervalMs: number;
  /** Posts to the main thread: outliers, failing health. */
  readonly report: (report: ClusterReport) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** Without an overload manager nothing is ever too much. */
const NO_OVERLOAD = new OverloadState();

export class WorkerServer {
  readonly #services: WorkerServices;
  readonly #pools: ConnectionPools;
  readonly #filterTypes: ReadonlyMap<string, HttpFilterType>;
  readonly #networkFilterTypes: NetworkFilterTypes;
  readonly #accessLogTypes: AccessLogTypes;
  readonly #extensionTypes: WorkerExtensionTypes;
  readonly #files: LogFiles;
  readonly #listeners = new Map<string, ActiveListener>();
  /** Names of listeners whose traffic_direction is INBOUND. */
  readonly #inbound = new Set<string>();
  #chains: ListenerChains[] = [];
  #extensions: readonly WorkerExtension[] = [];
  #connectionIds = 0;

  constructor(options: WorkerServerOptions) {
    const clock = options.clock ?? systemClock;
    const { lane, logger, workerIndex, concurrency } = options;
    const timers = new Timers(clock);
    const clusters = new ClusterManager({
      lane,
      clock,
      logger,
      workerIndex,
      random: options.random ?? Math.random,
      report: options.report,
    });
    const services = {
      workerIndex,
      concurrency,
      serviceCluster: options.serviceCluster,
      serviceNode: options.serviceNode,
      lane,
      timers,
      logger,
      clusters,
      runtime: new RuntimeValues(),
      readBuffers: new ReadBuffers(),
      dateLine: new DateLine(clock),
      requestIds: new RequestIds(),
      overload: NO_OVERLOAD,
      reducedTimeouts: new ReducedTimeouts(NO_OVERLOAD, null),
      connectionLimits: null,
      draining: false,
      stopping: false,
      gradualDrain: null,
    } as unknown as { -readonly [Key in keyof WorkerServices]: WorkerServices[Key] };
    this.#pools = new ConnectionPools(services);
    services.asyncClient = new AsyncClient(services, this.#pools);
    clusters.listen(this.#pools);
    this.#services = services;
    this.#files = new LogFiles({ lane, logger, flushIntervalMs: options.fileFlushIntervalMs });
    this.#filterTypes = byConfigType(options.filterTypes);
    this.#networkFilterTypes = byConfigType(options.networkFilterTypes ?? []);
    this.#accessLogTypes = byConfigType(options.accessLogTypes ?? []);
    this.#extensionTypes = byConfigType(options.extensionTypes ?? []);
  }

  /**
   * Takes over a configuration; resolves with the addresses that are bound once all of them are.
   * @throws DragomanError LISTENER_BIND, FILTER_TYPE and what compiling a filter throws.
   */
  async applySnapshot(snapshot: Snapshot): Promise<BoundListener[]> {
    this.#services.runtime.replace(snapshot.runtime);
    this.#applyOverload(snapshot);
    this.#pools.secrets = staticSecrets(snapshot.bootstrap.staticResources?.secrets);
    this.#services.clusters.applySnapshot(snapshot.clusters);
    const replaced = this.#chains;
    const replacedExtensions = this.#extensions;
    this.#chains = [];
    this.#extensions = this.#startExtensions(snapshot);
    const bound: BoundListener[] = [];
    for (const [index, config] of (snapshot.bootstrap.staticResources?.listeners ?? []).entries())
      bound.push(...(await this.#applyListener(config, index, snapshot)));
    for (const chains of replaced) chains.close();
    for (const extension of replacedExtensions) extension.close();
    return bound;
  }

  #startExtensions({ attachments, bootstrap }: Snapshot): WorkerExtension[] {
    const started: WorkerExtension[] = [];
    const nowhere = { name: '', trafficDirection: 'UNSPECIFIED' } as const;
    for (const { typedConfig } of [
      ...(bootstrap.bootstrapExtensions ?? []),
      ...(bootstrap.statsSinks ?? []),
    ]) {
      const type = this.#extensionTypes.get(typedConfig?.typeName ?? '');
      if (type === undefined) continue;
      const context = filterContext({ worker: this.#services, attachments }, nowhere as never, type.name, '');
      const extension = type.create(typedConfig!.value, context);
      if (extension !== null) started.push(extension);
    }
    return started;
  }

  #applyOverload({ attachments, bootstrap }: Snapshot): void {
    const services = this.#services;
    const memory = attachments.get(OVERLOAD_STATE_ATTACHMENT) as SharedArrayBuffer | undefined;
    services.overload = memory === undefined ? NO_OVERLOAD : new OverloadState(memory);
    services.reducedTimeouts = new ReducedTimeouts(services.overload, bootstrap);
    const counts = attachments.get(CONNECTION_COUNTS_ATTACHMENT) as SharedArrayBuffer | undefined;
    const { concurrency, workerIndex, runtime } = services;
    services.connectionLimits =
      counts === undefined
        ? null
        : new ConnectionLimits(counts, concurrency, workerIndex, runtime, bootstrap);
  }

  async #applyListener(config: Listener, index: number, snapshot: Snapshot): Promise<BoundListener[]> {
    const { lane, workerIndex } = this.#services;
    const addresses = [config.address, ...config.additionalAddresses.map(extra => extra.address)].map(
      address => listenAddress(address, config.name),
    );
    const statAddress = (config.statPrefix || listenAddressText(addresses[0])).replaceAll(':', '_');
    const listenerStatPrefix = `listener.${statAddress}.`;
    const chains = compileListener(config, {
      worker: this.#services,
      pools: this.#pools,
      filterTypes: this.#filterTypes,
      networkFilterTypes: this.#networkFilterTypes,
      accessLogTypes: this.#accessLogTypes,
      attachments: snapshot.attachments,
      accessLogs: { files: this.#files, runtime: this.#services.runtime },
      listenerStatPrefix,
      secrets: this.#pools.secrets,
    });
    this.#chains.push(chains);
    const name = config.name || listenAddressText(addresses[0]);
    const existing = this.#listeners.get(name);
    if (existing !== undefined) {
      existing.replaceChains(chains);
      return [];
    }
    const stats = new ListenerStats(lane, listenerStatPrefix, workerIndex);
    const overload = {
      index,
      ignoresGlobalLimit: config.ignoreGlobalConnLimit,
      bypasses: config.bypassOverloadManager,
    };
    const nextId = () => ++this.#connectionIds;
    const sockets = keepaliveOptions(config.tcpKeepalive);
    const listener = new ActiveListener(name, chains, stats, this.#services, nextId, overload, sockets);
    this.#listeners.set(name, listener);
    if (config.trafficDirection === 'INBOUND') this.#inbound.add(name);
    if (config.bindToPort === false) return [];
    const bound: BoundListener[] = [];
    for (const [index, address] of addresses.entries()) {
      const key = `${name}/${index}`;
      const port = address.port === 0 ? (snapshot.boundPorts[key] ?? 0) : address.port;
      const boundPort = await listener.listen({ host: address.host, port });
      bound.push({ key, listenerName: name, address: address.host, port: boundPort });
    }
    return bound;
  }

  /** Takes over changed runtime values. */
  setRuntime(values: ReadonlyMap<string, unknown>): void {
    this.#services.runtime.replace(values);
  }

  applyClusterUpdate(update: ClusterUpdate): void {
    this.#services.clusters.applyUpdate(update);
  }

  /** Stops accepting on all listeners, or on those for inbound traffic; kept connections go on. */
  stopListeners(inboundOnly = false): void {
    for (const [name, listener] of this.#listeners)
      if (!inboundOnly || this.#inbound.has(name)) listener.stopAccepting();
  }

  /** Stops accepting, lets what is in flight finish, closes the rest; resolves when no connection is left. */
  async drain(): Promise<void> {
    this.#services.draining = true;
    this.#services.stopping = true;
    // Behind the poll for events, in which all connections that wait have been accepted: those that come in between are lost.
    await new Promise(setImmediate);
    this.stopListeners();
    await Promise.all([...this.#listeners.values()].map(listener => listener.drain()));
  }

  /** Responses ask clients to close over the drain time (`/drain_listeners?graceful`). */
  startDrain(plan: DrainPlan): void {
    this.#services.gradualDrain = new GradualDrain(plan, this.#services.timers.clock);
  }

  /** Responses ask clients to close from now on (`/healthcheck/fail`), or no longer. */
  setDraining(draining: boolean): void {
    this.#services.draining = draining;
  }

  /**
   * Reads certificates and trust again, for connections to come. The main thread has checked the files; what has changed
   * since leaves its context as it was.
   */
  reloadTls(): void {
    const { clusters, logger } = this.#services;
    const attempt = (reload: () => void): void => {
      try {
        reload();
      } catch (error) {
        logger.log('warning', 'config', `TLS files stay as they were: ${(error as Error).message}`);
      }
    };
    for (const chains of this.#chains) attempt(() => chains.reloadTls());
    for (const cluster of clusters) attempt(() => this.#pools.connectorOf(cluster).reloadTls());
  }

  /** Tells those of stats_sinks that run on this thread. */
  onStats(update: Uint8Array): void {
    for (const extension of this.#extensions) extension.onStats?.(update);
  }

  /** Gives back what memory can be given back at once. */
  collectGarbage(): void {
    collectGarbage();
  }

  reopenLogs(): void {
    this.#files.reopen();
  }

  /** Ends everything at once; logs are flushed. */
  close(): void {
    for (const listener of this.#listeners.values()) listener.destroy();
    for (const chains of this.#chains) chains.close();
    for (const extension of this.#extensions) extension.close();
    this.#services.asyncClient.cancelAll();
    for (const cluster of this.#services.clusters)
      for (const host of cluster.hosts) this.#pools.closeAll(host);
    this.#files.close();
  }
}

function byConfigType<Type extends { readonly configTypes: readonly string[] }>(
  types: readonly Type[],
): ReadonlyMap<string, Type> {
  return new Map(types.flatMap(type => type.configTypes.map(name => [name, type])));
}
