// proxy_redis_init and proxy_redis_call, which Higress has beyond the ABI: queries in RESP to a cluster. The reply comes
// to the root in proxy_on_redis_call_response.

import { Status } from '@dragoman/abi';
import type { Vm } from '../vm.ts';
import { CalloutKind, CalloutTokens } from './callout-tokens.ts';
import type { HostFunctions } from './host-function.ts';

export const redisCalls = (vm: Vm): HostFunctions => {
  const tokens = new CalloutTokens(CalloutKind.Redis);
  return {
    proxy_redis_init: (
      upstream: number,
      upstreamSize: number,
      username: number,
      usernameSize: number,
      password: number,
      passwordSize: number,
      timeoutMs: number,
    ) => {
      const { memory } = vm;
      const fits =
        memory.fits(upstream >>> 0, upstreamSize >>> 0) &&
        memory.fits(username >>> 0, usernameSize >>> 0) &&
        memory.fits(password >>> 0, passwordSize >>> 0);
      if (!fits) return Status.InvalidMemoryAccess;
      if (timeoutMs < 0) return Status.BadArgument;
      if (vm.host.redisInit === undefined) return Status.Unimplemented;
      return vm.host.redisInit({
        upstream: memory.utf8(upstream >>> 0, upstreamSize >>> 0),
        username: memory.utf8(username >>> 0, usernameSize >>> 0),
        password: memory.utf8(password >>> 0, passwordSize >>> 0),
        timeoutMs,
      });
    },
    proxy_redis_call: (
      upstream: number,
      upstreamSize: number,
      query: number,
      querySize: number,
      result: number,
    ) => {
      const { memory } = vm;
      const fits =
        memory.fits(upstream >>> 0, upstreamSize >>> 0) &&
        memory.fits(query >>> 0, querySize >>> 0) &&
        memory.fits(result >>> 0, 4);
      if (!fits) return Status.InvalidMemoryAccess;
      const { root } = vm.effective;
      if (root === null) return Status.InternalFailure;
      if (vm.host.redisCall === undefined) return Status.Unimplemented;
      const token = tokens.next();
      const callout = vm.host.redisCall(
        memory.utf8(upstream >>> 0, upstreamSize >>> 0),
        memory.copy(query >>> 0, querySize >>> 0),
        reply => root.onRedisCallDone(token, reply),
      );
      if (typeof callout === 'number') return callout;
      root.addCallout(token, callout);
      memory.setUint32(result >>> 0, token);
      return Status.Ok;
    },
  };
};

/** The cluster in an upstream's name: "redis" of "redis?db=1". */
export function clusterOfUpstream(upstream: string): string {
  const end = upstream.indexOf('?');
  return end < 0 ? upstream : upstream.slice(0, end);
}
