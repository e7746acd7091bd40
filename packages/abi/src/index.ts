// Entry of @dragoman/abi: the Proxy-Wasm ABI as tables and wire forms. No host and no guest lives here.
export { ALLOCATORS, CALLBACKS, ENVOY_CALLBACKS, HIGRESS_CALLBACKS, LIFECYCLE_EXPORTS } from './callbacks.ts';
export {
  Action,
  BufferType,
  GuestLogLevel,
  MAX_BUFFER_TYPE,
  MAX_GRPC_STATUS,
  MAX_MAP_TYPE,
  MAX_METRIC_TYPE,
  MAX_STREAM_TYPE,
  MapType,
  MetricType,
  PeerType,
  RedisStatus,
  Status,
  StreamType,
} from './enums.ts';
export {
  AUXILIARY_CALLS,
  ENVOY_CALLS,
  type FunctionSpec,
  HIGRESS_CALLS,
  HOST_CALLS,
  type HostCallSpec,
  hostCall,
} from './host-calls.ts';
export {
  decodePairs,
  encodeBytePairs,
  encodePairs,
  MAX_PAIRS,
  MAX_PAIRS_BYTES,
  pairsSize,
  writePairs,
} from './pairs.ts';
export { parsePropertyPath } from './property-path.ts';
export {
  ABI_MARKER_PREFIX,
  ABI_VERSIONS,
  type AbiVersion,
  detectAbiVersion,
  versionOfMarker,
} from './versions.ts';
export { Errno, WASI_FUNCTIONS, WASI_MODULES } from './wasi.ts';
