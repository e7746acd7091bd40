// The filter envoy.filters.http.local_ratelimit: a token bucket decides how many requests pass; the others are answered
// with 429, or only counted.

import { STATUS_CODES } from 'node:http';
import { DragomanError } from '@dragoman/base';
import type { LocalRateLimit } from '@dragoman/config';
import { type RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  compileHeaderMutations,
  type DownstreamConnectionInfo,
  type FilterContext,
  type HeaderMutations,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  ResponseFlag,
  type Runtime,
  RuntimeFraction,
  type Stream,
} from '@dragoman/proxy';
import type { StatLane } from '@dragoman/shm';
import { TokenBucket } from '@dragoman/shm';
import { bucketFor, LOCAL_RATE_LIMIT_TYPE, sharedNowMs } from './shared-buckets.ts';

const TOO_MANY_REQUESTS = 429;
const RESOURCE_EXHAUSTED = 8;
const NO_RUNTIME: Runtime = { get: () => undefined };

/** Status numbers by their names in type.v3.StatusCode: "TooManyRequests". */
const STATUSES: ReadonlyMap<string, number> = new Map(
  Object.entries(STATUS_CODES).map(([code, phrase]) => [
    (phrase ?? '').replaceAll(/[^A-Za-z]/g, '').toLowerCase(),
    Number(code),
  ]),
);

/** Slots of `<stat_prefix>.http_local_rate_limit.*`. */
class LimitStats {
  readonly lane: StatLane;
  readonly enabled: number;
  readonly enforced: number;
  readonly ok: number;
  readonly rateLimited: number;

  constructor(lane: StatLane, statPrefix: string) {
    const prefix = `${statPrefix}.http_local_rate_limit.`;
    this.lane = lane;
    this.enabled = lane.counter(`${prefix}enabled`);
    this.enforced = lane.counter(`${prefix}enforced`);
    this.ok = lane.counter(`${prefix}ok`);
    this.rateLimited = lane.counter(`${prefix}rate_limited`);
  }
}

/** One rate limit: the filter's own or a route's. */
export class LimitSettings {
  readonly stats: LimitStats;
  readonly status: number;
  readonly grpcStatus: number | undefined;
  readonly headerNotEnforced: HeaderMutations | null;
  readonly responseHeaders: HeaderMutations | null;
  readonly showsLimit: boolean;
  readonly maxTokens: number;
  readonly #enabled: RuntimeFraction;
  readonly #enforced: RuntimeFraction;
  readonly #bucket: TokenBucket | null;
  /** Buckets by connection, with `local_rate_limit_per_downstream_connection`. */
  readonly #connections: WeakMap<DownstreamConnectionInfo, TokenBucket> | null;
  readonly #config: LocalRateLimit;

  constructor(config: LocalRateLimit, context: FilterContext) {
    if (config.descriptors.length > 0 || config.rateLimits.length > 0)
      throw new DragomanError(
        'UNSUPPORTED',
        'local_ratelimit: descriptors and rate_limits are not supported',
      );
    this.#config = config;
    this.stats = new LimitStats(context.stats, config.statPrefix);
    const status = STATUSES.get((config.status?.code ?? '').toLowerCase()) ?? TOO_MANY_REQUESTS;
    this.status = status < 400 ? TOO_MANY_REQUESTS : status;
    this.grpcStatus = config.rateLimitedAsResourceExhausted ? RESOURCE_EXHAUSTED : undefined;
    this.headerNotEnforced = compileHeaderMutations(config.requestHeadersToAddWhenNotEnforced, []);
    this.responseHeaders = compileHeaderMutations(config.responseHeadersToAdd, []);
    this.showsLimit = config.enableXRatelimitHeaders === 'DRAFT_VERSION_03';
    this.maxTokens = config.tokenBucket?.maxTokens ?? 0;
    const { filterEnabled: enabled, filterEnforced: enforced } = config;
    this.#enabled = new RuntimeFraction(enabled?.defaultValue, enabled?.runtimeKey ?? '', NO_RUNTIME);
    this.#enforced = new RuntimeFraction(enforced?.defaultValue, enforced?.runtimeKey ?? '', NO_RUNTIME);
    this.#bucket = bucketFor(config, context);
    this.#connections = config.localRateLimitPerDownstreamConnection ? new WeakMap() : null;
  }

