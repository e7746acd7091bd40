// The timeouts of one request: the route's, unless headers of a trusted client say otherwise
// (Envoy: FilterUtility::finalTimeout).

import { HeaderId, type RequestHeaders } from '@dragoman/http';
import type { Route } from '../route/route.ts';
import type { RouterSettings } from './router-settings.ts';

export interface RequestTimeouts {
  /** From the end of the request to the end of the response, retries included; 0 for none. */
  globalMs: number;
  /** For one attempt; 0 for none. */
  perTryMs: number;
}

/** One result object per thread: it is read at once. */
const result: RequestTimeouts = { globalMs: 0, perTryMs: 0 };

export function requestTimeouts(
  route: Route,
  headers: RequestHeaders,
  settings: RouterSettings,
): RequestTimeouts {
  // A route with max_stream_duration is on Envoy's newer scheme, in which there is no default timeout beside it.
  result.globalMs = route.maxStreamDurationMs >= 0 || route.grpcTimeoutHeaderMaxMs >= 0 ? 0 : route.timeoutMs;
  result.perTryMs = route.retryPolicy?.perTryTimeoutMs ?? 0;
  if (headers.hasEnvoyHeaders) {
    if (settings.respectExpectedRqTimeout) {
      const expected = milliseconds(headers, HeaderId.X_ENVOY_EXPECTED_RQ_TIMEOUT_MS);
      if (expected >= 0) result.globalMs = expected;
    }
    const global = milliseconds(headers, HeaderId.X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS);
    if (global >= 0) {
      result.globalMs = global;
      headers.removeId(HeaderId.X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS);
    }
    const perTry = milliseconds(headers, HeaderId.X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS);
    if (perTry >= 0) {
      result.perTryMs = perTry;
      headers.removeId(HeaderId.X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS);
    }
  }
  if (result.globalMs > 0 && result.perTryMs >= result.globalMs) result.perTryMs = 0;
  return result;
}

/** The header's whole number of milliseconds; -1 when it is absent or something else. */
function milliseconds(headers: RequestHeaders, id: number): number {
  const value = headers.getId(id);
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : -1;
}

const DEFAULT_TIMEOUT_LINE = 'x-envoy-expected-rq-timeout-ms: 15000\r\n';

/** Tells the upstream how long it has. */
export function setExpectedTimeout(headers: RequestHeaders, timeoutMs: number): void {
  if (timeoutMs === 15_000 && !headers.hasId(HeaderId.X_ENVOY_EXPECTED_RQ_TIMEOUT_MS))
    headers.addLine(DEFAULT_TIMEOUT_LINE, 'x-envoy-expected-rq-timeout-ms', '15000');
  else headers.set('x-envoy-expected-rq-timeout-ms', String(Math.ceil(timeoutMs)));
}
