// Support for the places besides HTTP where plugins run; what a PluginConfig may say stands with the HTTP filters.

import type { SupportDeclaration } from './support.ts';

const EXTENSIONS = 'envoy.extensions';
const NETWORK_FILTER = `${EXTENSIONS}.filters.network.wasm.v3.Wasm`;
const ACCESS_LOG = `${EXTENSIONS}.access_loggers.wasm.v3.WasmAccessLog`;
const SERVICE = `${EXTENSIONS}.wasm.v3.WasmService`;
const STATS_SINK = `${EXTENSIONS}.stat_sinks.wasm.v3.Wasm`;

export const wasmSupport: SupportDeclaration = {
  extensions: {
    'envoy.filters.network': { [NETWORK_FILTER]: ['envoy.filters.network.wasm'] },
    'envoy.stats_sinks': { [STATS_SINK]: ['envoy.stat_sinks.wasm'] },
    'envoy.bootstrap': { [SERVICE]: ['envoy.bootstrap.wasm'] },
    'envoy.access_loggers': { [ACCESS_LOG]: ['envoy.access_loggers.wasm', 'envoy.wasm_access_log'] },
  },
  fields: {
    [NETWORK_FILTER]: '*',
    [ACCESS_LOG]: '*',
    [SERVICE]: '*',
    [STATS_SINK]: '*',
    'envoy.config.metrics.v3.StatsSink': '*',
  },
};
