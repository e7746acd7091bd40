// Decides whether a failed attempt is tried again: conditions, counts, limits and back-off (Envoy: RetryStateImpl).
// One per stream object, reused; asks nothing of sockets or timers.

import { HeaderId, type RequestHeaders, type ResponseHeaders } from '@dragoman/http';
import { type CircuitBreakers, Resource } from '../cluster/circuit-breakers.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { ResponseFlag } from '../format/response-flags.ts';
import type { HeaderMatcher } from '../route/header-matcher.ts';
import { parseRetryGrpcOn, parseRetryOn, RetryOn, type RetryPolicy } from '../route/retry-policy.ts';
import type { Route } from '../route/route.ts';
import { ResetReason } from '../upstream/upstream-stream.ts';

export const RetryDecision = {
  /** No condition applies: the outcome is the client's. */
  No: 0,
  Yes: 1,
  /** A condition applies, but all retries are used up. */
  LimitExceeded: 2,
  /** A condition applies, but the circuit breaker's retries (or the retry budget) are in use. */
  Overflow: 3,
} as const;
export type RetryDecision = (typeof RetryDecision)[keyof typeof RetryDecision];

/** The flag of a request whose retry was due and could not be made. */
export function refusedRetryFlag(decision: RetryDecision): number {
  return decision === RetryDecision.Overflow
    ? ResponseFlag.UpstreamOverflow
    : ResponseFlag.UpstreamRetryLimitExceeded;
}

const DEFAULT_BASE_MS = 25;

export class RetryState {
  readonly #random: () => number;
  #policy: RetryPolicy | null = null;
  #cluster: Cluster | null = null;
  #breakers: CircuitBreakers | null = null;
  #retryOn = 0;
  #left = 0;
  #tried = 0;
  #statusCodes: readonly number[] = [];
  /** Names of response headers, of x-envoy-retriable-header-names. */
  #headerNames: readonly string[] = [];
  /** A retry is counted in the circuit breaker. */
  #counted = false;
  #resetAfterMs = -1;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  begin(route: Route, headers: RequestHeaders, cluster: Cluster): void {
    const policy = route.retryPolicy;
    this.#policy = policy;
    this.#cluster = cluster;
    this.#retryOn = policy?.retryOn ?? 0;
    this.#left = policy?.numRetries ?? 1;
    this.#statusCodes = policy?.retriableStatusCodes ?? NO_CODES;
    this.#headerNames = NO_NAMES;
    this.#tried = 0;
    this.#counted = false;
    this.#resetAfterMs = -1;
    if (headers.hasEnvoyHeaders) this.#readHeaders(headers);
    if (this.#retryOn === 0) return;
    this.#breakers = cluster.breakers[route.highPriority ? 1 : 0];
    const wanted = policy?.retriableRequestHeaders ?? NO_MATCHERS;
    if (wanted.length > 0 && !wanted.some(matcher => matcher.matches(headers))) this.#retryOn = 0;
  }

