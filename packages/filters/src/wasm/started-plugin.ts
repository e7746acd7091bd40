// What every place where plugins run begins with: the plugin of a configuration, started on this worker. VMs are shared by
// all places of a worker.

import type { Node } from '@dragoman/config';
import type { FilterContext } from '@dragoman/proxy';
import { Arena, type ArenaMemory, SharedTotals, type SharedTotalsMemory } from '@dragoman/shm';
import { type Guard, PluginStartError } from '@dragoman/vm';
import {
  type CompiledCode,
  GUARD_ATTACHMENT,
  METRIC_TOTALS_ATTACHMENT,
  SHARED_STATE_ATTACHMENT,
} from './attachments.ts';
import type { PluginHandle } from './plugin-handle.ts';
import type { WasmPluginConfig } from './plugin-settings.ts';
import { PluginVms } from './plugin-vms.ts';
import { rootProperty } from './root-properties.ts';
import { arenaOwner } from './shared-state.ts';
import { readWorkerPlugin } from './worker-plugin.ts';

/** What starting a plugin needs of the worker. */
export type PluginContext = Pick<
  FilterContext,
  'asyncClient' | 'attachments' | 'logger' | 'stats' | 'timers' | 'workerIndex'
>;

/** What properties are read from besides the stream. */
export interface PropertyScope {
  readonly listener: FilterContext['listener'];
  readonly clusters: FilterContext['clusters'];
  readonly node: Node | undefined;
}

export interface StartedPlugin {
  readonly plugin: PluginHandle;
  readonly node: Node | undefined;
}

/** The stat lane of a worker, of which there is one, stands for the worker. */
const vmsOfWorker = new WeakMap<FilterContext['stats'], PluginVms>();

function pluginVms(context: PluginContext): PluginVms {
  let vms = vmsOfWorker.get(context.stats);
  if (vms === undefined) {
    const { asyncClient, logger, stats, timers } = context;
    const guard = context.attachments.get(GUARD_ATTACHMENT) as Guard | undefined;
    const shared = context.attachments.get(SHARED_STATE_ATTACHMENT) as ArenaMemory | undefined;
    const totals = context.attachments.get(METRIC_TOTALS_ATTACHMENT) as SharedTotalsMemory | undefined;
    vms = new PluginVms({
      clock: timers.clock,
      logger,
      lane: stats,
      asyncClient,
      ...(guard && { guard }),
      ...(totals && { metricTotals: new SharedTotals(totals) }),
      ...(shared && { arena: new Arena(shared, arenaOwner(context.workerIndex)) }),
    });
    vmsOfWorker.set(stats, vms);
  }
  return vms;
}

/** Code that has changed, by its key, for the plugins of the worker that `stats` is the lane of. */
export function replacePluginCode(
  stats: FilterContext['stats'],
  codes: ReadonlyMap<string, CompiledCode>,
): void {
  vmsOfWorker.get(stats)?.replaceCode(codes);
}

/** Throws PluginStartError, with Envoy's words, when the plugin does not start and is not to fail open. */
export function startPlugin(config: WasmPluginConfig, context: PluginContext): StartedPlugin {
  const { settings, code, node } = readWorkerPlugin(config, context.attachments);
  try {
    return { plugin: pluginVms(context).start(settings, code, path => rootProperty(node, path)), node };
  } catch (error) {
    if (!(error instanceof PluginStartError)) throw error;
    throw new PluginStartError(
      `Unable to create Wasm plugin ${settings.name} (root id "${settings.rootId}"): ${error.message}`,
      { cause: error },
    );
  }
}
