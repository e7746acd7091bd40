// strict_check_headers: a request whose x-envoy-* headers say nothing sensible is refused instead of being served by guess.

import type { RequestHeaders } from '@dragoman/http';
import type { Stream } from '../filter-chain/stream.ts';
import { ResponseFlag } from '../format/response-flags.ts';
import { knowsRetryConditions, knowsRetryGrpcConditions } from '../route/retry-policy.ts';

const isNumber = (value: string): boolean => /^\d{1,20}$/.test(value);

const CHECKS: Readonly<Record<string, (value: string) => boolean>> = {
  'x-envoy-upstream-rq-timeout-ms': isNumber,
  'x-envoy-upstream-rq-per-try-timeout-ms': isNumber,
  'x-envoy-max-retries': isNumber,
  'x-envoy-retry-on': knowsRetryConditions,
  'x-envoy-retry-grpc-on': knowsRetryGrpcConditions,
};

/** True: the request is refused. */
export function refusedByStrictCheck(
  stream: Stream,
  headers: RequestHeaders,
  names: readonly string[],
): boolean {
  for (const name of names) {
    const value = headers.get(name);
    if (value === undefined || (CHECKS[name]?.(value) ?? true)) continue;
    stream.info.addResponseFlag(ResponseFlag.InvalidEnvoyRequestHeaders);
    stream.sendLocalReply(
      400,
      `invalid header '${name}' with value '${value}'`,
      `request_headers_failed_strict_check{${name}}`,
    );
    return true;
  }
  return false;
}
