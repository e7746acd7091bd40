// What the main thread prepares for Wasm filters and workers look up, by key, among a configuration's attachments.

import type { PluginModule } from '@dragoman/vm';

/** Compiled code; its key is PluginSettings.codeKey. */
export interface CompiledCode extends PluginModule {
  /** SHA-256 of the bytes, hexadecimal. */
  readonly sha256: string;
  /** Why time and memory are not limited, where the configuration would have them limited. */
  readonly unlimitedBecause?: string;
}

/** True when there is code that runs under deadlines: somebody has to watch them. */
export function hasLimitedPlugins(attachments: ReadonlyMap<string, unknown>): boolean {
  return attachments
    .values()
    .some(value => typeof value === 'object' && (value as CompiledCode | null)?.limits != null);
}

/** Key of the thread's Guard, which the thread itself adds: VMs of limited code run under it. */
export const GUARD_ATTACHMENT = 'wasm:guard';

/** Key of the node of the bootstrap, which plugins read as xds.node. */
export const NODE_ATTACHMENT = 'wasm:node';

/** Key of the memory in which plugins of all workers share data and queues (ArenaMemory). */
export const SHARED_STATE_ATTACHMENT = 'wasm:shared-state';

/** Key of the memory in which the counters and gauges of plugins are summed over all workers (SharedTotalsMemory). */
export const METRIC_TOTALS_ATTACHMENT = 'wasm:metric-totals';
