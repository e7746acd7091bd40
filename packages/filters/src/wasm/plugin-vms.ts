// The plugins of one worker: which of them share a VM, and a look at all of them once a second. A VM is started from the
// module that the main thread compiled.

import type { CompiledCode } from './attachments.ts';
import type { PluginHandle } from './plugin-handle.ts';
import { type PluginSettings, vmKey } from './plugin-settings.ts';
import { PluginStats } from './plugin-stats.ts';
import { VmSlot } from './vm-slot.ts';
import { type RootProperties, type WorkerParts, WorkerWasmState } from './worker-host.ts';

/** Statistics of remote code; there from the first plugin on, as in Envoy. */
const REMOTE_LOAD_COUNTERS = [
  'cache_hits',
  'cache_misses',
  'cache_negative_hits',
  'fetch_failures',
  'fetch_successes',
];

/** Time between two looks at age and memory of the instances. */
const LOOK_INTERVAL_MS = 1000;

/** All VMs of one worker, by VM key. */
export class PluginVms {
  readonly parts: WorkerParts;
  readonly state: WorkerWasmState;
  readonly #slots = new Map<string, VmSlot>();
  readonly #stats = new Map<string, PluginStats>();
  #looking = false;

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
      this.#defineRemoteLoad();
      slot = new VmSlot(this, settings, code ?? null, rootProperties, () => this.#slots.delete(key));
      this.#slots.set(key, slot);
    }
    const plugin = slot.start(settings);
    if (!this.#looking) this.#look();
    return plugin;
  }

  /** New versions of code, by the key of the code, for the VMs that run an older one. */
  replaceCode(codes: ReadonlyMap<string, CompiledCode>): void {
    for (const slot of this.#slots.values()) {
      const code = codes.get(slot.codeKey);
      if (code !== undefined) slot.replaceCode(code);
    }
  }

  /** VMs that are held; for tests and the admin interface. */
  get size(): number {
    return this.#slots.size;
  }

  /** Plugins of the same name have their statistics in common. */
  statsOf(name: string): PluginStats {
    let stats = this.#stats.get(name);
    if (stats === undefined) this.#stats.set(name, (stats = new PluginStats(this.parts.lane, name)));
    return stats;
  }

  #defineRemoteLoad(): void {
    const { lane } = this.parts;
    for (const name of REMOTE_LOAD_COUNTERS) lane.counter(`wasm.remote_load_${name}`);
    lane.gauge('wasm.remote_load_cache_entries');
  }

  /** Replaces what is due, shows what there is, and comes again as long as there is anything. */
  #look(): void {
    for (const slot of this.#slots.values()) slot.inspectAll();
    this.#showStates();
    this.#looking = this.#slots.size > 0;
    if (this.#looking) this.parts.clock.after(LOOK_INTERVAL_MS, () => this.#look());
  }

  #showStates(): void {
    const { clock, lane } = this.parts;
    const nowMs = clock.nowMs();
    const memory = new Map<PluginStats, number>();
    const backingOff = new Map<PluginStats, number>();
    const add = (sums: Map<PluginStats, number>, stats: PluginStats, value: number) =>
      sums.set(stats, (sums.get(stats) ?? 0) + value);
    for (const slot of this.#slots.values()) {
      const bytes = slot.memoryBytes();
      for (const plugin of slot.plugins) {
        add(memory, plugin.stats, bytes);
        add(backingOff, plugin.stats, plugin.isBackingOff(nowMs) ? 1 : 0);
      }
    }
    for (const stats of this.#stats.values()) {
      lane.gaugeSet(stats.memoryBytes, memory.get(stats) ?? 0);
      lane.gaugeSet(stats.backingOff, backingOff.get(stats) ?? 0);
    }
  }
}
