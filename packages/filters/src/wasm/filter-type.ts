// The filter type envoy.filters.http.wasm: checks its configuration, starts the plugin on the worker, and makes a filter
// for each stream.

import type { Node, Wasm } from '@dragoman/config';
import type { FilterContext, HttpFilter, HttpFilterInstance, HttpFilterType, Stream } from '@dragoman/proxy';
import type { PluginHandle } from './plugin-handle.ts';
import { checkHeldPlugin, type WasmPluginConfig } from './plugin-settings.ts';
import { type PropertyScope, startPlugin } from './started-plugin.ts';
import { WasmFilter } from './wasm-filter.ts';

export const WASM_FILTER_TYPE = 'envoy.extensions.filters.http.wasm.v3.Wasm';

export const wasmFilterType: HttpFilterType<Wasm> = {
  name: 'envoy.filters.http.wasm',
  configTypes: [WASM_FILTER_TYPE],
  validate: checkHeldPlugin,
  create(config, context) {
    const { plugin, node } = startPlugin(config.config as WasmPluginConfig, context);
    return new WasmFilterInstance(plugin, context, node);
  },
};

/** One entry of a filter chain. Filters of ended streams are used again. */
export class WasmFilterInstance implements HttpFilterInstance, PropertyScope {
  readonly plugin: PluginHandle;
  readonly listener: FilterContext['listener'];
  readonly clusters: FilterContext['clusters'];
  readonly node: Node | undefined;
  /** The guest has a body callback of that direction, or its lack of one means something (paused headers go on). */
  wantsRequestData = false;
  wantsResponseData = false;
  /** The guest can change bodies of that direction. */
  changesRequests = false;
  changesResponses = false;
  #codeVersion = 0;
  readonly #spare: WasmFilter[] = [];

  constructor(plugin: PluginHandle, context: FilterContext, node: Node | undefined) {
    this.plugin = plugin;
    this.listener = context.listener;
    this.clusters = context.clusters;
    this.node = node;
    this.#learnCallbacks();
  }

  /** What the guest can do, of the code that runs now. */
  #learnCallbacks(): void {
    const { plugin } = this;
    this.#codeVersion = plugin.codeVersion;
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
    if (this.plugin.codeVersion !== this.#codeVersion) {
      this.#learnCallbacks();
      this.#spare.length = 0;
    }
    // A plugin that fails open and is dead has nothing to do.
    if (this.plugin.settings.failurePolicy === 'open' && !this.plugin.isRunning) {
      this.plugin.noteBypass();
      return null;
    }
    return this.#spare.pop() ?? new WasmFilter(this);
  }

  /** Takes back the filter of a stream that has ended. */
  recycle(filter: WasmFilter): void {
    // One of an older version of the code wants what that one wanted.
    const fits =
      filter.wantsRequestData === this.wantsRequestData &&
      filter.wantsResponseData === this.wantsResponseData;
    if (fits && this.#spare.length < MAX_SPARE_FILTERS) this.#spare.push(filter);
  }

  close(): void {
    this.plugin.release();
  }
}

/** More streams than this at a time are rare; what is above goes to the garbage collector. */
const MAX_SPARE_FILTERS = 256;
