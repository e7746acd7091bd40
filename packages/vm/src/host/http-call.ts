// proxy_http_call and proxy_get_status (ABI reference 6.1, 6.2, 3.6). The answer comes to the root context.

import { decodePairs, Status } from '@dragoman/abi';
import type { Vm } from '../vm.ts';
import { CalloutKind, CalloutTokens } from './callout-tokens.ts';
import type { HostFunctions } from './host-function.ts';
import { lowerCaseNames } from './stream-control.ts';

export const httpCallCalls = (vm: Vm): HostFunctions => {
  const tokens = new CalloutTokens(CalloutKind.Http);
  return {
    proxy_http_call: (
      upstream: number,
      upstreamSize: number,
      headers: number,
      headersSize: number,
      body: number,
      bodySize: number,
      trailers: number,
      trailersSize: number,
      timeoutMs: number,
      result: number,
    ) => {
      const { memory } = vm;
      const fits =
        memory.fits(upstream >>> 0, upstreamSize >>> 0) &&
        memory.fits(headers >>> 0, headersSize >>> 0) &&
        memory.fits(body >>> 0, bodySize >>> 0) &&
        memory.fits(trailers >>> 0, trailersSize >>> 0) &&
        memory.fits(result >>> 0, 4);
      if (!fits) return Status.InvalidMemoryAccess;
      memory.setUint32(result >>> 0, 0);
      // Timeouts of 2^31 ms and more are negative as the ABI's signed number (S73).
      if (timeoutMs < 0) return Status.BadArgument;
      const { root } = vm.effective;
      if (root === null) return Status.InternalFailure;
      const call = {
        upstream: memory.utf8(upstream >>> 0, upstreamSize >>> 0),
        headers: lowerCaseNames(decodePairs(memory.borrow(headers >>> 0, headersSize >>> 0)) ?? []),
        body: memory.copy(body >>> 0, bodySize >>> 0),
        trailers: lowerCaseNames(decodePairs(memory.borrow(trailers >>> 0, trailersSize >>> 0)) ?? []),
        timeoutMs,
      };
      if (!hasRequiredHeaders(call.headers)) return Status.BadArgument;
      const token = tokens.next();
      const callout = vm.host.httpCall(call, response => root.onHttpCallDone(token, response));
      if (typeof callout === 'number') return callout;
      root.addCallout(token, callout);
      memory.setUint32(result >>> 0, token);
      return Status.Ok;
    },
    proxy_get_status: (code: number, pointer: number, size: number) =>
      getStatus(vm, code >>> 0, pointer >>> 0, size >>> 0),
  };
};

function hasRequiredHeaders(headers: readonly string[]): boolean {
  let found = 0;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === ':path') found |= 1;
    else if (headers[i] === ':method') found |= 2;
    else if (headers[i] === ':authority' || headers[i] === 'host') found |= 4;
  }
  return found === 7;
}

function getStatus(vm: Vm, code: number, pointer: number, size: number): Status {
  const { root } = vm.effective;
  if (!vm.memory.fits(code, 4)) return Status.InvalidMemoryAccess;
  const message = Buffer.from(root?.statusMessage ?? '');
  const status = vm.allocator.giveBytes(message, pointer, size);
  if (status === Status.Ok) vm.memory.setUint32(code, root?.statusCode ?? 0);
  return status;
}