  enabled(stream: Stream): boolean {
    return this.#enabled.includes(stream.info.random, stream.worker.runtime);
  }

  enforced(stream: Stream): boolean {
    return this.#enforced.includes(stream.info.random, stream.worker.runtime);
  }

  /** The bucket a stream draws from; null = no limit. */
  bucket(stream: Stream): TokenBucket | null {
    const { tokenBucket } = this.#config;
    if (this.#connections === null || tokenBucket === undefined) return this.#bucket;
    let bucket = this.#connections.get(stream.connection);
    if (bucket === undefined) {
      const options = {
        maxTokens: tokenBucket.maxTokens,
        tokensPerFill: tokenBucket.tokensPerFill ?? 1,
        fillIntervalMs: tokenBucket.fillInterval ?? 0,
      };
      bucket = new TokenBucket(TokenBucket.create(options, sharedNowMs()));
      this.#connections.set(stream.connection, bucket);
    }
    return bucket;
  }
}

/** Keeps nothing of a stream: one object serves them all. */
class LocalRateLimitFilter implements HttpFilter, HttpFilterInstance {
  readonly #settings: LimitSettings;
  readonly #name: string;

  constructor(settings: LimitSettings, name: string) {
    this.#settings = settings;
    this.#name = name;
  }

  createFilter(): HttpFilter {
    return this;
  }

  #settingsFor(stream: Stream): LimitSettings {
    return (stream.routeConfig(this.#name) as LimitSettings | undefined) ?? this.#settings;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders): HeadersStatus {
    const settings = this.#settingsFor(stream);
    if (!settings.enabled(stream)) return HeadersStatus.Continue;
    const { stats } = settings;
    stats.lane.inc(stats.enabled);
    const bucket = settings.bucket(stream);
    if (bucket === null || bucket.consume(1, sharedNowMs())) {
      stats.lane.inc(stats.ok);
      return HeadersStatus.Continue;
    }
    stats.lane.inc(stats.rateLimited);
    if (!settings.enforced(stream)) {
      settings.headerNotEnforced?.evaluate(headers, stream);
      return HeadersStatus.Continue;
    }
    stats.lane.inc(stats.enforced);
    stream.info.addResponseFlag(ResponseFlag.RateLimited);
    stream.sendLocalReply(
      settings.status,
      'local_rate_limited',
      'local_rate_limited',
      extraHeaders(settings, stream),
      settings.grpcStatus,
    );
    return HeadersStatus.StopIteration;
  }

  encodeHeaders(stream: Stream, headers: ResponseHeaders): HeadersStatus {
    const settings = this.#settingsFor(stream);
    if (!settings.showsLimit || !settings.enabled(stream)) return HeadersStatus.Continue;
    const bucket = settings.bucket(stream);
    if (bucket === null) return HeadersStatus.Continue;
    const nowMs = sharedNowMs();
    headers.set('x-ratelimit-limit', String(settings.maxTokens));
    headers.set('x-ratelimit-remaining', String(bucket.remaining(nowMs)));
    headers.set('x-ratelimit-reset', String(Math.ceil(bucket.nextFillMs(nowMs) / 1000)));
    return HeadersStatus.Continue;
  }
}

function extraHeaders(settings: LimitSettings, stream: Stream): [string, string][] | null {
  if (settings.responseHeaders === null) return null;
  const headers = new ResponseHeaders();
  settings.responseHeaders.evaluate(headers, stream);
  const pairs: [string, string][] = [];
  headers.forEachLine((name, value) => pairs.push([name, value]));
  return pairs;
}

export const localRateLimitFilterType: HttpFilterType<LocalRateLimit, LocalRateLimit> = {
  name: 'envoy.filters.http.local_ratelimit',
  configTypes: [LOCAL_RATE_LIMIT_TYPE],
  routeConfigTypes: [LOCAL_RATE_LIMIT_TYPE],
  validate(config, report) {
    if (config.descriptors.length > 0) report('descriptors', 'descriptors are not supported');
    if (config.rateLimits.length > 0) report('rate_limits', 'rate_limits are not supported');
  },
  create(config, context) {
    return new LocalRateLimitFilter(new LimitSettings(config, context), context.filterName);
  },
  compileRouteConfig(config, context) {
    return new LimitSettings(config, context);
  },
};
