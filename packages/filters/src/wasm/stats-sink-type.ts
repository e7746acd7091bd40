// The stats sink envoy.stat_sinks.wasm: a plugin that is told of all counters and gauges at every flush, in
// envoy_on_stats_update, and reads them from the buffer of foreign calls. It runs on the thread of services.

import type { WorkerExtensionType } from '@dragoman/proxy';
import { checkHeldPlugin, type PluginHolder, type WasmPluginConfig } from './plugin-settings.ts';
import { startPlugin } from './started-plugin.ts';

export const WASM_STATS_SINK_TYPE = 'envoy.extensions.stat_sinks.wasm.v3.Wasm';

/** `here`: this is the thread that sinks run on. */
export function wasmStatsSinkType(here: boolean): WorkerExtensionType<PluginHolder> {
  return {
    name: 'envoy.stat_sinks.wasm',
    configTypes: [WASM_STATS_SINK_TYPE],
    validate: checkHeldPlugin,
    create(config, context) {
      if (!here) return null;
      const { plugin } = startPlugin(config.config as WasmPluginConfig, context);
      return {
        onStats: update => plugin.acquire()?.onStatsUpdate(update),
        close: () => plugin.release(),
      };
    },
  };
}
