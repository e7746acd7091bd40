// A plugin for programs that are no proxy, in one object: loads the module with limits, starts it, makes exchanges, and
// puts a fresh instance in the place of one that has died. Everything happens on the thread that loaded it.

import { readFile } from 'node:fs/promises';
import type { RootContext } from '../contexts/root-context.ts';
import { ModuleLimitsError, PluginStartError } from '../errors.ts';
import { Guard } from '../limits/guard.ts';
import { DEFAULT_DEADLINES, DEFAULT_MEMORY_CAP_PAGES, PAGE_BYTES } from '../limits/imposed-limits.ts';
import { watchGuard } from '../limits/shared-watchdog.ts';
import { localHost } from '../local-host.ts';
import type { LocalMetric, LocalMetrics } from '../local-metrics.ts';
import { compileModule, type PluginModule } from '../module/plugin-module.ts';
import { Vm, type VmOptions } from '../vm.ts';
import type { VmFailure, VmHost } from '../vm-host.ts';
import type { ExchangeOptions, PluginRunner } from './exchange.ts';
import { HttpCallouts } from './http-callouts.ts';
import { type ExchangeRules, LocalExchange } from './local-exchange.ts';

/** Time and memory; what is left out has the default, 0 means no limit. */
export interface LimitOptions {
  /** Callbacks on the way of a request: 50 ms. */
  readonly requestMs?: number;
  /** Instantiation and start: 5 s. */
  readonly startMs?: number;
  /** on_configure: 5 s. */
  readonly configureMs?: number;
  /** Ticks and queues: 200 ms. */
  readonly tickMs?: number;
  /** 128 MiB. */
  readonly memoryMib?: number;
}

/** What a plugin runs with that can be posted to another thread. */
export interface PluginSettings {
  /** In logs, and what the plugin reads as plugin_name. */
  readonly name?: string;
  readonly rootId?: string;
  readonly configuration?: string | Uint8Array;
  readonly vmId?: string;
  readonly vmConfiguration?: string | Uint8Array;
  readonly environment?: Readonly<Record<string, string>>;
  /** Addresses ("http://127.0.0.1:8080") of the clusters the plugin calls, by name. */
  readonly clusters?: Readonly<Record<string, string>>;
  /** Lowest level written: 0 trace, 1 debug, 2 info (the default), 3 warn, 4 error, 5 critical. */
  readonly logLevel?: number;
  /**
   * What becomes of requests when the instance dies: `reload` (the default) answers the one that met it with 503 and
   * starts a fresh instance; `open` does that too, but lets requests pass without the plugin; `closed` answers 503 for good.
   */
  readonly failurePolicy?: 'reload' | 'open' | 'closed';
  /** `false`: no limits. Given limits are demanded: a module that cannot be limited is then refused. */
  readonly limits?: LimitOptions | false;
  readonly allowOnHeadersStopIteration?: boolean;
  /** How long the plugin may pause a request before it is answered with 504: 60 s. 0: as long as it likes. */
  readonly pauseLimitMs?: number;
  /** How much of a body the plugin may hold back: 1 MiB. More is answered with 413, or 500 for a response. */
  readonly bufferLimitBytes?: number;
}

export interface PluginOptions extends PluginSettings {
  log?(level: number, line: string): void;
  /** The instance has died; what stands in for it is on its way. */
  onFailure?(failure: VmFailure): void;
  /** Replaces parts of the host: shared data of your own, foreign functions, gRPC, a clock, a guard that you watch. */
  readonly host?: Partial<VmHost>;
  /** Functions for imports that are no host calls, by "module.name". */
  readonly imports?: VmOptions['imports'];
  readonly tracer?: VmOptions['tracer'];
}

const DEFAULT_PAUSE_LIMIT_MS = 60_000;
const DEFAULT_BUFFER_LIMIT_BYTES = 2 ** 20;
const FIRST_RETRY_MS = 1000;
const RETRY_MAX_MS = 10_000;
const WARN = 3;
const PAGES_PER_MEBIBYTE = 2 ** 20 / PAGE_BYTES;
/** All that a 32-bit memory can be. */
const UNLIMITED_PAGES = 65_536;

