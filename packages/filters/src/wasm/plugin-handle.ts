// One plugin on one worker, as filters hold it: a root context on each instance of its VM, and the failure policy, which
// says whether one that has died is started again.

import { PluginStartError, type RootContext, type Vm } from '@dragoman/vm';
import type { PluginSettings } from './plugin-settings.ts';
import type { PluginStats } from './plugin-stats.ts';
import type { VmSlot } from './vm-slot.ts';

/** Held by every filter-chain entry that configures the plugin in the same way. */
export class PluginHandle {
  readonly settings: PluginSettings;
  readonly stats: PluginStats;
  /** Entries that hold it. */
  users = 0;
  /** Changes with the code: what an entry knows of the guest's callbacks is of one version. */
  codeVersion = 0;
  readonly #slot: VmSlot;
  readonly #onUnused: (roots: readonly RootContext[]) => void;
  /** By instance. */
  readonly #roots: (RootContext | null)[];
  #turn = 0;
  /** Until then no new try to start. */
  #notBeforeMs = 0;
  #backoffMs: number;

  /** `onUnused` is given the roots that still live. */
  constructor(
    slot: VmSlot,
    settings: PluginSettings,
    stats: PluginStats,
    onUnused: (roots: readonly RootContext[]) => void,
  ) {
    this.#slot = slot;
    this.settings = settings;
    this.stats = stats;
    this.#onUnused = onUnused;
    this.#roots = Array.from({ length: slot.instanceCount }, () => null);
    this.#backoffMs = settings.reloadBackoffMs;
  }

  /** Throws PluginStartError unless the plugin is to fail open, which then lets everything pass. */
  startFirst(): void {
    try {
      for (let index = 0; index < this.#roots.length; index++) this.startOn(this.#slot.vmAt(index), index);
    } catch (error) {
      this.#countStartFailure(error);
      const { failurePolicy, refuseWithoutCode } = this.settings;
      const isOpen = failurePolicy === 'open';
      if (!isOpen && (this.#slot.hasCode || refuseWithoutCode)) throw error;
      const policy = isOpen ? 'open' : 'closed';
      this.#slot.log(`Plugin configured to fail ${policy} failed to load: ${(error as Error).message}`);
    }
  }

  /** A root context that can be entered, started anew after a failure where the policy says so; or null. */
  acquire(): RootContext | null {
    const roots = this.#roots;
    let index = 0;
    if (roots.length > 1) {
      index = this.#turn;
      this.#turn = index + 1 === roots.length ? 0 : index + 1;
    }
    const root = roots[index];
    if (root !== null && root.vm.failure === null && root.vm.streamsBegun < this.#slot.inspectAt[index])
      return root;
    return this.acquireFrom(index);
  }

  /** The same, but of that instance first. */
  acquireFrom(index: number): RootContext | null {
    if (this.#isAlive(index)) {
      // It has served so many streams that it may be due; what stands in its place then is as good.
      this.#slot.inspect(index);
      return this.#roots[index];
    }
    const fresh = this.settings.failurePolicy === 'reload' && this.#slot.hasCode ? this.#reload(index) : null;
    return fresh ?? this.#roots.find((_root, other) => this.#isAlive(other)) ?? null;
  }

  /** Starts the plugin on an instance that is to be used from now on. Throws PluginStartError. */
  startOn(vm: Vm, index: number): void {
    this.#roots[index] = this.newRoot(vm);
  }

  newRoot(vm: Vm): RootContext {
    const { name, rootId, configuration, allowOnHeadersStopIteration } = this.settings;
    return vm.startRoot({ name, rootId, configuration, allowOnHeadersStopIteration });
  }

  /** Uses a root that was started beforehand; the one that was used until now. */
  exchange(index: number, root: RootContext): RootContext | null {
    const before = this.#roots[index];
    this.#roots[index] = root;
    return before;
  }

  /** True when acquire() has something to give without starting anything; takes no turn. */
  get isRunning(): boolean {
    return this.#roots.some(root => root !== null && root.vm.failure === null);
  }

  /** A request passes without the plugin. */
  noteBypass(): void {
    this.stats.lane.inc(this.stats.bypassed);
  }

  release(): void {
    if (--this.users > 0) return;
    const living = this.#roots.filter(root => root !== null && root.vm.failure === null);
    this.#roots.fill(null);
    this.#onUnused(living as RootContext[]);
  }

  /** True while a failure keeps it from being started. */
  isBackingOff(nowMs: number): boolean {
    return nowMs < Math.max(this.#notBeforeMs, this.#slot.notBeforeMs);
  }

  #isAlive(index: number): boolean {
    const root = this.#roots[index];
    return root !== null && root.vm.failure === null;
  }

  /** At once after a trap; a plugin that does not even start is tried again with a growing wait in between. */
  #reload(index: number): RootContext | null {
    const { stats } = this;
    const { lane } = stats;
    const nowMs = this.#slot.nowMs();
    if (this.isBackingOff(nowMs)) {
      lane.inc(stats.reloadBackoff);
      return null;
    }
    lane.inc(stats.reload);
    try {
      this.startOn(this.#slot.vmAt(index), index);
      this.#slot.addStartCost(index, this.#slot.nowMs() - nowMs);
      lane.inc(stats.reloadSuccess);
      this.#backoffMs = this.settings.reloadBackoffMs;
      return this.#roots[index];
    } catch (error) {
      if (!(error instanceof PluginStartError)) throw error;
      lane.inc(stats.reloadFailure);
      this.#countStartFailure(error);
      this.#slot.log(`Plugin ${this.settings.name} failed to reload: ${error.message}`);
      this.#notBeforeMs = nowMs + this.#backoffMs;
      this.#backoffMs = Math.min(2 * this.#backoffMs, this.settings.reloadMaxBackoffMs);
      return null;
    }
  }

  /** Deaths in start functions; those of callbacks the VM itself reports. */
  #countStartFailure(error: unknown): void {
    if (error instanceof PluginStartError && error.failure !== null) this.stats.failed(error.failure.cause);
  }
}
