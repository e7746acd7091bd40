// Going on with, closing and answering streams; the effective context; done; route cache; timers (ABI reference 2.8,
// 5.3 to 5.5, 7.1). What these do to the stream happens once the guest has returned (2.7).

import { decodePairs, MAX_GRPC_STATUS, MAX_STREAM_TYPE, Status, StreamType } from '@dragoman/abi';
import type { LocalResponse } from '../stream-host.ts';
import type { Vm } from '../vm.ts';
import type { HostFunctions } from './host-function.ts';

export const streamControlCalls = (vm: Vm): HostFunctions => ({
  proxy_continue_stream: (type: number) => continueStream(vm, type),
  proxy_continue_request: () => continueStream(vm, StreamType.HttpRequest),
  proxy_continue_response: () => continueStream(vm, StreamType.HttpResponse),
  proxy_close_stream: (type: number) => closeStream(vm, type),
  proxy_clear_route_cache: () => clearRouteCache(vm),
  proxy_send_local_response: (
    status: number,
    details: number,
    detailsSize: number,
    body: number,
    bodySize: number,
    headers: number,
    headersSize: number,
    grpcStatus: number,
  ) => {
    const { memory } = vm;
    const fits =
      memory.fits(details >>> 0, detailsSize >>> 0) &&
      memory.fits(body >>> 0, bodySize >>> 0) &&
      memory.fits(headers >>> 0, headersSize >>> 0);
    if (!fits) return Status.InvalidMemoryAccess;
    const pairs = lowerCaseNames(decodePairs(memory.borrow(headers >>> 0, headersSize >>> 0)) ?? []);
    return sendLocalResponse(vm, {
      status: status >>> 0,
      details: memory.utf8(details >>> 0, detailsSize >>> 0).replaceAll(' ', '_'),
      body: memory.copy(body >>> 0, bodySize >>> 0),
      headers: vm.sanitizer === null ? pairs : vm.sanitizer.writableHeaders(pairs),
      grpcStatus: grpcStatus >= 0 && grpcStatus <= MAX_GRPC_STATUS ? grpcStatus : -1,
    });
  },
  proxy_set_effective_context: (id: number) => setEffectiveContext(vm, id >>> 0),
  proxy_done: () => done(vm),
  proxy_set_tick_period_milliseconds: (periodMs: number) => setTickPeriod(vm, periodMs >>> 0),
});

/** Names of [name, value, ...] in lower case, as Envoy stores every name. */
export function lowerCaseNames(pairs: string[]): string[] {
  for (let i = 0; i < pairs.length; i += 2) pairs[i] = pairs[i].toLowerCase();
  return pairs;
}

function continueStream(vm: Vm, type: number): Status {
  if (type < 0 || type > MAX_STREAM_TYPE) return Status.BadArgument;
  if (type === StreamType.Upstream) return Status.Unimplemented;
  const { stream } = vm.effective;
  if (stream === null || stream.host === null) return Status.Ok;
  const { id, host } = stream;
  if (type === StreamType.HttpResponse) {
    vm.defer(() => {
      if (stream.id === id && stream.host === host) host.continueResponse();
    });
  } else if (type === StreamType.HttpRequest) {
    vm.defer(() => {
      if (stream.id === id && stream.host === host) host.continueRequest();
    });
  } else {
    vm.defer(() => {
      if (stream.id === id && stream.host === host) host.continueDownstream?.();
    });
  }
  if (type !== StreamType.Downstream) stream.dropRequest();
  return Status.Ok;
}

function closeStream(vm: Vm, type: number): Status {
  if (type < 0 || type > MAX_STREAM_TYPE) return Status.BadArgument;
  const { stream } = vm.effective;
  if (stream === null || stream.host === null) return Status.Ok;
  const { id, host } = stream;
  vm.defer(() => {
    if (stream.id === id && stream.host === host) host.closeStream(type);
  });
  return Status.Ok;
}

/** Without a stream there is nothing to answer, and that is OK (S69). */
function sendLocalResponse(vm: Vm, response: LocalResponse): Status {
  vm.localResponseSent = true;
  const { stream } = vm.effective;
  if (stream === null || stream.host === null) return Status.Ok;
  const { id, host } = stream;
  stream.mutated = true;
  vm.defer(() => {
    if (stream.id === id && stream.host === host) host.sendLocalResponse(response);
  });
  return Status.Ok;
}

function clearRouteCache(vm: Vm): Status {
  vm.effective.stream?.host?.clearRouteCache();
  return Status.Ok;
}

function setEffectiveContext(vm: Vm, id: number): Status {
  if (id === 0) {
    vm.effective = vm.current;
    return Status.Ok;
  }
  const context = vm.context(id);
  if (context === undefined) return Status.BadArgument;
  vm.effective = context;
  return Status.Ok;
}

/** Ends the wait of a root whose on_done answered 0 (S26, S27). */
function done(vm: Vm): Status {
  const { root } = vm.effective;
  if (root === null || !root.donePending) return Status.NotFound;
  root.donePending = false;
  vm.defer(() => root.delete());
  return Status.Ok;
}

function setTickPeriod(vm: Vm, periodMs: number): Status {
  vm.effective.root?.setTickPeriod(periodMs);
  return Status.Ok;
}
