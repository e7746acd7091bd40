// One running instance of a plugin module: its memory, its exports, its contexts, and the rule by which it is entered
// and left. Every call into the guest goes through enter() and leave() or fail(). One thread, as every wasm instance.

import type { AbiVersion } from '@dragoman/abi';
import { Allocator } from './allocator.ts';
import { bindCallbacks, type Callbacks } from './callbacks.ts';
import { Context } from './contexts/context.ts';
import { RootContext, type RootOptions } from './contexts/root-context.ts';
import { StreamContext } from './contexts/stream-context.ts';
import { PluginStartError } from './errors.ts';
import { classifyFailure } from './failure.ts';
import type { HostFunction } from './host/host-function.ts';
import { bindImports } from './imports.ts';
import { Guard } from './limits/guard.ts';
import {
  DEFAULT_DEADLINES,
  type Deadlines,
  type ExceededLimit,
  exceededLimit,
  type ModuleLimits,
} from './limits/imposed-limits.ts';
import type { GuestMemory } from './memory.ts';
import type { ModuleInfo, PluginModule } from './module/plugin-module.ts';
import type { SanitizationRules } from './sanitization/rules.ts';
import { Sanitizer } from './sanitization/sanitizer.ts';
import type { Tracer } from './tracer.ts';
import type { FailureCause, VmFailure, VmHost } from './vm-host.ts';

export interface VmOptions {
  /** Namespace of shared data and queues; may be ''. */
  readonly vmId?: string;
  readonly vmConfiguration?: Buffer;
  /** WASI environment. */
  readonly environment?: ReadonlyMap<string, string>;
  /** Names of host calls, WASI functions and callbacks the plugin may use; absent or empty: all. */
  readonly allowedCapabilities?: ReadonlySet<string>;
  /** What the plugin may reach through the calls it may make; absent: everything. */
  readonly sanitization?: SanitizationRules;
  /** Contents of the read-only files the guest can open, by absolute path. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
  /** Refuse modules that import what this host does not know, instead of trapping when it is called. */
  readonly strictImports?: boolean;
  /** Functions for imports no host call answers, by "module.name"; asked before the unknown-import rule applies. */
  readonly imports?: ReadonlyMap<string, (vm: Vm) => HostFunction>;
  /** Largest memory in pages of 64 KiB, for a module that imports its memory or was compiled as limited. */
  readonly maxMemoryPages?: number;
  /** For a module that was compiled as limited. */
  readonly deadlines?: Deadlines;
  readonly tracer?: Tracer;
}

/** Something a guest asked for that must wait until it has returned (ABI reference 2.7). */
type DeferredAction = () => void;

const NO_BYTES: Buffer = Buffer.alloc(0);
/** More streams than this at a time are rare. */
const MAX_ENDED_STREAMS = 256;

/** One instance. Made by Vm.start(). */
export class Vm {
  readonly info: ModuleInfo;
  readonly abiVersion: AbiVersion;
  readonly host: VmHost;
  readonly vmId: string;
  readonly vmConfiguration: Buffer;
  readonly options: VmOptions;
  /** Null: nothing stops a guest that does not end by itself. */
  readonly limits: ModuleLimits | null;
  readonly guard: Guard | null;
  readonly deadlines: Deadlines;
  /** Null: the plugin reaches everything its host calls can. */
  readonly sanitizer: Sanitizer | null;
  /** Set while the instance is made: imports are bound to the VM before there is a memory. */
  memory!: GuestMemory;
  allocator!: Allocator;
  callbacks!: Callbacks;
  /** Everything the instance exports. */
  exports!: WebAssembly.Exports;
  /** The context the running callback was made on; the VM's own (id 0) when none is running. */
  current: Context;
  /** The context host calls act on. */
  effective: Context;
  /** Null as long as the instance may be entered. */
  failure: VmFailure | null = null;
  /** A local response was asked for in this callback: its result is overridden (ABI reference 5.4). */
  localResponseSent = false;
  readonly #vmContext: Context;
  readonly #contexts = new Map<number, Context>();
  /** Kept here and not with those who use them: an instance that is gone must take them with it. */
  readonly #endedStreams: StreamContext[] = [];
  #nextContextId = 1;
  #depth = 0;
  #deferred: DeferredAction[] = [];