/** One plugin, loaded and started. */
export class Plugin implements PluginRunner {
  readonly module: PluginModule;
  readonly readsRequestBody: boolean;
  readonly readsResponseBody: boolean;
  readonly #options: PluginOptions;
  readonly #host: VmHost;
  readonly #rules: ExchangeRules;
  readonly #callouts: HttpCallouts;
  readonly #stopWatching: () => void;
  readonly #exchanges = new Set<LocalExchange>();
  #root: RootContext | null = null;
  #cancelStart: (() => void) | null = null;
  /** The instance has died, and its successor has not been tried yet. */
  #startDue = false;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;
  #restarts = 0;

  /**
   * Loads a plugin from a file, bytes, or what Plugin.compile() made, and starts it. Throws ModuleError,
   * ModuleLimitsError or PluginStartError, each naming the fact.
   */
  static async load(
    source: string | URL | Uint8Array | PluginModule,
    options: PluginOptions = {},
  ): Promise<Plugin> {
    const compiled = typeof source === 'object' && 'module' in source;
    const module = compiled ? source : await Plugin.compile(source, options);
    return new Plugin(module, options);
  }

  /** The module alone, compiled as `settings` want it; it can be posted to other threads. */
  static async compile(
    source: string | URL | Uint8Array,
    settings: PluginOptions = {},
  ): Promise<PluginModule> {
    const bytes = source instanceof Uint8Array ? source : await readFile(source);
    const { limits } = settings;
    if (limits === false) return compileModule(bytes);
    try {
      return await compileModule(bytes, { limited: true });
    } catch (error) {
      if (!(error instanceof ModuleLimitsError) || limits !== undefined) throw error;
      settings.log?.(
        WARN,
        `plugin ${settings.name ?? ''}: runs without limits of time and memory: ${error.message}`,
      );
      return compileModule(bytes);
    }
  }

