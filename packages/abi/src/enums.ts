// The enumerations of the ABI with the numbers that cross the guest boundary. Names are the specification's.

/** What a host call answers. */
export const Status = {
  Ok: 0,
  NotFound: 1,
  BadArgument: 2,
  SerializationFailure: 3,
  ParseFailure: 4,
  BadExpression: 5,
  InvalidMemoryAccess: 6,
  Empty: 7,
  CasMismatch: 8,
  ResultMismatch: 9,
  InternalFailure: 10,
  BrokenConnection: 11,
  Unimplemented: 12,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

/** Levels of proxy_log. `Off` is only ever answered by proxy_get_log_level. */
export const GuestLogLevel = { Trace: 0, Debug: 1, Info: 2, Warn: 3, Error: 4, Critical: 5, Off: 6 } as const;
export type GuestLogLevel = (typeof GuestLogLevel)[keyof typeof GuestLogLevel];

/** What the ABI text lets a callback return. C++ and AssemblyScript plugins also return Envoy's wider values. */
export const Action = { Continue: 0, Pause: 1 } as const;

export const BufferType = {
  HttpRequestBody: 0,
  HttpResponseBody: 1,
  DownstreamData: 2,
  UpstreamData: 3,
  HttpCallResponseBody: 4,
  GrpcCallMessage: 5,
  VmConfiguration: 6,
  PluginConfiguration: 7,
  /** Also the answer to envoy_resolve_dns: what is handed over in a callback. */
  ForeignFunctionArguments: 8,
  /** Of Higress, not of the ABI: only there while the plugin is told of a reply. */
  RedisCallResponse: 9,
} as const;
export const MAX_BUFFER_TYPE = BufferType.ForeignFunctionArguments;

/** What proxy_on_redis_call_response is told; plugins only ask whether it is 0. */
export const RedisStatus = { Ok: 0, NetworkError: 1 } as const;
export type RedisStatus = (typeof RedisStatus)[keyof typeof RedisStatus];

export const MapType = {
  HttpRequestHeaders: 0,
  HttpRequestTrailers: 1,
  HttpResponseHeaders: 2,
  HttpResponseTrailers: 3,
  GrpcCallInitialMetadata: 4,
  GrpcCallTrailingMetadata: 5,
  HttpCallResponseHeaders: 6,
  HttpCallResponseTrailers: 7,
} as const;
export const MAX_MAP_TYPE = MapType.HttpCallResponseTrailers;

export const StreamType = { HttpRequest: 0, HttpResponse: 1, Downstream: 2, Upstream: 3 } as const;
export const MAX_STREAM_TYPE = StreamType.Upstream;

export const PeerType = { Unknown: 0, Local: 1, Remote: 2 } as const;

export const MetricType = { Counter: 0, Gauge: 1, Histogram: 2 } as const;
export type MetricType = (typeof MetricType)[keyof typeof MetricType];
export const MAX_METRIC_TYPE = MetricType.Histogram;

/** gRPC status codes run from 0 to this; plugins send 0xffffffff for "not set". */
export const MAX_GRPC_STATUS = 16;
