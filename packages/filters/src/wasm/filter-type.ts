// The filter type envoy.filters.http.wasm: checks its configuration, starts the plugin on the worker, and makes a filter
// for each stream.

import type { Node, Wasm } from '@dragoman/config';
import type { FilterContext, HttpFilter, HttpFilterInstance, HttpFilterType, Stream } from '@dragoman/proxy';
import { Arena, type ArenaMemory, SharedTotals, type SharedTotalsMemory } from '@dragoman/shm';
import { type Guard, PluginStartError } from '@dragoman/vm';
import { GUARD_ATTACHMENT, METRIC_TOTALS_ATTACHMENT, SHARED_STATE_ATTACHMENT } from './attachments.ts';
import type { PluginHandle } from './plugin-handle.ts';
import { checkPluginConfig, type WasmPluginConfig } from './plugin-settings.ts';
import { PluginVms } from './plugin-vms.ts';
import { rootProperty } from './root-properties.ts';
import { arenaOwner } from './shared-state.ts';
import { WasmFilter } from './wasm-filter.ts';
import { readWorkerPlugin } from './worker-plugin.ts';

export const WASM_FILTER_TYPE = 'envoy.extensions.filters.http.wasm.v3.Wasm';

/** VMs are shared by all filter chains of a worker; its stat lane, of which there is one, stands for the worker. */
const vmsOfWorker = new WeakMap<FilterContext['stats'], PluginVms>();

function pluginVms(context: FilterContext): PluginVms {
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

export const wasmFilterType: HttpFilterType<Wasm> = {
  name: 'envoy.filters.http.wasm',
  configTypes: [WASM_FILTER_TYPE],
  validate(config, report) {
    checkPluginConfig(config.config as WasmPluginConfig | undefined, (path, message) =>
      report(`config.${path}`, message),
    );
  },
  /** Throws PluginStartError, with Envoy's words, when the plugin does not start and is not to fail open. */
  create(config, context) {
    const { settings, code, node } = readWorkerPlugin(config.config as WasmPluginConfig, context.attachments);
    try {
      const plugin = pluginVms(context).start(settings, code, path => rootProperty(node, path));
      return new WasmFilterInstance(plugin, context, node);
    } catch (error) {
      if (!(error instanceof PluginStartError)) throw error;
      throw new PluginStartError(
        `Unable to create Wasm plugin ${settings.name} (root id "${settings.rootId}"): ${error.message}`,
        { cause: error },
      );
    }
  },
};

/** One entry of a filter chain. Filters of ended streams are used again. */
export class WasmFilterInstance implements HttpFilterInstance {
  readonly plugin: PluginHandle;
  readonly listener: FilterContext['listener'];
  readonly clusters: FilterContext['clusters'];
  readonly node: Node | undefined;
  /** The guest has a body callback of that direction, or its lack of one means something (paused headers go on). */
  readonly wantsRequestData: boolean;
  readonly wantsResponseData: boolean;
  /** The guest can change bodies of that direction. */
  readonly changesRequests: boolean;
  readonly changesResponses: boolean;
  readonly #spare: WasmFilter[] = [];

  constructor(plugin: PluginHandle, context: FilterContext, node: Node | undefined) {
    this.plugin = plugin;
    this.listener = context.listener;
    this.clusters = context.clusters;
    this.node = node;
    const vm = plugin.acquire()?.vm;
    const callbacks = vm?.callbacks;
    const always = callbacks === undefined || plugin.settings.allowOnHeadersStopIteration;
    this.wantsRequestData = always || callbacks.onRequestBody !== null;
    this.wantsResponseData = always || callbacks.onResponseBody !== null;
    const changes = vm?.info.imports.some(({ name }) => name === 'proxy_set_buffer_bytes') ?? false;
    this.changesRequests = changes && callbacks?.onRequestBody !== null;
    this.changesResponses = changes && callbacks?.onResponseBody !== null;
  }

  createFilter(_stream: Stream): HttpFilter | null {
    // A plugin that fails open and is dead has nothing to do.
    if (this.plugin.settings.failurePolicy === 'open' && !this.plugin.isRunning) {
      this.plugin.noteBypass();
      return null;
    }
    return this.#spare.pop() ?? new WasmFilter(this);
  }

  /** Takes back the filter of a stream that has ended. */
  recycle(filter: WasmFilter): void {
    if (this.#spare.length < MAX_SPARE_FILTERS) this.#spare.push(filter);
  }

  close(): void {
    this.plugin.release();
  }
}

/** More streams than this at a time are rare; what is above goes to the garbage collector. */
const MAX_SPARE_FILTERS = 256;