  /** Headers that only internal requests still carry here; they add to the policy, or make one. */
  #readHeaders(headers: RequestHeaders): void {
    const on = headers.getId(HeaderId.X_ENVOY_RETRY_ON);
    if (on !== undefined) this.#retryOn |= parseRetryOn(on);
    const grpcOn = headers.getId(HeaderId.X_ENVOY_RETRY_GRPC_ON);
    if (grpcOn !== undefined) this.#retryOn |= parseRetryGrpcOn(grpcOn);
    const max = headers.getId(HeaderId.X_ENVOY_MAX_RETRIES);
    if (max !== undefined && /^\d{1,9}$/.test(max)) this.#left = Number(max);
    const codes = headers.getId(HeaderId.X_ENVOY_RETRIABLE_STATUS_CODES);
    if (codes !== undefined)
      this.#statusCodes = [...this.#statusCodes, ...codes.split(',').map(Number).filter(Number.isInteger)];
    const names = headers.getId(HeaderId.X_ENVOY_RETRIABLE_HEADER_NAMES);
    if (names !== undefined) this.#headerNames = names.split(',').map(name => name.trim());
    for (const id of CONSUMED) headers.removeId(id);
  }

  /** There are conditions at all. */
  get enabled(): boolean {
    return this.#retryOn !== 0;
  }

  /** The request may still have to be sent again, so its body has to be kept. */
  get possible(): boolean {
    return this.#retryOn !== 0 && this.#left > 0;
  }

  /** The request cannot be sent again: its body was not kept, or something of the answer is out. */
  giveUp(): void {
    this.#retryOn = 0;
  }

  onResponse(headers: ResponseHeaders): RetryDecision {
    this.#release();
    if (!this.#wouldRetryResponse(headers)) {
      if (this.#tried > 0) this.#inc(this.#cluster!.stats.upstreamRqRetrySuccess);
      this.#retryOn = 0;
      return RetryDecision.No;
    }
    this.#resetAfterMs = this.#rateLimitReset(headers);
    return this.#decide();
  }

  onReset(reason: ResetReason): RetryDecision {
    this.#release();
    this.#resetAfterMs = -1;
    return this.#wouldRetryReset(reason) ? this.#decide() : RetryDecision.No;
  }

  /** How long to wait before the attempt just decided. */
  backOffMs(): number {
    const stats = this.#cluster!.stats;
    if (this.#resetAfterMs >= 0) {
      this.#inc(stats.upstreamRqRetryBackoffRatelimited);
      return this.#resetAfterMs;
    }
    this.#inc(stats.upstreamRqRetryBackoffExponential);
    const baseMs = this.#policy?.backOffBaseMs ?? DEFAULT_BASE_MS;
    const maxMs = this.#policy?.backOffMaxMs ?? DEFAULT_BASE_MS * 10;
    const ceilingMs = Math.min(maxMs, (2 ** this.#tried - 1) * baseMs);
    return this.#random() * ceilingMs;
  }

  /** The stream is over. */
  end(): void {
    this.#release();
    this.#policy = null;
    this.#cluster = null;
    this.#breakers = null;
  }

  #decide(): RetryDecision {
    const cluster = this.#cluster!;
    const breakers = this.#breakers!;
    if (this.#left === 0) {
      this.#inc(cluster.stats.upstreamRqRetryLimitExceeded);
      return RetryDecision.LimitExceeded;
    }
    this.#left--;
    if (!breakers.canCreate(Resource.RETRIES)) {
      this.#inc(cluster.stats.upstreamRqRetryOverflow);
      return RetryDecision.Overflow;
    }
    breakers.increment(Resource.RETRIES);
    this.#counted = true;
    this.#tried++;
    this.#inc(cluster.stats.upstreamRqRetry);
    return RetryDecision.Yes;
  }

  #release(): void {
    if (!this.#counted) return;
    this.#counted = false;
    this.#breakers!.decrement(Resource.RETRIES);
  }

  #inc(slot: number): void {
    this.#cluster!.lane.inc(slot);
  }

  #wouldRetryResponse(headers: ResponseHeaders): boolean {
    const on = this.#retryOn;
    const { status } = headers;
    if (headers.hasId(HeaderId.X_ENVOY_RATELIMITED) && (on & RetryOn.EnvoyRateLimited) === 0) return false;
    if ((on & RetryOn.EnvoyRateLimited) !== 0 && headers.hasId(HeaderId.X_ENVOY_RATELIMITED)) return true;
    if ((on & RetryOn.FiveXx) !== 0 && status >= 500 && status < 600) return true;
    if ((on & RetryOn.GatewayError) !== 0 && status >= 502 && status <= 504) return true;
    if ((on & RetryOn.Retriable4xx) !== 0 && status === 409) return true;
    if ((on & RetryOn.RetriableStatusCodes) !== 0 && this.#statusCodes.includes(status)) return true;
    if ((on & RetryOn.RetriableHeaders) !== 0) {
      const matchers = this.#policy?.retriableHeaders ?? NO_MATCHERS;
      if (matchers.some(matcher => matcher.matches(headers))) return true;
      if (this.#headerNames.some(name => headers.has(name))) return true;
    }
    return on >> 16 !== 0 && this.#wouldRetryGrpc(headers);
  }

  #wouldRetryGrpc(headers: ResponseHeaders): boolean {
    const on = this.#retryOn;
    switch (headers.getId(HeaderId.GRPC_STATUS)) {
      case '1':
        return (on & RetryOn.GrpcCancelled) !== 0;
      case '4':
        return (on & RetryOn.GrpcDeadlineExceeded) !== 0;
      case '8':
        return (on & RetryOn.GrpcResourceExhausted) !== 0;
      case '13':
        return (on & RetryOn.GrpcInternal) !== 0;
      case '14':
        return (on & RetryOn.GrpcUnavailable) !== 0;
      default:
        return false;
    }
  }

  #wouldRetryReset(reason: ResetReason): boolean {
    const on = this.#retryOn;
    if (reason === ResetReason.Overflow) return false;
    if ((on & RetryOn.Reset) !== 0) return true;
    const refused = reason === ResetReason.RemoteRefusedStream;
    if ((on & RetryOn.RefusedStream) !== 0 && refused) return true;
    if ((on & RetryOn.FiveXx) !== 0 || (on & RetryOn.GatewayError) !== 0) return true;
    const connect =
      reason === ResetReason.RemoteConnectionFailure ||
      reason === ResetReason.LocalConnectionFailure ||
      reason === ResetReason.ConnectionTimeout;
    return connect && (on & (RetryOn.ConnectFailure | RetryOn.ResetBeforeRequest)) !== 0;
  }

  #rateLimitReset(headers: ResponseHeaders): number {
    const policy = this.#policy;
    if (policy === null) return -1;
    for (const { name, format } of policy.resetHeaders) {
      const value = headers.get(name);
      if (value === undefined || !/^\d{1,12}$/.test(value)) continue;
      const afterMs = format === 'SECONDS' ? Number(value) * 1000 : Number(value) * 1000 - Date.now();
      if (afterMs >= 0 && afterMs <= policy.resetMaxIntervalMs) return afterMs;
    }
    return -1;
  }
}

const NO_CODES: readonly number[] = [];
const NO_NAMES: readonly string[] = [];
const NO_MATCHERS: readonly HeaderMatcher[] = [];
const CONSUMED = [
  HeaderId.X_ENVOY_RETRY_ON,
  HeaderId.X_ENVOY_RETRY_GRPC_ON,
  HeaderId.X_ENVOY_MAX_RETRIES,
  HeaderId.X_ENVOY_RETRIABLE_STATUS_CODES,
  HeaderId.X_ENVOY_RETRIABLE_HEADER_NAMES,
] as const;
