// Host calls of a plugin with rules: each asks them first, and answers as if what is refused did not exist, or, where
// something would have been changed or sent, as a restricted capability does (INTERNAL_FAILURE). Header maps ask by
// themselves, entry by entry.

import { parsePropertyPath, Status } from '@dragoman/abi';
import type { HostFunction, HostFunctions } from '../host/host-function.ts';
import { clusterOfUpstream } from '../host/redis-call.ts';
import type { Vm } from '../vm.ts';
import type { Sanitizer } from './sanitizer.ts';

/** What `call` is asked for by name: the name's pointer and size are its arguments `at` and `at` + 1. */
const named =
  (
    vm: Vm,
    call: HostFunction,
    at: number,
    allowed: (name: string) => boolean,
    refusal: Status,
  ): HostFunction =>
  (...args: number[]) => {
    const [pointer, size] = [args[at]! >>> 0, args[at + 1]! >>> 0];
    // A range that does not fit is the call's own business.
    if (vm.memory.fits(pointer, size) && !allowed(vm.memory.latin1(pointer, size))) return refusal;
    return call(...args);
  };

/** `calls`, with those that reach something by name asking `rules` first. */
export function sanitizedCalls(vm: Vm, rules: Sanitizer, calls: HostFunctions): HostFunctions {
  const guard = (name: string, at: number, allowed: (name: string) => boolean, refusal: Status) =>
    named(vm, calls[name]!, at, allowed, refusal);
  return {
    ...calls,
    proxy_http_call: guard('proxy_http_call', 0, name => rules.mayCall(name), Status.InternalFailure),
    proxy_grpc_call: guard('proxy_grpc_call', 0, name => rules.mayCallService(name), Status.InternalFailure),
    proxy_grpc_stream: guard(
      'proxy_grpc_stream',
      0,
      name => rules.mayCallService(name),
      Status.InternalFailure,
    ),
    proxy_redis_init: guard(
      'proxy_redis_init',
      0,
      name => rules.mayCall(clusterOfUpstream(name)),
      Status.InternalFailure,
    ),
    proxy_redis_call: guard(
      'proxy_redis_call',
      0,
      name => rules.mayCall(clusterOfUpstream(name)),
      Status.InternalFailure,
    ),
    proxy_get_property: guard(
      'proxy_get_property',
      0,
      path => rules.mayReadProperty(parsePropertyPath(path)),
      Status.NotFound,
    ),
    proxy_set_property: guard(
      'proxy_set_property',
      0,
      key => rules.mayWriteProperty(key),
      Status.InternalFailure,
    ),
    proxy_get_shared_data: guard(
      'proxy_get_shared_data',
      0,
      key => rules.mayUseSharedData(key),
      Status.NotFound,
    ),
    proxy_set_shared_data: guard(
      'proxy_set_shared_data',
      0,
      key => rules.mayUseSharedData(key),
      Status.InternalFailure,
    ),
    envoy_resolve_dns: guard(
      'envoy_resolve_dns',
      0,
      () => rules.mayCallFunction('envoy_resolve_dns'),
      Status.InternalFailure,
    ),
    proxy_call_foreign_function: guard(
      'proxy_call_foreign_function',
      0,
      name => rules.mayCallFunction(name),
      Status.NotFound,
    ),
  };
}
