// Entry of @dragoman/proxy.

export { DEFAULT_FORMAT } from './access-log/access-log.ts';
export type { AccessLogSink, AccessLogType } from './access-log/access-log-type.ts';
export { AdminAccessLog, type AdminAnswer } from './access-log/admin-access-log.ts';
export type { Cluster } from './cluster/cluster.ts';
export { ClusterDirectory, type ClusterView, type HostView } from './cluster/cluster-directory.ts';
export { ClusterManager } from './cluster/cluster-manager.ts';
export { clusterManagerSupport } from './cluster/cluster-support.ts';
export type { ClusterReport, ClusterSnapshot, ClusterUpdate } from './cluster/cluster-update.ts';
export { clusterResolvers, type DnsResolver, systemResolver } from './cluster/dns-resolver.ts';
export type { Host } from './cluster/host.ts';
export { healthFlagsText } from './cluster/host-health.ts';
export {
  type DataFrame,
  DataStatus,
  type FilterContext,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  TrailersStatus,
} from './filter-chain/filter.ts';
export { isGrpcContentType } from './filter-chain/local-reply.ts';
export { Stream } from './filter-chain/stream.ts';
export {
  type DownstreamConnectionInfo,
  StreamInfo,
  type TlsConnectionInfo,
} from './filter-chain/stream-info.ts';
export type { FormatInput } from './format/format-input.ts';
export { compileFormat } from './format/formatter.ts';
export { GrpcStatus } from './format/grpc-status.ts';
export { ResponseFlag } from './format/response-flags.ts';
export { type GrpcCall, GrpcClient, type OnGrpcResult } from './grpc/grpc-client.ts';
export { GrpcMethod, type GrpcMethodListener, type GrpcMethodStream } from './grpc/grpc-method.ts';
export { GrpcStream, type GrpcStreamListener } from './grpc/grpc-stream.ts';
export { type GrpcHead, GrpcTarget, grpcServiceFields } from './grpc/grpc-target.ts';
export { HTTP_CONNECTION_MANAGER, ROUTER } from './listener/filter-chain-compiler.ts';
export {
  type ClosingPeer,
  type FilteredConnectionView,
  type NetworkFilter,
  type NetworkFilterInstance,
  type NetworkFilterType,
  NetworkStatus,
} from './network-filter/network-filter.ts';
export {
  CONNECTION_COUNTS_ATTACHMENT,
  connectionCountsMemory,
  releaseWorkerConnections,
} from './overload/connection-limits.ts';
export { collectGarbage } from './overload/garbage.ts';
export { OverloadManager } from './overload/overload-manager.ts';
export { OVERLOAD_STATE_ATTACHMENT, OverloadState } from './overload/overload-state.ts';
export { overloadSupport } from './overload/overload-support.ts';
export { cookie } from './route/cookie.ts';
export { HeaderMatcher } from './route/header-matcher.ts';
export { compileHeaderMutations, type HeaderMutations } from './route/header-mutations.ts';
export { MetadataMatcher } from './route/metadata-matcher.ts';
export { compileMutationList, type MutationList } from './route/mutation-list.ts';
export { queryParameter } from './route/query-parameters.ts';
export { FullMatchRegex, RegexSubstitution } from './route/regex.ts';
export type { Route } from './route/route.ts';
export { type Runtime, RuntimeFraction } from './route/runtime-fraction.ts';
export { compileStringMatcher, type StringMatcher } from './route/string-matcher.ts';
export { RuntimeValues, staticRuntime } from './runtime/runtime-values.ts';
export type { DrainPlan } from './server/gradual-drain.ts';
export { MainThreadClient } from './server/main-thread-client.ts';
export type { BoundListener, Snapshot } from './server/snapshot.ts';
export type { WorkerExtension, WorkerExtensionType } from './server/worker-extension.ts';
export { WorkerServer, type WorkerServerOptions } from './server/worker-server.ts';
export {
  certificatesInUse,
  tlsFiles,
  tlsMistakes,
  tlsSupport,
  transportAttachments,
} from './tls/tls-support.ts';
export type { AsyncClient, AsyncRequest, AsyncResponse } from './upstream/async-client.ts';
export type {
  AsyncFailure,
  AsyncStream,
  AsyncStreamListener,
  AsyncStreamOptions,
} from './upstream/async-stream.ts';
export type { TcpClient, TcpClientHandler } from './upstream/tcp-client.ts';
export type { ResetReason } from './upstream/upstream-stream.ts';
