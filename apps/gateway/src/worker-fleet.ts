// The workers as the main thread sees them: all get the same snapshot, then the same updates in the same order; one that
// has replaced a dead one gets a snapshot of its own before it gets updates.

import type { Logger } from '@dragoman/base';
import type { CodeByKey } from '@dragoman/filters';
import { WorkerPool } from '@dragoman/pool';
import type { BoundListener, ClusterReport, ClusterUpdate, DrainPlan, Snapshot } from '@dragoman/proxy';
import { StatLane, type StatTable } from '@dragoman/shm';
import type { Settings } from './command-line.ts';
import type { LogLevelTable } from './logging/log-levels.ts';
import type { LogWriter } from './logging/log-writer.ts';
import { REPORT_EVENT, type WorkerData } from './worker-contract.ts';

/** What the fleet asks of the application while it runs. */
export interface FleetOwner {
  onReport(report: ClusterReport): void;
  /** A worker is gone; what it had claimed in shared tables is to be released. */
  onWorkerDeath(workerIndex: number): void;
  /** The worker that took its place serves. */
  onWorkerReplaced(workerIndex: number): void;
  /** A snapshot for a worker that starts now. */
  currentSnapshot(): Snapshot;
}

/** Looks after guards by their memory, each under the index of its worker. */
export interface GuardWatcher {
  watch(workerIndex: number, guardMemory: WebAssembly.Memory): void;
  unwatch(workerIndex: number): void;
}

/** What the threads are for: traffic, or the services of which there is one. */
export type FleetRole = 'workers' | 'services';

export class WorkerFleet {
  readonly #pool: WorkerPool<WorkerData>;
  readonly #logger: Logger;
  readonly #settings: Settings;
  readonly #stats: StatTable;
  readonly #log: LogWriter;
  /** Number of the first thread among all of the process. */
  readonly #first: number;
  /** Of the services of which there is one; null while there is none. */
  #services: WorkerFleet | null = null;
  readonly #laneIds = new Map<number, number>();
  readonly #guardMemories = new Map<number, WebAssembly.Memory>();
  #guardWatcher: GuardWatcher | null = null;
  /** Workers that have had their snapshot: updates go to them. */
  readonly #served = new Set<number>();
  #owner: FleetOwner | null = null;
  #boundPorts: Record<string, number> = {};

