// The guest's exports as the host calls them: one field per callback, null where the module has none or the plugin
// may not have it. Extra arguments a guest's form of a callback does not take are ignored by the engine (S15).

import type { Vm } from './vm.ts';

type OneArgument = (id: number) => number | undefined;
type TwoArguments = (id: number, a: number) => number | undefined;
type ThreeArguments = (id: number, a: number, b: number) => number | undefined;

/** Field names are the ABI's names without `proxy_`. */
export interface Callbacks {
  readonly onContextCreate: TwoArguments | null;
  readonly onVmStart: TwoArguments | null;
  readonly onConfigure: TwoArguments | null;
  readonly onTick: OneArgument | null;
  readonly onQueueReady: TwoArguments | null;
  readonly onNewConnection: OneArgument | null;
  readonly onDownstreamData: ThreeArguments | null;
  readonly onUpstreamData: ThreeArguments | null;
  readonly onDownstreamConnectionClose: TwoArguments | null;
  readonly onUpstreamConnectionClose: TwoArguments | null;
  readonly onRequestHeaders: ThreeArguments | null;
  readonly onRequestBody: ThreeArguments | null;
  readonly onRequestTrailers: TwoArguments | null;
  readonly onResponseHeaders: ThreeArguments | null;
  readonly onResponseBody: ThreeArguments | null;
  readonly onResponseTrailers: TwoArguments | null;
  readonly onHttpCallResponse:
    | ((id: number, token: number, headers: number, body: number, trailers: number) => number | undefined)
    | null;
  readonly onGrpcReceiveInitialMetadata: ThreeArguments | null;
  readonly onGrpcReceive: ThreeArguments | null;
  readonly onGrpcReceiveTrailingMetadata: ThreeArguments | null;
  readonly onGrpcClose: ThreeArguments | null;
  readonly onForeignFunction: ThreeArguments | null;
  readonly onDone: OneArgument | null;
  readonly onLog: OneArgument | null;
  readonly onDelete: OneArgument | null;
  /** Envoy's own. */
  readonly onStatsUpdate: TwoArguments | null;
  /** Higress's, not the ABI's. */
  readonly onRedisCallResponse:
    | ((id: number, token: number, status: number, size: number) => number | undefined)
    | null;
  /** Envoy's, not the ABI's. */
  readonly onResolveDns: ThreeArguments | null;
}

/** Callbacks whose result is a boolean: a guest whose export returns nothing means "true", not 0. */
const BOOLEAN_RESULT: ReadonlySet<string> = new Set([
  'proxy_on_vm_start',
  'proxy_on_configure',
  'proxy_on_done',
]);

/** Looks up the callbacks of an instance. */
export function bindCallbacks(vm: Vm, exports: WebAssembly.Exports): Callbacks {
  const types = vm.info.functionExports;
  const allowed = vm.options.allowedCapabilities;
  const find = (name: string): ((...args: number[]) => number | undefined) | null => {
    const type = types[name];
    if (type === undefined) return null;
    if (allowed !== undefined && allowed.size > 0 && !allowed.has(name) && !name.startsWith('envoy_'))
      return null;
    const exported = exports[name] as (...args: number[]) => number | undefined;
    const callback = vm.options.tracer?.callback(vm, name, exported) ?? exported;
    if (type.endsWith('i') || !BOOLEAN_RESULT.has(name)) return callback;
    return (a, b) => {
      callback(a, b);
      return 1;
    };
  };
  return {
    onContextCreate: find('proxy_on_context_create'),
    onVmStart: find('proxy_on_vm_start'),
    onConfigure: find('proxy_on_configure'),
    onTick: find('proxy_on_tick'),
    onQueueReady: find('proxy_on_queue_ready'),
    onNewConnection: find('proxy_on_new_connection'),
    onDownstreamData: find('proxy_on_downstream_data'),
    onUpstreamData: find('proxy_on_upstream_data'),
    onDownstreamConnectionClose: find('proxy_on_downstream_connection_close'),
    onUpstreamConnectionClose: find('proxy_on_upstream_connection_close'),
    onRequestHeaders: find('proxy_on_request_headers'),
    onRequestBody: find('proxy_on_request_body'),
    onRequestTrailers: find('proxy_on_request_trailers'),
    onResponseHeaders: find('proxy_on_response_headers'),
    onResponseBody: find('proxy_on_response_body'),
    onResponseTrailers: find('proxy_on_response_trailers'),
    onHttpCallResponse: find('proxy_on_http_call_response'),
    onGrpcReceiveInitialMetadata: find('proxy_on_grpc_receive_initial_metadata'),
    onGrpcReceive: find('proxy_on_grpc_receive'),
    onGrpcReceiveTrailingMetadata: find('proxy_on_grpc_receive_trailing_metadata'),
    onGrpcClose: find('proxy_on_grpc_close'),
    onForeignFunction: find('proxy_on_foreign_function'),
    onDone: find('proxy_on_done'),
    onLog: find('proxy_on_log'),
    onDelete: find('proxy_on_delete'),
    onRedisCallResponse: find('proxy_on_redis_call_response'),
    onStatsUpdate: find('envoy_on_stats_update'),
    onResolveDns: find('envoy_on_resolve_dns'),
  };
}
