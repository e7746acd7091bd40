// The plugins of one worker: which of them share a VM, and what happens when one dies. A VM is started from the module
// that the main thread compiled; plugins hold handles, which find a living root context or start one.

import type { Clock, Logger } from '@dragoman/base';
import type { StatLane } from '@dragoman/shm';
import { PluginStartError, type RootContext, Vm } from '@dragoman/vm';
import type { CompiledCode } from './attachments.ts';
import { type PluginSettings, pluginKey, vmKey } from './plugin-settings.ts';
import { type RootProperties, type WorkerParts, WorkerVmHost, WorkerWasmState } from './worker-host.ts';

/** Statistics of remote code; there from the first plugin on, as in Envoy. */
const REMOTE_LOAD_COUNTERS = [
  'cache_hits',
  'cache_misses',
  'cache_negative_hits',
  'fetch_failures',
  'fetch_successes',
];

/** How soon a renewal that found streams in flight is tried again. */
const RENEW_RETRY_MS = 250;

/** All VMs of one worker, by VM key. */
export class PluginVms {
  readonly parts: WorkerParts;
  readonly state: WorkerWasmState;
  readonly #slots = new Map<string, VmSlot>();

  constructor(parts: WorkerParts) {
    this.parts = parts;
    this.state = new WorkerWasmState(parts);
  }

  /**
   * Starts the plugin, on a VM that runs already or on a new one. Throws PluginStartError when it will not start, unless
   * it is to fail open.
   */
  start(
    settings: PluginSettings,
    code: CompiledCode | undefined,
    rootProperties: RootProperties,
  ): PluginHandle {
    const key = vmKey(settings, code?.sha256 ?? '');
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = new VmSlot(this, settings, code ?? null, rootProperties, () => this.#slots.delete(key));
      this.#slots.set(key, slot);
    }
    return slot.start(settings);
  }

  /** VMs that are held; for tests and the admin interface. */
  get size(): number {
    return this.#slots.size;
  }
}

/** One VM key on this worker: the VM that runs now, if one does, and the plugins that use it. */
class VmSlot {
  readonly vms: PluginVms;
  readonly code: CompiledCode | null;
  readonly #settings: PluginSettings;
  readonly #rootProperties: RootProperties;
  readonly #onUnused: () => void;
  readonly #plugins = new Map<string, PluginHandle>();
  readonly #stats: { created: number; active: number; vmCount: number };
  #vm: Vm | null = null;

