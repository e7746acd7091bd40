// Entry of @dragoman/filters: the filter types a proxy can use, and what the main thread prepares for them.
import type { AccessLogType, HttpFilterType, NetworkFilterType } from '@dragoman/proxy';
import { bufferFilterType } from './buffer/buffer.ts';
import { compressorFilterType } from './compressor/compressor.ts';
import { corsFilterType } from './cors/cors.ts';
import { csrfFilterType } from './csrf/csrf.ts';
import { decompressorFilterType } from './decompressor/decompressor.ts';
import { extAuthzFilterType } from './ext-authz/ext-authz.ts';
import { faultFilterType } from './fault/fault.ts';
import { headerMutationFilterType } from './header-mutation/header-mutation.ts';
import { headerToMetadataFilterType } from './header-to-metadata/header-to-metadata.ts';
import { healthCheckFilterType } from './health-check/health-check.ts';
import { jwtAuthnFilterType } from './jwt-authn/jwt-authn.ts';
import { localRateLimitFilterType } from './local-rate-limit/local-rate-limit.ts';
import { rbacFilterType } from './rbac/rbac.ts';
import { setMetadataFilterType } from './set-metadata/set-metadata.ts';
import { wasmAccessLogType } from './wasm/access-log-type.ts';
import { wasmFilterType } from './wasm/filter-type.ts';
import { wasmNetworkFilterType } from './wasm/network-filter-type.ts';

export { httpFilterSupport } from './filter-support.ts';
export { prepareLocalRateLimits } from './local-rate-limit/shared-buckets.ts';
export { GUARD_ATTACHMENT, hasLimitedPlugins, SHARED_STATE_ATTACHMENT } from './wasm/attachments.ts';
export {
  type CodeByKey,
  changedCode,
  hasRemotePlugins,
  type PreparedPlugins,
  type PrepareOptions,
  pluginCodeFiles,
  prepareWasmPlugins,
} from './wasm/prepare.ts';
export { RemoteCode } from './wasm/remote-code.ts';
export { hasSingletonServices, hasStatsSinks, wasmServiceType } from './wasm/service-type.ts';
export { arenaOwner, releaseWorkerSharedState } from './wasm/shared-state.ts';
export { SharedStateStats } from './wasm/shared-state-stats.ts';
export { replacePluginCode } from './wasm/started-plugin.ts';
export { wasmStatsSinkType } from './wasm/stats-sink-type.ts';
export { StatsUpdateEncoder } from './wasm/stats-update.ts';

/** All network filters of this package that may stand before the last one of a chain. */
export const networkFilterTypes: readonly NetworkFilterType[] = [
  wasmNetworkFilterType,
] as readonly NetworkFilterType[];

/** All access logs of this package; those to files and streams are the proxy's own. */
export const accessLogTypes: readonly AccessLogType[] = [wasmAccessLogType] as readonly AccessLogType[];

/** All HTTP filters of this package; the router is the proxy's own. */
export const httpFilterTypes: readonly HttpFilterType[] = [
  bufferFilterType,
  compressorFilterType,
  corsFilterType,
  csrfFilterType,
  decompressorFilterType,
  extAuthzFilterType,
  faultFilterType,
  headerMutationFilterType,
  headerToMetadataFilterType,
  healthCheckFilterType,
  jwtAuthnFilterType,
  localRateLimitFilterType,
  rbacFilterType,
  setMetadataFilterType,
  wasmFilterType,
] as readonly HttpFilterType[];
