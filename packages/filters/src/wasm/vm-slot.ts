// One VM key on one worker: its instances, the plugins that use them, and how an instance is replaced: at once when it has
// died, without a gap when it is due, later and later when it dies again and again.

import { PluginStartError, type RootContext, Vm, type VmFailure } from '@dragoman/vm';
import type { CompiledCode } from './attachments.ts';
import { InstanceWear } from './instance-wear.ts';
import { LogBudget } from './log-budget.ts';
import { PluginHandle } from './plugin-handle.ts';
import { type PluginSettings, pluginKey } from './plugin-settings.ts';
import type { RecycleReason } from './plugin-stats.ts';
import type { PluginVms } from './plugin-vms.ts';
import { type RootProperties, WorkerVmHost } from './worker-host.ts';

/** How soon it is looked again whether the last stream of an instance has ended. */
const DRAIN_LOOK_MS = 250;
/** How long a plugin that has put off its end (on_done: 0) may take to say proxy_done. */
const DONE_PATIENCE_MS = 5000;
/** A spare is made when nothing else is going on, and not more often. */
const SPARE_DELAY_MS = 1000;
/** What a worker spends on starts of instances that serve nothing, before it waits in between. */
const WASTED_START_LIMIT_MS = 2000;

export class VmSlot {
  /** By instance: the number of streams at which it is inspected again. */
  readonly inspectAt: number[];
  /** After too many deaths in a row: until then nothing is started. */
  notBeforeMs = 0;
  readonly #owner: PluginVms;
  #code: CompiledCode | null;
  readonly #settings: PluginSettings;
  readonly #rootProperties: RootProperties;
  readonly #onUnused: () => void;
  readonly #plugins = new Map<string, PluginHandle>();
  readonly #vms: (Vm | null)[];
  readonly #wear: (InstanceWear | null)[];
  readonly #startCostMs: number[];
  /** Instances that can be entered: those in use, and those that keep the streams they had. */
  readonly #living = new Set<Vm>();
  readonly #stats: { created: number; active: number; vmCount: number };
  readonly #logBudget: LogBudget;
  #spare: Vm | null = null;
  #cancelSpare: (() => void) | null = null;
  #wastedMs = 0;
  /** An instance that could not be replaced is left alone until then. */
  #noRecycleBeforeMs = 0;
  #crashBackoffMs: number;