  constructor(
    vms: PluginVms,
    settings: PluginSettings,
    code: CompiledCode | null,
    rootProperties: RootProperties,
    onUnused: () => void,
  ) {
    this.vms = vms;
    this.code = code;
    this.#settings = settings;
    this.#rootProperties = rootProperties;
    this.#onUnused = onUnused;
    const { lane } = vms.parts;
    this.#stats = {
      created: lane.counter(`wasm.${settings.runtime}.created`),
      active: lane.gauge(`wasm.${settings.runtime}.active`),
      vmCount: lane.gauge('wasm.wasm_vm_count'),
    };
    for (const name of REMOTE_LOAD_COUNTERS) lane.counter(`wasm.remote_load_${name}`);
    lane.gauge('wasm.remote_load_cache_entries');
  }

  start(settings: PluginSettings): PluginHandle {
    const key = pluginKey(settings);
    let plugin = this.#plugins.get(key);
    if (plugin === undefined) {
      plugin = new PluginHandle(this, settings, () => this.#release(key));
      this.#plugins.set(key, plugin);
      try {
        plugin.startFirst();
      } catch (error) {
        this.#plugins.delete(key);
        if (this.#plugins.size === 0) this.#dispose();
        throw error;
      }
    }
    plugin.users++;
    return plugin;
  }

  /** The VM that runs, or a new one. Throws PluginStartError. */
  runningVm(): Vm {
    if (this.#vm !== null && this.#vm.failure === null) return this.#vm;
    if (this.code === null) throw new PluginStartError('there is no code');
    const { parts, state } = this.vms;
    const host = new WorkerVmHost(parts, state, this.#rootProperties, () => this.#onVmFailure());
    const vm = Vm.start(this.code, host, this.#settings.vm);
    parts.lane.inc(this.#stats.created);
    parts.lane.gaugeInc(this.#stats.active);
    parts.lane.gaugeInc(this.#stats.vmCount);
    this.#vm = vm;
    return vm;
  }

  #onVmFailure(): void {
    const { lane } = this.vms.parts;
    lane.gaugeDec(this.#stats.active);
    lane.gaugeDec(this.#stats.vmCount);
    // Not in here: the guest's callback is still being unwound. The next request then finds everything ready.
    setImmediate(() => {
      for (const plugin of this.#plugins.values()) plugin.acquire();
      if (this.#settings.renewAfterBackoff && this.#vm !== null)
        this.#renewLater(this.#vm, this.#settings.reloadBackoffMs);
    });
  }

  /**
   * With FAIL_RELOAD what stands in after a failure serves through the back-off only; then the reload proper takes place,
   * once no stream is on it, and the plugin's state begins anew as it does in Envoy.
   */
  #renewLater(standIn: Vm, delayMs: number): void {
    const timer = setTimeout(() => {
      if (this.#vm !== standIn || standIn.failure !== null) return;
      if (standIn.contextCount > this.#plugins.size) {
        this.#renewLater(standIn, RENEW_RETRY_MS);
        return;
      }
      const { lane } = this.vms.parts;
      standIn.discard();
      lane.gaugeDec(this.#stats.active);
      lane.gaugeDec(this.#stats.vmCount);
      for (const plugin of this.#plugins.values()) plugin.acquire();
    }, delayMs);
    timer.unref();
  }

  #release(key: string): void {
    this.#plugins.delete(key);
    if (this.#plugins.size === 0) this.#dispose();
  }

  #dispose(): void {
    this.#onUnused();
    const vm = this.#vm;
    this.#vm = null;
    if (vm === null || vm.failure !== null) return;
    vm.discard();
    const { lane } = this.vms.parts;
    lane.gaugeDec(this.#stats.active);
    lane.gaugeDec(this.#stats.vmCount);
  }
}

/** One plugin on one worker, held by every filter-chain entry that configures it in the same way. */
export class PluginHandle {
  readonly settings: PluginSettings;
  /** Entries that hold it. */
  users = 0;
  readonly #slot: VmSlot;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lane: StatLane;
  readonly #stats: { reload: number; backoff: number; success: number; failure: number };
  readonly #onUnused: () => void;
  #root: RootContext | null = null;
  /** Until then no new try to start. */
  #notBeforeMs = 0;
  #backoffMs: number;

  constructor(slot: VmSlot, settings: PluginSettings, onUnused: () => void) {
    this.#slot = slot;
    this.settings = settings;
    this.#onUnused = onUnused;
    const { clock, lane, logger } = slot.vms.parts;
    this.#clock = clock;
    this.#logger = logger;
    this.#lane = lane;
    this.#backoffMs = settings.reloadBackoffMs;
    const prefix = settings.name === '' ? 'wasm.vm_reload' : `wasm.${settings.name}.vm_reload`;
    this.#stats = {
      reload: lane.counter(prefix),
      backoff: lane.counter(`${prefix}_backoff`),
      success: lane.counter(`${prefix}_success`),
      failure: lane.counter(`${prefix}_failure`),
    };
  }

  /** Throws PluginStartError unless the plugin is to fail open, which then lets everything pass. */
  startFirst(): void {
    try {
      this.#startRoot();
    } catch (error) {
      if (this.settings.failurePolicy !== 'open') throw error;
      this.#log(`Plugin configured to fail open failed to load: ${(error as Error).message}`);
    }
  }

  /** A root context that can be entered, started anew after a failure where the policy says so; or null. */
  acquire(): RootContext | null {
    const root = this.#root;
    if (root !== null && root.vm.failure === null) return root;
    return this.settings.failurePolicy === 'reload' ? this.#reload() : null;
  }

  release(): void {
    if (--this.users > 0) return;
    const root = this.#root;
    this.#root = null;
    if (root !== null && root.vm.failure === null) root.shutdown();
    this.#onUnused();
  }

  #startRoot(): RootContext {
    const { name, rootId, configuration, allowOnHeadersStopIteration } = this.settings;
    const vm = this.#slot.runningVm();
    this.#root = vm.startRoot({ name, rootId, configuration, allowOnHeadersStopIteration });
    return this.#root;
  }

  /** At once after a trap; a plugin that does not even start is tried again with a growing wait in between. */
  #reload(): RootContext | null {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#notBeforeMs) {
      this.#lane.inc(this.#stats.backoff);
      return null;
    }
    this.#lane.inc(this.#stats.reload);
    try {
      const root = this.#startRoot();
      this.#lane.inc(this.#stats.success);
      this.#backoffMs = this.settings.reloadBackoffMs;
      return root;
    } catch (error) {
      if (!(error instanceof PluginStartError)) throw error;
      this.#lane.inc(this.#stats.failure);
      this.#log(`Plugin ${this.settings.name} failed to reload: ${error.message}`);
      this.#notBeforeMs = nowMs + this.#backoffMs;
      this.#backoffMs = Math.min(2 * this.#backoffMs, this.settings.reloadMaxBackoffMs);
      return null;
    }
  }

  #log(line: string): void {
    this.#logger.log('error', 'wasm', line);
  }
}
