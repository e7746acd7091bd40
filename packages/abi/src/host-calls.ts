// The functions a host offers to guests in module `env`: names, types and the ABI versions that have them.
// A type is one letter per parameter, an arrow and one letter or nothing for the result: i = i32, I = i64.

import type { AbiVersion } from './versions.ts';

export interface FunctionSpec {
  readonly name: string;
  /** "iii>i": three i32 parameters, one i32 result. */
  readonly type: string;
}

export interface HostCallSpec extends FunctionSpec {
  /** Versions whose text has the call. A lenient host offers the union to everybody. */
  readonly versions: readonly AbiVersion[];
}

const ALL: readonly AbiVersion[] = ['0.1.0', '0.2.0', '0.2.1'];
const ONLY_010: readonly AbiVersion[] = ['0.1.0'];
const FROM_020: readonly AbiVersion[] = ['0.2.0', '0.2.1'];
const FROM_021: readonly AbiVersion[] = ['0.2.1'];

const call = (name: string, type: string, versions: readonly AbiVersion[] = ALL): HostCallSpec => ({
  name,
  type,
  versions,
});

/** Chapter 1.2 of the ABI, in its order. */
export const HOST_CALLS: readonly HostCallSpec[] = [
  call('proxy_log', 'iii>i'),
  call('proxy_get_log_level', 'i>i', FROM_021),
  call('proxy_get_current_time_nanoseconds', 'i>i'),
  call('proxy_set_tick_period_milliseconds', 'i>i'),
  call('proxy_get_configuration', 'ii>i', ONLY_010),
  call('proxy_get_status', 'iii>i'),
  call('proxy_get_property', 'iiii>i'),
  call('proxy_set_property', 'iiii>i'),
  call('proxy_continue_request', '>i', ONLY_010),
  call('proxy_continue_response', '>i', ONLY_010),
  call('proxy_clear_route_cache', '>i', ONLY_010),
  call('proxy_continue_stream', 'i>i', FROM_020),
  call('proxy_close_stream', 'i>i', FROM_020),
  call('proxy_send_local_response', 'iiiiiiii>i'),
  call('proxy_get_header_map_size', 'ii>i'),
  call('proxy_get_header_map_pairs', 'iii>i'),
  call('proxy_set_header_map_pairs', 'iii>i'),
  call('proxy_get_header_map_value', 'iiiii>i'),
  call('proxy_add_header_map_value', 'iiiii>i'),
  call('proxy_replace_header_map_value', 'iiiii>i'),
  call('proxy_remove_header_map_value', 'iii>i'),
  call('proxy_get_buffer_bytes', 'iiiii>i'),
  call('proxy_get_buffer_status', 'iii>i'),
  call('proxy_set_buffer_bytes', 'iiiii>i'),
  call('proxy_http_call', 'iiiiiiiiii>i'),
  call('proxy_grpc_call', 'iiiiiiiiiiii>i'),
  call('proxy_grpc_stream', 'iiiiiiiii>i'),
  call('proxy_grpc_send', 'iiii>i'),
  call('proxy_grpc_cancel', 'i>i'),
  call('proxy_grpc_close', 'i>i'),
  call('proxy_set_shared_data', 'iiiii>i'),
  call('proxy_get_shared_data', 'iiiii>i'),
  call('proxy_register_shared_queue', 'iii>i'),
  call('proxy_resolve_shared_queue', 'iiiii>i'),
  call('proxy_enqueue_shared_queue', 'iii>i'),
  call('proxy_dequeue_shared_queue', 'iii>i'),
  call('proxy_define_metric', 'iiii>i'),
  call('proxy_increment_metric', 'iI>i'),
  call('proxy_record_metric', 'iI>i'),
  call('proxy_get_metric', 'ii>i'),
  call('proxy_set_effective_context', 'i>i'),
  call('proxy_done', '>i'),
  call('proxy_call_foreign_function', 'iiiiii>i'),
];

/** What the reference host offers in `env` besides the ABI. Never subject to capability restriction. */
export const AUXILIARY_CALLS: readonly FunctionSpec[] = [
  { name: 'pthread_equal', type: 'ii>i' },
  { name: 'emscripten_notify_memory_growth', type: 'i>' },
];

/** What Envoy offers in `env` beyond the ABI, to plugins that know it. */
export const ENVOY_CALLS: readonly FunctionSpec[] = [{ name: 'envoy_resolve_dns', type: 'iii>i' }];

/** What Higress offers in `env` beyond the ABI, and this host too. */
export const HIGRESS_CALLS: readonly FunctionSpec[] = [
  { name: 'proxy_redis_init', type: 'iiiiiii>i' },
  { name: 'proxy_redis_call', type: 'iiiii>i' },
];

/** Specification of a host call by name. */
export const hostCall: ReadonlyMap<string, HostCallSpec> = new Map(HOST_CALLS.map(spec => [spec.name, spec]));