  constructor(
    owner: PluginVms,
    settings: PluginSettings,
    code: CompiledCode | null,
    rootProperties: RootProperties,
    onUnused: () => void,
  ) {
    this.#owner = owner;
    this.#code = code;
    this.#settings = settings;
    this.#rootProperties = rootProperties;
    this.#onUnused = onUnused;
    const { instances } = settings.limits;
    this.#vms = Array.from({ length: instances }, () => null);
    this.#wear = Array.from({ length: instances }, () => null);
    this.inspectAt = new Array<number>(instances).fill(0);
    this.#startCostMs = new Array<number>(instances).fill(0);
    this.#crashBackoffMs = settings.reloadBackoffMs;
    const { logLinesPerSecond } = settings.limits;
    this.#logBudget = new LogBudget(owner.parts.clock, logLinesPerSecond, first =>
      this.#noteDroppedLine(first),
    );
    const { lane } = owner.parts;
    this.#stats = {
      created: lane.counter(`wasm.${settings.runtime}.created`),
      active: lane.gauge(`wasm.${settings.runtime}.active`),
      vmCount: lane.gauge('wasm.wasm_vm_count'),
    };
  }

  get instanceCount(): number {
    return this.#vms.length;
  }

  /** False where remote code could not be fetched. */
  get hasCode(): boolean {
    return this.#code !== null;
  }

  get codeKey(): string {
    return this.#settings.codeKey;
  }

  /**
   * Other code in the place of what runs: instances are replaced as they are when they are due, and keep their streams.
   * Where the new code does not start, the old one goes on.
   */
  replaceCode(code: CompiledCode): void {
    const before = this.#code;
    if (before?.sha256 === code.sha256) return;
    this.#code = code;
    this.#spare?.discard();
    this.#spare = null;
    this.notBeforeMs = this.#noRecycleBeforeMs = 0;
    for (const [index, vm] of this.#vms.entries()) {
      if (vm === null || vm.failure !== null || this.#recycle(vm, index, 'code')) continue;
      this.#code = before;
      break;
    }
    // Also after a failure: instances before that one may run the new code.
    for (const plugin of this.#plugins.values()) plugin.codeVersion++;
  }

  get plugins(): Iterable<PluginHandle> {
    return this.#plugins.values();
  }

  nowMs(): number {
    return this.#owner.parts.clock.nowMs();
  }

  log(line: string): void {
    this.#owner.parts.logger.log('error', 'wasm', line);
  }

  /** The plugin, started unless it runs already. Throws PluginStartError when it will not start and is not to fail open. */
  start(settings: PluginSettings): PluginHandle {
    const key = pluginKey(settings);
    let plugin = this.#plugins.get(key);
    if (plugin === undefined) {
      plugin = new PluginHandle(this, settings, this.#owner.statsOf(settings.name), roots =>
        this.#release(key, roots),
      );
      this.#plugins.set(key, plugin);
      plugin.stats.lane.gaugeAdd(plugin.stats.instances, this.#living.size);
      try {
        plugin.startFirst();
      } catch (error) {
        this.#release(key, []);
        throw error;
      }
    }
    plugin.users++;
    return plugin;
  }

  /** The instance that runs, or a new one. Throws PluginStartError. */
  vmAt(index: number): Vm {
    const running = this.#vms[index];
    if (running !== null && running.failure === null) return running;
    const vm = this.#newVm();
    this.#install(vm, index);
    return vm;
  }

  /** Replaces the instance if it is due. */
  inspect(index: number): void {
    const vm = this.#vms[index];
    if (vm === null || vm.failure !== null) return;
    const wear = this.#wear[index]!;
    const nowMs = this.nowMs();
    const reason = wear.reasonToRecycle(nowMs);
    if (reason !== null && nowMs >= this.#noRecycleBeforeMs && this.#recycle(vm, index, reason)) return;
    wear.planNextLook();
    this.inspectAt[index] = wear.inspectAt;
  }

  inspectAll(): void {
    for (let index = 0; index < this.#vms.length; index++) this.inspect(index);
  }

  /** Bytes of guest memory of all instances together. */
  memoryBytes(): number {
    let bytes = 0;
    for (const vm of this.#vms) if (vm !== null && vm.failure === null) bytes += vm.memoryBytes;
    return bytes;
  }

  #newVm(): Vm {
    const spare = this.#spare;
    this.#spare = null;
    return spare !== null && spare.failure === null ? spare : this.#startVm();
  }

  #startVm(): Vm {
    if (this.#code === null) throw new PluginStartError('there is no code');
    const { parts, state } = this.#owner;
    let vm: Vm | null = null;
    const host = new WorkerVmHost(parts, state, this.#rootProperties, this.#logBudget, failure => {
      if (vm !== null) this.#onVmFailure(vm, failure);
    });
    vm = Vm.start(this.#code, host, this.#settings.vm);
    return vm;
  }

  #install(vm: Vm, index: number): void {
    this.#vms[index] = vm;
    this.#living.add(vm);
    this.#startCostMs[index] = 0;
    const wear = new InstanceWear(vm, this.#settings.limits.recycle, this.nowMs());
    this.#wear[index] = wear;
    this.inspectAt[index] = wear.inspectAt;
    this.#countLiving(1);
    const { lane } = this.#owner.parts;
    lane.inc(this.#stats.created);
    this.#makeSpareLater();
  }

  #noteDroppedLine(first: boolean): void {
    const { logLinesPerSecond } = this.#settings.limits;
    this.#owner.statsOf(this.#settings.name).logLineDropped();
    if (first)
      this.log(
        `Plugin ${this.#settings.name} logs more than ${logLinesPerSecond} lines in a second: the rest is dropped`,
      );
  }

  #noteGone(vm: Vm): void {
    if (this.#living.delete(vm)) this.#countLiving(-1);
  }

  #countLiving(change: 1 | -1): void {
    const { lane } = this.#owner.parts;
    const count = change > 0 ? lane.gaugeInc.bind(lane) : lane.gaugeDec.bind(lane);
    count(this.#stats.active);
    count(this.#stats.vmCount);
    for (const plugin of this.#plugins.values()) count(plugin.stats.instances);
  }

  #onVmFailure(vm: Vm, failure: VmFailure): void {
    const name = failure.plugin === '' ? this.#settings.name : failure.plugin;
    this.#owner.statsOf(name).failed(failure.cause);
    const index = this.#vms.indexOf(vm);
    this.#noteGone(vm);
    if (index >= 0) this.#noteCrash(vm, index);
    // Not in here: the guest's callback is still being unwound. The next request then finds everything ready.
    setImmediate(() => {
      for (const stream of vm.streams()) stream.host?.onGuestDied?.();
      if (index < 0 || this.#vms[index] !== vm) return;
      for (const plugin of this.#plugins.values()) plugin.acquireFrom(index);
      if (this.#settings.renewAfterBackoff) this.#renewLater(index);
    });
  }

  /** Starting costs the worker time that other requests wait for: an instance that serves nothing is not worth much of it. */
  #noteCrash(vm: Vm, index: number): void {
    if (vm.streamsEnded > 0) {
      this.#wastedMs = 0;
      this.#crashBackoffMs = this.#settings.reloadBackoffMs;
      return;
    }
    this.#wastedMs += this.#startCostMs[index];
    if (this.#wastedMs < WASTED_START_LIMIT_MS) return;
    this.notBeforeMs = this.nowMs() + this.#crashBackoffMs;
    this.log(
      `Plugin ${this.#settings.name} dies again and again before it has served a request; next start in ${this.#crashBackoffMs} ms`,
    );
    this.#crashBackoffMs = Math.min(2 * this.#crashBackoffMs, this.#settings.reloadMaxBackoffMs);
  }

  /** What the start of a plugin on the instance took, that of the instance itself included. */
  addStartCost(index: number, costMs: number): void {
    this.#startCostMs[index] += costMs;
  }

  /**
   * With FAIL_RELOAD what stands in after a failure serves through the back-off only; then the reload proper takes place,
   * and the plugin's state begins anew as it does in Envoy.
   */
  #renewLater(index: number): void {
    const standIn = this.#vms[index];
    this.#owner.parts.clock.after(this.#settings.reloadBackoffMs, () => {
      if (standIn === null || this.#vms[index] !== standIn || standIn.failure !== null) return;
      this.#recycle(standIn, index, 'reload');
    });
  }

  /** Puts a new instance in the place of one that is well, which keeps the streams it has. False: there is none to be had. */
  #recycle(old: Vm, index: number, reason: RecycleReason): boolean {
    const fresh: [PluginHandle, RootContext][] = [];
    let vm: Vm | null = null;
    try {
      vm = this.#newVm();
      for (const plugin of this.#plugins.values()) fresh.push([plugin, plugin.newRoot(vm)]);
    } catch (error) {
      if (!(error instanceof PluginStartError)) throw error;
      vm?.discard();
      this.#noRecycleBeforeMs = this.nowMs() + this.#settings.reloadBackoffMs;
      this.log(`Plugin ${this.#settings.name} was to be replaced (${reason}) and goes on: ${error.message}`);
      return false;
    }
    const before: RootContext[] = [];
    for (const [plugin, root] of fresh) {
      const oldRoot = plugin.exchange(index, root);
      if (oldRoot !== null && oldRoot.vm === old) before.push(oldRoot);
      plugin.stats.recycled(reason);
    }
    this.#install(vm, index);
    this.#retire(old, before, true);
    return true;
  }

  /** Ends plugins on an instance, and the instance itself if nobody else needs it, once their streams have ended. */
  #retire(vm: Vm, roots: readonly RootContext[], withVm: boolean): void {
    if (vm.failure !== null) return;
    const { clock } = this.#owner.parts;
    if (vm.streams().some(({ root }) => withVm || roots.includes(root!))) {
      clock.after(DRAIN_LOOK_MS, () => this.#retire(vm, roots, withVm));
      return;
    }
    for (const root of roots) root.shutdown();
    if (!withVm) return;
    if (roots.some(root => root.donePending)) clock.after(DONE_PATIENCE_MS, () => this.#discard(vm));
    else this.#discard(vm);
  }

  #discard(vm: Vm): void {
    if (vm.failure === null) vm.discard();
    this.#noteGone(vm);
  }

  #makeSpareLater(): void {
    if (!this.#settings.limits.spare || this.#spare !== null || this.#cancelSpare !== null) return;
    this.#cancelSpare = this.#owner.parts.clock.after(SPARE_DELAY_MS, () => {
      this.#cancelSpare = null;
      try {
        this.#spare ??= this.#startVm();
      } catch (error) {
        if (!(error instanceof PluginStartError)) throw error;
        // It has started before; when one is needed the failure is reported with its consequences.
      }
    });
  }

  #release(key: string, roots: readonly RootContext[]): void {
    const plugin = this.#plugins.get(key)!;
    this.#plugins.delete(key);
    plugin.stats.lane.gaugeSub(plugin.stats.instances, this.#living.size);
    const unused = this.#plugins.size === 0;
    for (const vm of this.#vms) {
      const ended = roots.filter(root => root.vm === vm);
      if (vm !== null) this.#retire(vm, ended, unused);
    }
    if (!unused) return;
    this.#vms.fill(null);
    this.#cancelSpare?.();
    this.#spare?.discard();
    this.#spare = null;
    this.#onUnused();
  }
}
