// A plugin on threads of its own, for hosts that must not run it inline: compiled once, started on every thread, its
// exchanges spread over them. A thread that hangs or dies is replaced while the others serve.

import { availableParallelism } from 'node:os';
import { type Clock, DragomanError, systemClock } from '@dragoman/base';
import { Arena, type ArenaMemory, SharedQueueStore } from '@dragoman/shm';
import {
  type ExchangeOptions,
  Guard,
  type LocalMetric,
  type Passage,
  type Piece,
  Plugin,
  type PluginModule,
  type PluginRunner,
  type PluginSettings,
  type VmFailure,
  WatchdogThread,
} from '@dragoman/vm';
import type { PassRequest, PluginThreadData } from './plugin-worker.ts';
import { postable } from './posted-bytes.ts';
import { type Place, RemoteExchange } from './remote-exchange.ts';
import { WorkerPool } from './worker-pool.ts';

export interface VmPoolOptions extends PluginSettings {
  /** Number of threads: one less than there are processors, at least one. */
  readonly concurrency?: number;
  /** A thread that has not answered for this long (a pause is an answer) is replaced: 2 s, or the longest deadline. */
  readonly stuckAfterMs?: number;
  /** How long an exchange waits for a thread while all of them are being replaced: 5 s. */
  readonly placeLimitMs?: number;
  log?(level: number, line: string): void;
  /** An instance has died on a thread; what stands in for it is on its way. */
  onFailure?(failure: VmFailure): void;
  /** A thread has died or was stuck; another one is being started. */
  onThreadDeath?(threadIndex: number, reason: Error): void;
  readonly clock?: Clock;
}

const DEFAULT_STUCK_AFTER_MS = 2000;
const DEFAULT_PLACE_LIMIT_MS = 5000;
/** How long a thread may take to tell its plugin of the end. */
const CLOSE_LIMIT_MS = 1000;
/** Arena owners: the main thread, which must not wait long for a lock, then the threads. */
const MAIN_THREAD = 1;
const MAIN_WAIT_LIMIT_MS = 50;
const WARN = 3;
const EXTENSION = import.meta.filename.slice(-3);
const ENTRY = new URL(`./plugin-worker${EXTENSION}`, import.meta.url);

/** One thread as the pool sees it. */
class PluginThread implements Place {
  readonly #pool: WorkerPool<PluginThreadData>;
  readonly index: number;
  /** The plugin has started here. */
  ready = false;
  /** Exchanges placed here and not ended. */
  readonly exchanges = new Map<number, ExchangeOptions>();
  /** A ping was not answered yet. */
  silent = false;

  constructor(pool: WorkerPool<PluginThreadData>, index: number) {
    this.#pool = pool;
    this.index = index;
  }

  pass(exchange: number, piece: Piece): Promise<Passage> {
    const options = this.exchanges.get(exchange);
    // The thread it was placed on has been replaced.
    if (options === undefined)
      return Promise.reject(new DragomanError('WORKER_DIED', `worker ${this.index}: replaced`));
    const request: PassRequest = { exchange, options, piece: postable(piece) };
    return this.#pool.ask(this.index, 'pass', request);
  }

  end(exchange: number): void {
    if (!this.exchanges.delete(exchange)) return;
    this.#pool.ask(this.index, 'end', exchange).catch(() => {});
  }
}

/** Made by VmPool.load(). All methods are for the thread that made it. */
export class VmPool implements PluginRunner {
  readonly readsRequestBody: boolean;
  readonly readsResponseBody: boolean;
  readonly #module: PluginModule;
  readonly #options: VmPoolOptions;
  readonly #settings: PluginSettings;
  readonly #clock: Clock;
  readonly #sharedState: ArenaMemory = Arena.create();
  readonly #watchdog: WatchdogThread;
  readonly #pool: WorkerPool<PluginThreadData>;
  readonly #threads: PluginThread[];
  /** Exchanges that wait for a thread. */
  readonly #waiting = new Set<(place: Place | null) => void>();
  readonly #stuckAfterMs: number;
  #cancelCheck: (() => void) | null = null;
  #nextExchange = 1;
  #closed = false;

  /** Loads a plugin and starts it on every thread. Throws ModuleError, ModuleLimitsError or what the start says. */
  static async load(source: string | URL | Uint8Array, options: VmPoolOptions = {}): Promise<VmPool> {
    const pool = new VmPool(await Plugin.compile(source, options), options);
    try {
      await Promise.all(pool.#threads.map(thread => pool.#startPlugin(thread)));
    } catch (error) {
      await pool.close();
      throw error;
    }
    pool.#checkLater();
    return pool;
  }

  private constructor(module: PluginModule, options: VmPoolOptions) {
    const { clock, concurrency, log, onFailure, onThreadDeath, placeLimitMs, stuckAfterMs, ...settings } =
      options;
    this.#module = module;
    this.#options = options;
    this.#settings = settings;
    this.#clock = clock ?? systemClock;
    // A callback may take what its deadline allows.
    const { requestMs = 0, tickMs = 0 } = settings.limits || {};
    this.#stuckAfterMs = stuckAfterMs ?? Math.max(DEFAULT_STUCK_AFTER_MS, requestMs, tickMs);
    const { functionExports } = module.info;
    this.readsRequestBody = functionExports.proxy_on_request_body !== undefined;
    this.readsResponseBody = functionExports.proxy_on_response_body !== undefined;
    this.#watchdog = new WatchdogThread({ onStuck: index => this.#pool.terminate(index) });
    this.#pool = new WorkerPool<PluginThreadData>({
      entry: ENTRY,
      concurrency: concurrency ?? Math.max(1, availableParallelism() - 1),
      clock: this.#clock,
      createData: index => this.#createData(index),
      releaseData: index => this.#releaseData(index),
      onEvent: (_index, name, payload) => {
        if (name === 'log') log?.(...(payload as [number, string]));
        else onFailure?.(payload as VmFailure);
      },
      onDeath: (index, reason) => this.#onDeath(index, reason),
      onReplaced: index => this.#onReplaced(index),
    });
    this.#threads = Array.from(
      { length: this.#pool.concurrency },
      (_, index) => new PluginThread(this.#pool, index),
    );
  }

