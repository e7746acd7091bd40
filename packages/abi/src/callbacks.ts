// The functions a guest exports for the host to call. Types as in host-calls.ts; every one is optional
// but one of the two allocators (and a version marker, see versions.ts).

import type { FunctionSpec } from './host-calls.ts';

const callback = (name: string, type: string): FunctionSpec => ({ name, type });

/** Chapter 1.3 of the ABI. Header callbacks are listed in their 0.2.x form; 0.1.0 lacks the last parameter. */
export const CALLBACKS: readonly FunctionSpec[] = [
  callback('proxy_on_context_create', 'ii>'),
  callback('proxy_on_vm_start', 'ii>i'),
  callback('proxy_validate_configuration', 'ii>i'),
  callback('proxy_on_configure', 'ii>i'),
  callback('proxy_on_tick', 'i>'),
  callback('proxy_on_queue_ready', 'ii>'),
  callback('proxy_on_new_connection', 'i>i'),
  callback('proxy_on_downstream_data', 'iii>i'),
  callback('proxy_on_upstream_data', 'iii>i'),
  callback('proxy_on_downstream_connection_close', 'ii>'),
  callback('proxy_on_upstream_connection_close', 'ii>'),
  callback('proxy_on_request_headers', 'iii>i'),
  callback('proxy_on_request_body', 'iii>i'),
  callback('proxy_on_request_trailers', 'ii>i'),
  callback('proxy_on_request_metadata', 'ii>i'),
  callback('proxy_on_response_headers', 'iii>i'),
  callback('proxy_on_response_body', 'iii>i'),
  callback('proxy_on_response_trailers', 'ii>i'),
  callback('proxy_on_response_metadata', 'ii>i'),
  callback('proxy_on_http_call_response', 'iiiii>'),
  callback('proxy_on_grpc_receive_initial_metadata', 'iii>'),
  callback('proxy_on_grpc_receive', 'iii>'),
  callback('proxy_on_grpc_receive_trailing_metadata', 'iii>'),
  callback('proxy_on_grpc_close', 'iii>'),
  callback('proxy_on_foreign_function', 'iii>'),
  callback('proxy_on_done', 'i>i'),
  callback('proxy_on_log', 'i>'),
  callback('proxy_on_delete', 'i>'),
];

/** What Envoy calls beyond the ABI where a guest has it. */
export const ENVOY_CALLBACKS: readonly FunctionSpec[] = [
  callback('envoy_on_resolve_dns', 'iii>'),
  callback('envoy_on_stats_update', 'ii>'),
];

/** What Higress calls beyond the ABI: root context, token, RedisStatus, bytes of the reply. */
export const HIGRESS_CALLBACKS: readonly FunctionSpec[] = [callback('proxy_on_redis_call_response', 'iiii>')];

/** Callbacks that a capability list does not restrict (chapter 9.5). */
export const LIFECYCLE_EXPORTS: ReadonlySet<string> = new Set([
  'malloc',
  'proxy_on_memory_allocate',
  '_initialize',
  'main',
  '__main_void',
  '_start',
]);

/** Allocators, preferred one first: the reference host calls `malloc` when both are there (S4). */
export const ALLOCATORS = ['malloc', 'proxy_on_memory_allocate'] as const;
