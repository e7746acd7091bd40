// The bootstrap extension envoy.bootstrap.wasm: plugins without traffic, which live by their ticks, queues and call-outs.
// One on every worker, or with `singleton: true` one on a thread of its own.

import type { WorkerExtensionType } from '@dragoman/proxy';
import { checkHeldPlugin, type PluginHolder, type WasmPluginConfig } from './plugin-settings.ts';
import { startPlugin } from './started-plugin.ts';

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

/** True when a decoded bootstrap has services of which there is one only: they need a thread. */
export function hasSingletonServices(bootstrap: {
  readonly bootstrapExtensions?: readonly { readonly typedConfig?: { typeName: string; value: unknown } }[];
}): boolean {
  return (bootstrap.bootstrapExtensions ?? []).some(
    ({ typedConfig }) =>
      typedConfig?.typeName === WASM_SERVICE_TYPE &&
      (typedConfig.value as WasmServiceConfig).singleton === true,
  );
}