  /** Instantiates the module and runs its start functions. Throws PluginStartError with the guest's reason. */
  static start(module: PluginModule, host: VmHost, options: VmOptions = {}): Vm {
    const vm = new Vm(module, host, options);
    vm.#instantiate(module);
    return vm;
  }

  private constructor({ info, limits }: PluginModule, host: VmHost, options: VmOptions) {
    this.info = info;
    this.limits = limits;
    this.guard = limits === null ? null : (host.guard ?? new Guard());
    this.deadlines = options.deadlines ?? DEFAULT_DEADLINES;
    this.abiVersion = info.abiVersion;
    this.host = host;
    this.options = options;
    this.sanitizer = options.sanitization === undefined ? null : new Sanitizer(this, options.sanitization);
    this.vmId = options.vmId ?? '';
    this.vmConfiguration = options.vmConfiguration ?? NO_BYTES;
    this.#vmContext = new Context(this, 0);
    this.current = this.effective = this.#vmContext;
  }

  /** Bytes of guest memory now. */
  get memoryBytes(): number {
    return this.memory.size;
  }

  /** Streams announced to the guest so far, and those of them that came to their end with the guest alive. */
  streamsBegun = 0;
  streamsEnded = 0;

  /** Name of the plugin whose callback is running; ''. */
  get runningPlugin(): string {
    return this.current.root?.name ?? '';
  }

