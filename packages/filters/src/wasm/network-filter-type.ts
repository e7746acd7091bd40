// The network filter type envoy.filters.network.wasm: starts the plugin on the worker and makes a filter for each
// connection.

import type { Node } from '@dragoman/config';
import type {
  FilterContext,
  FilteredConnectionView,
  NetworkFilter,
  NetworkFilterInstance,
  NetworkFilterType,
} from '@dragoman/proxy';
import type { PluginHandle } from './plugin-handle.ts';
import { checkHeldPlugin, type PluginHolder, type WasmPluginConfig } from './plugin-settings.ts';
import { type PropertyScope, startPlugin } from './started-plugin.ts';
import { WasmNetworkFilter } from './wasm-network-filter.ts';

export const wasmNetworkFilterType: NetworkFilterType<PluginHolder> = {
  name: 'envoy.filters.network.wasm',
  configTypes: ['envoy.extensions.filters.network.wasm.v3.Wasm'],
  validate: checkHeldPlugin,
  create(config, context) {
    const { plugin, node } = startPlugin(config.config as WasmPluginConfig, context);
    return new WasmNetworkFilterInstance(plugin, context, node);
  },
};

/** One entry of a filter chain. */
export class WasmNetworkFilterInstance implements NetworkFilterInstance, PropertyScope {
  readonly plugin: PluginHandle;
  readonly listener: FilterContext['listener'];
  readonly clusters: FilterContext['clusters'];
  readonly node: Node | undefined;

  constructor(plugin: PluginHandle, context: FilterContext, node: Node | undefined) {
    this.plugin = plugin;
    this.listener = context.listener;
    this.clusters = context.clusters;
    this.node = node;
  }

  createFilter(connection: FilteredConnectionView): NetworkFilter | null {
    // A plugin that fails open and is dead has nothing to do.
    if (this.plugin.settings.failurePolicy === 'open' && this.plugin.acquire() === null) {
      this.plugin.noteBypass();
      return null;
    }
    return new WasmNetworkFilter(this, connection);
  }

  close(): void {
    this.plugin.release();
  }
}
