// gRPC calls and streams (ABI reference 6.3). How a call travels is the embedder's business.

import { decodePairs, Status } from '@dragoman/abi';
import type { Vm } from '../vm.ts';
import { CalloutKind, CalloutTokens, calloutKind } from './callout-tokens.ts';
import type { HostFunctions } from './host-function.ts';
import { lowerCaseNames } from './stream-control.ts';

export const grpcCalls = (vm: Vm): HostFunctions => {
  const callTokens = new CalloutTokens(CalloutKind.GrpcCall);
  const streamTokens = new CalloutTokens(CalloutKind.GrpcStream);
  return {
    proxy_grpc_call: (...args: number[]) => grpcCall(vm, callTokens, args),
    proxy_grpc_stream: (...args: number[]) => grpcStream(vm, streamTokens, args),
    proxy_grpc_send: (token: number, message: number, size: number, end: number) =>
      grpcSend(vm, token >>> 0, message >>> 0, size >>> 0, end !== 0),
    proxy_grpc_cancel: (token: number) => grpcEnd(vm, token >>> 0, true),
    proxy_grpc_close: (token: number) => grpcEnd(vm, token >>> 0, false),
  };
};

/** The first four (pointer, size) arguments of both ways to start, or null when one does not fit. */
function readTarget(vm: Vm, args: readonly number[]) {
  const { memory } = vm;
  for (let i = 0; i < 8; i += 2) if (!memory.fits(args[i] >>> 0, args[i + 1] >>> 0)) return null;
  const pairs = decodePairs(memory.borrow(args[6] >>> 0, args[7] >>> 0));
  return {
    upstream: memory.latin1(args[0] >>> 0, args[1] >>> 0),
    service: memory.utf8(args[2] >>> 0, args[3] >>> 0),
    method: memory.utf8(args[4] >>> 0, args[5] >>> 0),
    initialMetadata: lowerCaseNames(pairs ?? []),
  };
}

/** upstream, service, method, initial metadata, message (pointer and size each), timeout, token pointer. */
function grpcCall(vm: Vm, tokens: CalloutTokens, args: readonly number[]): Status {
  const [message, messageSize, timeoutMs, result] = [
    args[8] >>> 0,
    args[9] >>> 0,
    args[10] >>> 0,
    args[11] >>> 0,
  ];
  const target = readTarget(vm, args);
  const { memory } = vm;
  if (target === null || !memory.fits(message, messageSize) || !memory.fits(result, 4))
    return Status.InvalidMemoryAccess;
  const { root } = vm.effective;
  if (root === null) return Status.InternalFailure;
  const token = tokens.next();
  const call = { ...target, message: memory.copy(message, messageSize), timeoutMs };
  const callout = vm.host.grpcCall(call, root.grpcListener(token, true));
  if (typeof callout === 'number') return callout;
  root.addCallout(token, callout);
  memory.setUint32(result, token);
  return Status.Ok;
}

/** upstream, service, method, initial metadata (pointer and size each), token pointer. */
function grpcStream(vm: Vm, tokens: CalloutTokens, args: readonly number[]): Status {
  const result = args[8] >>> 0;
  const target = readTarget(vm, args);
  if (target === null || !vm.memory.fits(result, 4)) return Status.InvalidMemoryAccess;
  const { root } = vm.effective;
  if (root === null) return Status.InternalFailure;
  const token = tokens.next();
  const stream = vm.host.grpcStream(target, root.grpcListener(token, false));
  if (typeof stream === 'number') return stream;
  root.addCallout(token, stream);
  vm.memory.setUint32(result, token);
  return Status.Ok;
}

function grpcSend(vm: Vm, token: number, message: number, size: number, endStream: boolean): Status {
  if (calloutKind(token) !== CalloutKind.GrpcStream) return Status.BadArgument;
  if (!vm.memory.fits(message, size)) return Status.InvalidMemoryAccess;
  const stream = vm.effective.root?.grpcStream(token);
  if (stream === undefined) return Status.NotFound;
  stream.send(vm.memory.copy(message, size), endStream);
  return Status.Ok;
}

/** Cancel forgets either kind; close half-closes a stream and cancels a call. */
function grpcEnd(vm: Vm, token: number, cancel: boolean): Status {
  const kind = calloutKind(token);
  if (kind !== CalloutKind.GrpcCall && kind !== CalloutKind.GrpcStream) return Status.BadArgument;
  const { root } = vm.effective;
  if (root === null) return Status.NotFound;
  if (cancel || kind === CalloutKind.GrpcCall) return root.cancelCallout(token) ? Status.Ok : Status.NotFound;
  const stream = root.grpcStream(token);
  if (stream === undefined) return Status.NotFound;
  stream.close();
  return Status.Ok;
}