  get concurrency(): number {
    return this.#threads.length;
  }

  /** Threads on which the plugin is up now. */
  get readyThreads(): number {
    return this.#threads.filter(({ ready }) => ready).length;
  }

  /** Threads replaced since the pool began. */
  get threadRestarts(): number {
    return this.#pool.restarts;
  }

  /** An exchange on the thread that has the fewest of them when its first piece comes. */
  exchange(options: ExchangeOptions = {}): RemoteExchange {
    const id = this.#nextExchange++;
    return new RemoteExchange(id, this.#settings.failurePolicy === 'open', async () => {
      const thread = this.#leastBusy() ?? ((await this.#nextPlace()) as PluginThread | null);
      thread?.exchanges.set(id, options);
      return thread;
    });
  }

  /** The statistics the plugin has defined, added up over the threads. */
  async metrics(): Promise<LocalMetric[]> {
    const sums = new Map<string, LocalMetric>();
    for (const answer of await this.#pool.askAll<LocalMetric[]>('metrics')) {
      if (answer.status === 'rejected') continue;
      for (const metric of answer.value) {
        const key = `${metric.type} ${metric.name}`;
        const sum = sums.get(key);
        if (sum === undefined) sums.set(key, { ...metric });
        else {
          sum.value += metric.value;
          sum.recorded += metric.recorded;
        }
      }
    }
    return [...sums.values()];
  }

  /** Ends exchanges under way, tells the plugin, and ends the threads. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelCheck?.();
    for (const wake of [...this.#waiting]) wake(null);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(CLOSE_LIMIT_MS, resolve);
    await Promise.race([this.#pool.askAll('close'), late]);
    cancel();
    await Promise.all([this.#pool.close(), this.#watchdog.close()]);
  }

  #createData(index: number): PluginThreadData {
    const guardMemory = Guard.createMemory();
    this.#watchdog.watch(index, guardMemory);
    return {
      module: this.#module,
      settings: this.#settings,
      guardMemory,
      sharedState: this.#sharedState,
      arenaOwner: MAIN_THREAD + 1 + index,
    };
  }

  #releaseData(index: number): void {
    this.#watchdog.unwatch(index);
    const arena = new Arena(this.#sharedState, MAIN_THREAD, MAIN_WAIT_LIMIT_MS);
    arena.releaseOwner(MAIN_THREAD + 1 + index);
    new SharedQueueStore(arena).releaseOwner(MAIN_THREAD + 1 + index);
  }

  async #startPlugin(thread: PluginThread): Promise<void> {
    await this.#pool.ask(thread.index, 'start');
    thread.ready = true;
    for (const wake of [...this.#waiting]) wake(this.#leastBusy());
  }

  #onDeath(index: number, reason: Error): void {
    const thread = this.#threads[index]!;
    thread.ready = thread.silent = false;
    thread.exchanges.clear();
    this.#options.onThreadDeath?.(index, reason);
  }

  /** A plugin that does not start again ends its thread: the pool tries another after a growing wait. */
  #onReplaced(index: number): void {
    this.#startPlugin(this.#threads[index]!).catch((error: Error) => {
      this.#options.log?.(WARN, `plugin ${this.#settings.name ?? ''}: ${error.message}`);
      this.#pool.terminate(index);
    });
  }

  #leastBusy(): PluginThread | null {
    let best: PluginThread | null = null;
    for (const thread of this.#threads) {
      if (thread.ready && (best === null || thread.exchanges.size < best.exchanges.size)) best = thread;
    }
    return best;
  }

  #nextPlace(): Promise<Place | null> {
    if (this.#closed) return Promise.resolve(null);
    return new Promise(resolve => {
      const wake = (place: Place | null) => {
        cancel();
        this.#waiting.delete(wake);
        resolve(place);
      };
      const cancel = this.#clock.after(this.#options.placeLimitMs ?? DEFAULT_PLACE_LIMIT_MS, () =>
        wake(null),
      );
      this.#waiting.add(wake);
    });
  }

  #checkLater(): void {
    this.#cancelCheck = this.#clock.after(this.#stuckAfterMs, () => {
      for (const thread of this.#threads) this.#check(thread);
      this.#checkLater();
    });
  }

  /** Catches also what no deadline does: code without limits, and a host call that hangs. */
  #check(thread: PluginThread): void {
    if (!thread.ready) return;
    if (thread.silent) {
      this.#pool.terminate(thread.index);
      return;
    }
    thread.silent = true;
    this.#pool.ask(thread.index, 'ping').then(
      () => {
        thread.silent = false;
      },
      () => {},
    );
  }
}
