// The bootstrap extension envoy.bootstrap.wasm: plugins without traffic, which live by their ticks, queues and call-outs.
// One on every worker, or with `singleton: true` one on a thread of its own.

import type { WorkerExtensionType } from '@dragoman/proxy';
import { checkHeldPlugin, type PluginHolder, type WasmPluginConfig } from './plugin-settings.ts';
import { startPlugin } from './started-plugin.ts';
import { WASM_STATS_SINK_TYPE } from './stats-sink-type.ts';

export const WASM_SERVICE_TYPE = 'envoy.extensions.wasm.v3.WasmService';

/** What of a WasmService counts here. */
export interface WasmServiceConfig extends PluginHolder {
  readonly singleton?: boolean;
}

/** `singletons`: the thread runs the services there is one of; otherwise those that every worker has. */
export function wasmServiceType(singletons: boolean): WorkerExtensionType<WasmServiceConfig> {
  return {
    name: 'envoy.bootstrap.wasm',
    configTypes: [WASM_SERVICE_TYPE],
    validate: checkHeldPlugin,
    create(config, context) {
      if ((config.singleton ?? false) !== singletons) return null;
      const { plugin } = startPlugin(config.config as WasmPluginConfig, context);
      return { close: () => plugin.release() };
    },
  };
}

interface Extension {
  readonly typedConfig?: { readonly typeName: string; readonly value: unknown };
}

/** True when a decoded bootstrap has services of which there is one only, or stats sinks: they need a thread. */
export function hasSingletonServices(bootstrap: {
  readonly bootstrapExtensions?: readonly Extension[];
  readonly statsSinks?: readonly Extension[];
}): boolean {
  const isSingleton = ({ typedConfig }: Extension): boolean =>
    typedConfig?.typeName === WASM_SERVICE_TYPE &&
    (typedConfig.value as WasmServiceConfig).singleton === true;
  return (bootstrap.bootstrapExtensions ?? []).some(isSingleton) || hasStatsSinks(bootstrap);
}

export const hasStatsSinks = (bootstrap: { readonly statsSinks?: readonly Extension[] }): boolean =>
  (bootstrap.statsSinks ?? []).some(({ typedConfig }) => typedConfig?.typeName === WASM_STATS_SINK_TYPE);