  /** The streams the guest knows of, or knew of when it died. */
  *streams(): Generator<StreamContext> {
    for (const { stream } of this.#contexts.values()) if (stream !== null) yield stream;
  }

  /** True while guest code of this instance is on the stack. */
  get running(): boolean {
    return this.#depth > 0;
  }

  /** Contexts the guest knows of, roots included. */
  get contextCount(): number {
    return this.#contexts.size;
  }

  /** Announces a root context, hands it its configuration and starts it. Throws PluginStartError. */
  startRoot(options: RootOptions): RootContext {
    const root = new RootContext(this, this.#takeContextId(), options);
    this.#contexts.set(root.id, root);
    root.start();
    return root;
  }

  /** A context for one stream, not yet announced to the guest. */
  newStream(): StreamContext {
    return this.#endedStreams.pop() ?? new StreamContext(this);
  }

  /** Takes back the context of a stream that has ended, from one who has forgotten it: it will be another stream's. */
  reuseStream(stream: StreamContext): void {
    if (this.failure === null && this.#endedStreams.length < MAX_ENDED_STREAMS)
      this.#endedStreams.push(stream);
  }

  /** The context with that id, or undefined; id 0 is the VM's own. */
  context(id: number): Context | undefined {
    return id === 0 ? this.#vmContext : this.#contexts.get(id);
  }

  /** Gives `context` an id no living context has. */
  register(context: Context): void {
    context.id = this.#takeContextId();
    this.#contexts.set(context.id, context);
  }

  forget(context: Context): void {
    this.#contexts.delete(context.id);
  }

  /** Called right before guest code runs on behalf of `context`; it has `deadlineMs` to return. */
  enter(context: Context, deadlineMs: number = this.deadlines.requestMs): void {
    this.#depth++;
    this.guard?.enter(deadlineMs);
    this.current = context;
    this.effective = context;
  }

  /** Called right after guest code returned: what was put off happens now, in order. */
  leave(): void {
    this.guard?.leave();
    this.#depth--;
    this.current = this.effective = this.#vmContext;
    this.localResponseSent = false;
    if (this.#deferred.length !== 0 && this.#depth === 0) this.#runDeferred();
  }

  /** Called instead of leave() when guest code ended with an exception: the instance is dead from here on. */
  fail(callback: string, error: unknown): void {
    const exceeded = this.#leaveFailed();
    const plugin = this.runningPlugin;
    for (const { stream } of [this.current, this.effective]) if (stream !== null) stream.diedHere = true;
    this.#depth = 0;
    this.current = this.effective = this.#vmContext;
    this.localResponseSent = false;
    this.#deferred = [];
    if (this.failure === null) this.markFailed(classifyFailure(plugin, callback, error, exceeded));
  }

  /** Puts off `action` until the guest has returned; runs it at once when no guest code is running. */
  defer(action: DeferredAction): void {
    if (this.#depth === 0) action();
    else this.#deferred.push(action);
  }

  /** Writes a line of the guest's, with the prefix Envoy gives it. */
  log(level: number, text: string): void {
    const name = this.effective.logName;
    this.host.log(level, name === '' ? `wasm log: ${text}` : `wasm log ${name}: ${text}`);
  }

  /** For what the host itself has to say about this VM, at error level. */
  logError(line: string): void {
    this.host.log(4, line);
  }

  /** Kills the instance for a reason found outside of guest code. */
  markFailed(failure: VmFailure): void {
    this.failure = failure;
    const { cause, plugin, callback, reason } = failure;
    this.logError(`Function: ${callback} failed: Uncaught ${reason} [cause: ${cause}, plugin: ${plugin}]`);
    if (failure.backtrace.length > 0)
      this.logError(`Proxy-Wasm plugin in-VM backtrace:\n${failure.backtrace.join('\n')}`);
    for (const context of this.#contexts.values()) context.root?.dropCallouts();
    this.host.onFailure(failure);
  }

  /** Calls off every call-out and timer; the guest is told nothing. For scratch VMs, and after a failure. */
  discard(): void {
    for (const context of this.#contexts.values()) {
      context.root?.dropCallouts();
      context.root?.stopTick();
    }
    this.failure ??= { cause: 'host_error', plugin: '', callback: '', reason: 'discarded', backtrace: [] };
  }

  #instantiate(module: PluginModule): void {
    const imports = bindImports(this);
    let instance: WebAssembly.Instance;
    this.#depth = 1;
    this.guard?.enter(this.deadlines.startMs);
    try {
      // A wasm start section runs in here.
      instance = new WebAssembly.Instance(module.module, imports.object);
      const exported = Object.values(instance.exports).find(value => value instanceof WebAssembly.Memory);
      imports.attachMemory(exported);
      this.exports = instance.exports;
      this.allocator = new Allocator(this, instance.exports);
      this.callbacks = bindCallbacks(this, instance.exports);
      this.#runStartFunctions(instance.exports as Record<string, (...args: number[]) => unknown>);
      this.guard?.leave();
    } catch (error) {
      const exceeded = this.#leaveFailed();
      if (error instanceof PluginStartError) throw error;
      const failure = classifyFailure('', '_initialize', error, exceeded);
      throw new PluginStartError(`${failure.callback} failed: ${failure.reason}`, { cause: error, failure });
    } finally {
      this.#depth = 0;
      this.#deferred = [];
    }
  }

  /** Leaves the guard after an exception; the limit that the call had run into. */
  #leaveFailed(): ExceededLimit | null {
    const { guard } = this;
    return guard === null ? null : exceededLimit(guard, guard.leave());
  }

  /** S9 to S12: `_initialize` and a main, or else `_start`, or else nothing. */
  #runStartFunctions(exports: Record<string, (...args: number[]) => unknown>): void {
    const types = this.info.functionExports;
    if (types._initialize !== undefined) {
      exports._initialize();
      if (types.main !== undefined) exports.main(0, 0);
      else if (types.__main_void !== undefined) exports.__main_void();
    } else if (types._start !== undefined) exports._start();
  }

  #takeContextId(): number {
    while (this.#contexts.has(this.#nextContextId) || this.#nextContextId === 0) {
      this.#nextContextId = (this.#nextContextId + 1) >>> 0;
    }
    const id = this.#nextContextId;
    this.#nextContextId = (id + 1) >>> 0;
    return id;
  }

  #runDeferred(): void {
    // An action may run guest code, which may put off more; those run after the ones before them.
    while (this.#deferred.length > 0) {
      const actions = this.#deferred;
      this.#deferred = [];
      for (const action of actions) action();
    }
  }
}

export type { FailureCause };
