// RetryPolicy of a route, compiled: conditions as bits, counts, back-off. When to retry is decided in router/.

import type { RouteRetryPolicy } from '@dragoman/config';
import { compileHeaderMatchers, type HeaderMatcher } from './header-matcher.ts';

/** Conditions of `retry_on` and `x-envoy-retry-on`, `x-envoy-retry-grpc-on` as bits. */
export const RetryOn = {
  FiveXx: 1 << 0,
  GatewayError: 1 << 1,
  Reset: 1 << 2,
  ResetBeforeRequest: 1 << 3,
  ConnectFailure: 1 << 4,
  EnvoyRateLimited: 1 << 5,
  Retriable4xx: 1 << 6,
  RefusedStream: 1 << 7,
  RetriableStatusCodes: 1 << 8,
  RetriableHeaders: 1 << 9,
  Http3PostConnectFailure: 1 << 10,
  GrpcCancelled: 1 << 16,
  GrpcDeadlineExceeded: 1 << 17,
  GrpcInternal: 1 << 18,
  GrpcResourceExhausted: 1 << 19,
  GrpcUnavailable: 1 << 20,
} as const;

const HTTP_CONDITIONS: ReadonlyMap<string, number> = new Map([
  ['5xx', RetryOn.FiveXx],
  ['gateway-error', RetryOn.GatewayError],
  ['reset', RetryOn.Reset],
  ['reset-before-request', RetryOn.ResetBeforeRequest],
  ['connect-failure', RetryOn.ConnectFailure],
  ['envoy-ratelimited', RetryOn.EnvoyRateLimited],
  ['retriable-4xx', RetryOn.Retriable4xx],
  ['refused-stream', RetryOn.RefusedStream],
  ['retriable-status-codes', RetryOn.RetriableStatusCodes],
  ['retriable-headers', RetryOn.RetriableHeaders],
  ['http3-post-connect-failure', RetryOn.Http3PostConnectFailure],
]);

const GRPC_CONDITIONS: ReadonlyMap<string, number> = new Map([
  ['cancelled', RetryOn.GrpcCancelled],
  ['deadline-exceeded', RetryOn.GrpcDeadlineExceeded],
  ['internal', RetryOn.GrpcInternal],
  ['resource-exhausted', RetryOn.GrpcResourceExhausted],
  ['unavailable', RetryOn.GrpcUnavailable],
]);

function conditionBits(list: string, names: ReadonlyMap<string, number>): number {
  let bits = 0;
  for (const token of list.split(',')) bits |= names.get(token.trim()) ?? 0;
  return bits;
}

/** Bits of a comma list of HTTP conditions ("5xx,reset"); unknown ones are passed over. */
export function parseRetryOn(list: string): number {
  return conditionBits(list, HTTP_CONDITIONS);
}

/** Bits of a comma list of gRPC conditions ("cancelled,unavailable"); unknown ones are passed over. */
export function parseRetryGrpcOn(list: string): number {
  return conditionBits(list, GRPC_CONDITIONS);
}

/** Whether all conditions of a list are known: strict_check_headers refuses others. */
export const knowsRetryConditions = (list: string): boolean =>
  list.split(',').every(token => HTTP_CONDITIONS.has(token.trim()));
export const knowsRetryGrpcConditions = (list: string): boolean =>
  list.split(',').every(token => GRPC_CONDITIONS.has(token.trim()));

/** How a response's header tells when to come back. */
export interface ResetHeader {
  readonly name: string;
  /** Seconds from now, or seconds since 1970. */
  readonly format: 'SECONDS' | 'UNIX_TIMESTAMP';
}

const DEFAULT_BASE_INTERVAL_MS = 25;
const DEFAULT_RESET_MAX_INTERVAL_MS = 300_000;

export class RetryPolicy {
  /** Bits of RetryOn. */
  readonly retryOn: number;
  readonly numRetries: number;
  /** 0 = only the timeout of the whole request. */
  readonly perTryTimeoutMs: number;
  /** 0 = none. */
  readonly perTryIdleTimeoutMs: number;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderMatcher[];
  /** When not empty, only requests that match one of them are retried. */
  readonly retriableRequestHeaders: readonly HeaderMatcher[];
  readonly backOffBaseMs: number;
  readonly backOffMaxMs: number;
  /** Headers of rate-limited responses, in order; empty without `rate_limited_retry_back_off`. */
  readonly resetHeaders: readonly ResetHeader[];
  readonly resetMaxIntervalMs: number;
  /** `previous_hosts`: avoid hosts that were tried. */
  readonly avoidPreviousHosts: boolean;
  /** `omit_canary_hosts`. */
  readonly omitCanaryHosts: boolean;
  readonly hostSelectionMaxAttempts: number;

  constructor(config: RouteRetryPolicy) {
    this.retryOn = parseRetryOn(config.retryOn) | parseRetryGrpcOn(config.retryOn);
    this.numRetries = config.numRetries ?? 1;
    this.perTryTimeoutMs = config.perTryTimeout ?? 0;
    this.perTryIdleTimeoutMs = config.perTryIdleTimeout ?? 0;
    this.retriableStatusCodes = config.retriableStatusCodes;
    this.retriableHeaders = compileHeaderMatchers(config.retriableHeaders);
    this.retriableRequestHeaders = compileHeaderMatchers(config.retriableRequestHeaders);
    this.backOffBaseMs = Math.max(1, config.retryBackOff?.baseInterval ?? DEFAULT_BASE_INTERVAL_MS);
    this.backOffMaxMs = config.retryBackOff?.maxInterval ?? this.backOffBaseMs * 10;
    const limited = config.rateLimitedRetryBackOff;
    this.resetHeaders = (limited?.resetHeaders ?? []).map(({ name, format }) => ({
      name: name.toLowerCase(),
      format,
    }));
    this.resetMaxIntervalMs = limited?.maxInterval ?? DEFAULT_RESET_MAX_INTERVAL_MS;
    const predicates = config.retryHostPredicate.map(predicate => predicate.name);
    this.avoidPreviousHosts = predicates.includes('envoy.retry_host_predicates.previous_hosts');
    this.omitCanaryHosts = predicates.includes('envoy.retry_host_predicates.omit_canary_hosts');
    this.hostSelectionMaxAttempts = config.hostSelectionRetryMaxAttempts || 1;
  }
}
