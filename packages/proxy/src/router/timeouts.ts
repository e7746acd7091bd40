// The timeouts of one request: the route's, unless headers of a trusted client say otherwise
// (Envoy: FilterUtility::finalTimeout).

import { HeaderId, type RequestHeaders } from '@dragoman/http';
import { isGrpcContentType } from '../filter-chain/local-reply.ts';
import { readGrpcTimeout, writeGrpcTimeout } from '../format/grpc-timeout.ts';
import type { Route } from '../route/route.ts';
import type { RouterSettings } from './router-settings.ts';

export interface RequestTimeouts {
  /** From the end of the request to the end of the response, retries included; 0 for none. */
  globalMs: number;
  /** For one attempt; 0 for none. */
  perTryMs: number;
  /** For one attempt without anything coming; 0 for none. */
  perTryIdleMs: number;
  /** For one attempt, from its connection to its end; Infinity for none. */
  maxDurationMs: number;
  /** The client wants 204 instead of 504. */
  altResponse: boolean;
  /** grpc-timeout is to say what the upstream has left. */
  tellsGrpcTimeout: boolean;
}

/** One result object per thread: it is read at once. */
const result: RequestTimeouts = {
  globalMs: 0,
  perTryMs: 0,
  perTryIdleMs: 0,
  maxDurationMs: 0,
  altResponse: false,
  tellsGrpcTimeout: false,
};

/** Reads the headers that set timeouts, and takes them off the request. */
export function requestTimeouts(
  route: Route,
  headers: RequestHeaders,
  settings: RouterSettings,
  clusterMaxDurationMs: number,
): RequestTimeouts {
  result.tellsGrpcTimeout =
    route.maxGrpcTimeoutMs >= 0 && isGrpcContentType(headers.getId(HeaderId.CONTENT_TYPE));
  // A route with max_stream_duration is on Envoy's newer scheme, in which there is no default timeout beside it.
  if (route.limitsStreamDuration) result.globalMs = 0;
  else if (result.tellsGrpcTimeout) result.globalMs = grpcTimeoutMs(route, headers);
  else result.globalMs = route.timeoutMs;
  result.perTryMs = route.retryPolicy?.perTryTimeoutMs ?? 0;
  result.perTryIdleMs = route.retryPolicy?.perTryIdleTimeoutMs ?? 0;
  result.maxDurationMs = clusterMaxDurationMs;
  result.altResponse = false;
  if (headers.hasEnvoyHeaders) readHeaders(headers, settings);
  if (result.globalMs > 0 && result.perTryMs >= result.globalMs) result.perTryMs = 0;
  return result;
}

function readHeaders(headers: RequestHeaders, settings: RouterSettings): void {
  const expected = settings.respectExpectedRqTimeout
    ? milliseconds(headers, HeaderId.X_ENVOY_EXPECTED_RQ_TIMEOUT_MS)
    : -1;
  if (expected >= 0) {
    result.globalMs = expected;
  } else {
    const global = milliseconds(headers, HeaderId.X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS);
    if (global >= 0) result.globalMs = global;
    headers.removeId(HeaderId.X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS);
  }
  const perTry = milliseconds(headers, HeaderId.X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS);
  if (perTry >= 0) result.perTryMs = perTry;
  const duration = milliseconds(headers, HeaderId.X_ENVOY_UPSTREAM_STREAM_DURATION_MS);
  if (duration > 0) result.maxDurationMs = duration;
  result.altResponse = headers.getId(HeaderId.X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE) === '1';
  for (const id of CONSUMED) headers.removeId(id);
}

const CONSUMED = [
  HeaderId.X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
  HeaderId.X_ENVOY_UPSTREAM_STREAM_DURATION_MS,
  HeaderId.X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
  HeaderId.X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
] as const;

/** `max_grpc_timeout`: what the client allows, up to that; 0 stands for no limit on both sides. */
function grpcTimeoutMs(route: Route, headers: RequestHeaders): number {
  let timeoutMs = Math.max(0, readGrpcTimeout(headers.getId(HeaderId.GRPC_TIMEOUT)));
  if (route.grpcTimeoutOffsetMs < timeoutMs) timeoutMs -= route.grpcTimeoutOffsetMs;
  const maxMs = route.maxGrpcTimeoutMs;
  return maxMs !== 0 && (timeoutMs === 0 || timeoutMs > maxMs) ? maxMs : timeoutMs;
}

/** The header's whole number of milliseconds; -1 when it is absent or something else. */
function milliseconds(headers: RequestHeaders, id: number): number {
  const value = headers.getId(id);
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : -1;
}

const DEFAULT_TIMEOUT_LINE = 'x-envoy-expected-rq-timeout-ms: 15000\r\n';

/** What an attempt that begins now tells the upstream of its time. */
export interface ToldTimeout {
  readonly globalMs: number;
  readonly perTryMs: number;
  readonly elapsedMs: number;
  readonly suppressEnvoyHeaders: boolean;
  readonly tellsGrpcTimeout: boolean;
}

/** Tells the upstream how long it has. */
export function setTimeoutHeaders(headers: RequestHeaders, told: ToldTimeout): void {
  let expectedMs = told.perTryMs > 0 ? told.perTryMs : told.globalMs;
  if (expectedMs <= 0) return;
  // A little is left even when nothing is: 0 would say that there is no limit.
  if (told.globalMs > 0)
    expectedMs = Math.max(1, Math.min(expectedMs, Math.round(told.globalMs - told.elapsedMs)));
  if (!told.suppressEnvoyHeaders) {
    if (expectedMs === 15_000 && !headers.hasId(HeaderId.X_ENVOY_EXPECTED_RQ_TIMEOUT_MS))
      headers.addLine(DEFAULT_TIMEOUT_LINE, 'x-envoy-expected-rq-timeout-ms', '15000');
    else headers.set('x-envoy-expected-rq-timeout-ms', String(Math.ceil(expectedMs)));
  }
  if (told.tellsGrpcTimeout) headers.set('grpc-timeout', writeGrpcTimeout(expectedMs));
}