  /** Starts the threads; they load their program while the main thread reads the configuration. */
  constructor(settings: Settings, stats: StatTable, log: LogWriter, role: FleetRole = 'workers') {
    this.#logger = log;
    this.#settings = settings;
    this.#stats = stats;
    this.#log = log;
    this.#first = role === 'workers' ? 0 : settings.concurrency;
    const name = role === 'workers' ? 'worker' : 'service thread';
    const extension = import.meta.filename.slice(-3);
    this.#pool = new WorkerPool<WorkerData>({
      entry: new URL(`./worker${extension}`, import.meta.url),
      concurrency: role === 'workers' ? settings.concurrency : 1,
      logger: log,
      createData: workerIndex => {
        const lane = StatLane.create();
        this.#laneIds.set(workerIndex, stats.addLane(lane));
        return {
          lane,
          guardMemory: this.#newGuardMemory(workerIndex),
          concurrency: settings.concurrency,
          workerIndex: this.#first + workerIndex,
          log: log.settings,
          serviceCluster: settings.serviceCluster,
          serviceNode: settings.serviceNode,
          fileFlushIntervalMs: settings.fileFlushIntervalMs,
        };
      },
      releaseData: workerIndex => {
        this.#served.delete(workerIndex);
        this.#guardMemories.delete(workerIndex);
        this.#guardWatcher?.unwatch(workerIndex);
        stats.retireLane(this.#laneIds.get(workerIndex)!);
        this.#owner?.onWorkerDeath(this.#first + workerIndex);
      },
      onEvent: (_workerIndex, name, payload) => {
        if (name === REPORT_EVENT) this.#owner?.onReport(payload as ClusterReport);
      },
      onDeath: (workerIndex, reason, delayMs) => {
        const wait = delayMs === 0 ? 'now' : `in ${delayMs} ms`;
        log.log(
          'critical',
          'main',
          `${name} ${workerIndex} died and is replaced ${wait}: ${describe(reason)}`,
        );
      },
      onReplaced: workerIndex => void this.#configureReplacement(workerIndex),
    });
  }

  get concurrency(): number {
    return this.#pool.concurrency;
  }

  /**
   * Gives all workers their first snapshot; resolves with what is bound. The first worker goes ahead: it finds what
   * none can do, and the ports for addresses that leave the choice to the system.
   */
  async start(owner: FleetOwner): Promise<BoundListener[]> {
    this.#owner = owner;
    const bound = await this.#apply(0, owner.currentSnapshot());
    this.#boundPorts = Object.fromEntries(bound.map(({ key, port }) => [key, port]));
    const others = Array.from({ length: this.concurrency - 1 }, (_, index) => index + 1);
    await Promise.all(others.map(index => this.#apply(index, owner.currentSnapshot())));
    return bound;
  }

  /** Starts the thread of services; from then on it hears what the workers hear. Answers its own fleet. */
  async startServices(owner: FleetOwner): Promise<WorkerFleet> {
    this.#services = new WorkerFleet(this.#settings, this.#stats, this.#log, 'services');
    await this.#services.start({
      onReport: report => owner.onReport(report),
      onWorkerDeath: index => owner.onWorkerDeath(index),
      onWorkerReplaced: index => owner.onWorkerReplaced(index),
      currentSnapshot: () => withoutListeners(owner.currentSnapshot()),
    });
    return this.#services;
  }

  /** Tells the stats sinks of a flush. */
  postStats(update: Uint8Array): void {
    if (this.#services !== null) this.#services.#tellAll('stats', update);
  }

  /** Gives the guards of all workers, now and later, to `watcher`. */
  watchGuards(watcher: GuardWatcher): void {
    this.#guardWatcher = watcher;
    for (const [workerIndex, memory] of this.#guardMemories) watcher.watch(workerIndex, memory);
  }

  /** Posts to the workers that have their snapshot. */
  post(update: ClusterUpdate): void {
    this.#tellAll('update', update);
  }

  setLogLevels(levels: LogLevelTable): void {
    this.#tellAll('log-levels', levels);
  }

  /** Resolves when no worker writes to the old descriptor any more. */
  async reopenLogs(fd: number): Promise<void> {
    await Promise.all([this.#pool.askAll('reopen-logs', fd), this.#services?.reopenLogs(fd)]);
  }

  /** TLS files have changed and fit together. */
  reloadTls(): void {
    this.#tellAll('reload-tls', undefined);
  }

  /** Code of plugins has changed. */
  replacePluginCode(codes: CodeByKey): void {
    this.#tellAll('replace-plugin-code', codes);
  }

  setRuntime(merged: ReadonlyMap<string, unknown>): void {
    this.#tellAll('runtime', merged);
  }

  /** Every worker gives memory back. */
  collectGarbage(): void {
    this.#tellAll('collect-garbage', null);
  }

  startDrain(plan: DrainPlan): void {
    this.#tellAll('start-drain', plan);
  }

  setDraining(draining: boolean): void {
    this.#tellAll('set-draining', draining);
  }

  async stopListeners(inboundOnly: boolean): Promise<void> {
    await this.#pool.askAll('stop-listeners', inboundOnly);
  }

  /** Resolves when no worker has a connection left. */
  async drain(): Promise<void> {
    await this.#pool.askAll('drain');
  }

  /** Flushes the workers' logs and ends the threads. */
  async close(): Promise<void> {
    const services = this.#services?.close();
    await this.#pool.askAll('close');
    await this.#pool.close();
    await services;
  }

  /** Ends one worker at once; another takes its place. */
  terminate(workerIndex: number): void {
    this.#pool.terminate(workerIndex);
  }

  /** Made here and not by the Guard itself: its package would be loaded before the threads are started. */
  #newGuardMemory(workerIndex: number): WebAssembly.Memory {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    this.#guardMemories.set(workerIndex, memory);
    this.#guardWatcher?.watch(workerIndex, memory);
    return memory;
  }

  async #apply(workerIndex: number, snapshot: Snapshot): Promise<BoundListener[]> {
    this.#served.add(workerIndex);
    return this.#pool.ask<BoundListener[]>(workerIndex, 'apply', {
      ...snapshot,
      boundPorts: this.#boundPorts,
    });
  }

  async #configureReplacement(workerIndex: number): Promise<void> {
    try {
      await this.#apply(workerIndex, this.#owner!.currentSnapshot());
      this.#logger.log('info', 'main', `worker ${workerIndex} is replaced and serves`);
      this.#owner!.onWorkerReplaced(workerIndex);
    } catch (error) {
      this.#logger.log('critical', 'main', `worker ${workerIndex} cannot serve: ${(error as Error).message}`);
      // Alive without listeners it would be of no use: the pool's back-off decides when it is tried again.
      this.#pool.terminate(workerIndex);
    }
  }

  #tellAll(name: string, payload: unknown): void {
    if (this.#services !== null) this.#services.#tellAll(name, payload);
    for (const workerIndex of this.#served) {
      if (!this.#pool.isAlive(workerIndex)) continue;
      this.#pool.ask(workerIndex, name, payload).catch((error: Error) => {
        this.#logger.log('error', 'main', `worker ${workerIndex}, ${name}: ${error.message}`);
      });
    }
  }
}

const describe = (reason: Error): string =>
  (reason.stack ?? reason.message).split('\n').slice(0, 3).join(' ');

const withoutListeners = (snapshot: Snapshot): Snapshot => {
  const { staticResources } = snapshot.bootstrap;
  if (staticResources === undefined) return snapshot;
  return {
    ...snapshot,
    bootstrap: { ...snapshot.bootstrap, staticResources: { ...staticResources, listeners: [] } },
  };
};