  private constructor(module: PluginModule, options: PluginOptions) {
    this.module = module;
    this.#options = options;
    const { functionExports } = module.info;
    this.readsRequestBody = functionExports.proxy_on_request_body !== undefined;
    this.readsResponseBody = functionExports.proxy_on_response_body !== undefined;
    this.#callouts = new HttpCallouts(options.clusters ?? {});
    // A host that brings a guard has it watched.
    const guard = module.limits === null || options.host?.guard !== undefined ? null : new Guard();
    this.#host = {
      ...localHost({
        httpCall: this.#callouts.call,
        ...(options.log !== undefined && { log: (level, line) => options.log!(level, line) }),
        ...(options.logLevel !== undefined && { logLevel: options.logLevel }),
      }),
      ...(guard !== null && { guard }),
      ...options.host,
      onFailure: failure => this.#onFailure(failure),
    };
    this.#rules = {
      clock: this.#host.clock,
      failOpen: options.failurePolicy === 'open',
      bufferLimitBytes: options.bufferLimitBytes ?? DEFAULT_BUFFER_LIMIT_BYTES,
      pauseLimitMs: options.pauseLimitMs ?? DEFAULT_PAUSE_LIMIT_MS,
      readsRequestBody: this.readsRequestBody,
      readsResponseBody: this.readsResponseBody,
      onEnd: exchange => this.#exchanges.delete(exchange),
    };
    this.#stopWatching = guard === null ? () => {} : watchGuard(guard.memory);
    try {
      this.#root = this.#start();
    } catch (error) {
      this.#stopWatching();
      throw error;
    }
  }

  /** Instances started in place of dead ones. */
  get restarts(): number {
    return this.#restarts;
  }

  /** False while there is no instance to run anything on. */
  get alive(): boolean {
    return this.#root !== null;
  }

  /** Bytes of memory the instance has now. */
  get memoryBytes(): number {
    return this.#root?.vm.memoryBytes ?? 0;
  }

  /** The statistics the plugin has defined; empty when `host` brings other metrics. */
  get metrics(): readonly LocalMetric[] {
    return (this.#host.metrics as Partial<LocalMetrics>).all ?? [];
  }

  exchange(options: ExchangeOptions = {}): LocalExchange {
    // One that died a moment ago is replaced before the next request needs it.
    if (this.#root === null && this.#startDue) this.#tryStart();
    const root = this.#root;
    const context = root === null ? null : root.vm.newStream();
    const exchange = new LocalExchange(context, this.#rules, options);
    this.#exchanges.add(exchange);
    // A guest that dies of the announcement fails the first piece.
    if (root !== null) context?.begin(root, exchange);
    return exchange;
  }

  /** Ends exchanges under way, tells the plugin, and stops its timers and call-outs. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelStart?.();
    for (const exchange of this.#exchanges) exchange.end();
    const root = this.#root;
    this.#root = null;
    root?.shutdown();
    root?.vm.discard();
    this.#callouts.close();
    this.#stopWatching();
  }

  #start(): RootContext {
    const { allowOnHeadersStopIteration, configuration, environment, limits, name, rootId } = this.#options;
    const { imports, tracer, vmConfiguration, vmId } = this.#options;
    const given = limits || {};
    const memoryMib = given.memoryMib ?? DEFAULT_MEMORY_CAP_PAGES / PAGES_PER_MEBIBYTE;
    const vm = Vm.start(this.module, this.#host, {
      deadlines: {
        requestMs: given.requestMs ?? DEFAULT_DEADLINES.requestMs,
        startMs: given.startMs ?? DEFAULT_DEADLINES.startMs,
        configureMs: given.configureMs ?? DEFAULT_DEADLINES.configureMs,
        tickMs: given.tickMs ?? DEFAULT_DEADLINES.tickMs,
      },
      maxMemoryPages: memoryMib === 0 ? UNLIMITED_PAGES : memoryMib * PAGES_PER_MEBIBYTE,
      ...(imports !== undefined && { imports }),
      ...(tracer !== undefined && { tracer }),
      ...(vmId !== undefined && { vmId }),
      ...(vmConfiguration !== undefined && { vmConfiguration: bytesOf(vmConfiguration) }),
      ...(environment !== undefined && { environment: new Map(Object.entries(environment)) }),
    });
    return vm.startRoot({
      name: name ?? '',
      rootId: rootId ?? '',
      configuration: bytesOf(configuration ?? ''),
      ...(allowOnHeadersStopIteration !== undefined && { allowOnHeadersStopIteration }),
    });
  }

  #onFailure(failure: VmFailure): void {
    // While it is being started, #start() throws what there is to say.
    if (this.#root === null) return;
    this.#root = null;
    for (const exchange of this.#exchanges) exchange.vmDied();
    this.#options.onFailure?.(failure);
    if (this.#options.failurePolicy === 'closed') return;
    // Not in here: the callback that died is still on the stack.
    this.#startDue = true;
    this.#startLater(0);
  }

  #startLater(delayMs: number): void {
    this.#cancelStart = this.#host.clock.after(delayMs, () => this.#tryStart());
  }

  #tryStart(): void {
    this.#cancelStart?.();
    this.#startDue = false;
    if (this.#closed) return;
    try {
      this.#root = this.#start();
      this.#restarts++;
      this.#retryMs = FIRST_RETRY_MS;
    } catch (error) {
      if (!(error instanceof PluginStartError)) throw error;
      const name = this.#options.name ?? '';
      this.#host.log(WARN, `plugin ${name}: ${error.message}; next try in ${this.#retryMs} ms`);
      this.#startLater(this.#retryMs);
      this.#retryMs = Math.min(RETRY_MAX_MS, 2 * this.#retryMs);
    }
  }
}

function bytesOf(content: string | Uint8Array): Buffer {
  return typeof content === 'string'
    ? Buffer.from(content)
    : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
}
