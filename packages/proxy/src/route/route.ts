// One compiled route: what to do with a request that matched it. Shared by all requests; every field is decided at
// configuration time. A route to weighted clusters has one Route object for each of them.

import type {
  CorsPolicy,
  Decorator,
  Metadata,
  RateLimit,
  RouteAction_UpgradeConfig,
  Tracing,
  VirtualCluster,
} from '@dragoman/config';
import type { RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type { MetadataMatch } from '../cluster/load-balancer/load-balancer.ts';
import type { FormatInput } from '../format/format-input.ts';
import type { CompiledFormat } from '../format/substitution-format.ts';
import type { FilterConfigs } from './filter-configs.ts';
import type { HashPolicy } from './hash-policy.ts';
import type { HeaderMatcher } from './header-matcher.ts';
import type { HeaderMutations } from './header-mutations.ts';
import type { MutationList } from './mutation-list.ts';
import { type HostRewrite, type PathRewrite, rewriteAuthority } from './path-rewrite.ts';
import { type Redirect, tlsLocation } from './redirect.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { RuntimeFraction } from './runtime-fraction.ts';

/** What a route does with a request. */
export const RouteAction = {
  /** Forward to a cluster. */
  Route: 0,
  Redirect: 1,
  DirectResponse: 2,
  /** Leave it to filters: the router has nothing to do (`non_forwarding_action`, `filter_action`). */
  None: 3,
} as const;

/** A time limit that is not configured here. */
export const NO_TIMEOUT_SET = -1;

/** What routes share with their virtual host. */
export interface VirtualHostInfo {
  readonly name: string;
  readonly metadata: Metadata | undefined;
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly includeIsTimeoutRetryHeader: boolean;
  readonly rateLimits: readonly RateLimit[];
  readonly cors: CorsPolicy | undefined;
  /** Statistics names by request: the first whose headers match; "other" counts the rest. */
  readonly virtualClusters: readonly CompiledVirtualCluster[];
}

export interface CompiledVirtualCluster {
  readonly name: string;
  readonly headers: readonly HeaderMatcher[];
  readonly config: VirtualCluster;
}

/** A copy of the request that goes elsewhere, its answer unread. */
export interface MirrorPolicy {
  /** '' when `clusterHeader` names it. */
  readonly cluster: string;
  readonly clusterHeader: string;
  /** null = always. */
  readonly fraction: RuntimeFraction | null;
  readonly traceSampled: boolean | undefined;
  /** Leave Host without "-shadow". */
  readonly keepHost: boolean;
  readonly requestMutations: MutationList | null;
  /** '' = the request's Host, with "-shadow". */
  readonly hostRewriteLiteral: string;
}

export interface InternalRedirectPolicy {
  readonly maxInternalRedirects: number;
  readonly statuses: readonly number[];
  readonly allowCrossScheme: boolean;
  readonly responseHeadersToCopy: readonly string[];
  /** Names of routes that may be redirected to; null = all. */
  readonly allowedRoutes: ReadonlySet<string> | null;
  /** Never from http to https. */
  readonly onlySafeSchemes: boolean;
  readonly avoidsPreviousRoutes: boolean;
}

/** All that makes a Route; compiled in route-compiler.ts. */
export interface RouteParts {
  readonly name: string;
  readonly virtualHost: VirtualHostInfo;
  /** One of RouteAction. */
  readonly action: number;
  /** Name of the cluster; '' when `clusterHeader` names it, or without a cluster. */
  readonly cluster: string;
  readonly clusterHeader: string;
  /** 503, 404 or 500. */
  readonly clusterNotFoundStatus: number;
  readonly metadataMatch: MetadataMatch | null;
  /** For the whole response; 0 = none. */
  readonly timeoutMs: number;
  /** NO_TIMEOUT_SET = the connection manager's; 0 = none. */
  readonly idleTimeoutMs: number;
  /** NO_TIMEOUT_SET = the connection manager's; 0 = none. */
  readonly maxStreamDurationMs: number;
  /** NO_TIMEOUT_SET = grpc-timeout is not looked at; 0 = any value is taken. */
  readonly grpcTimeoutHeaderMaxMs: number;
  readonly grpcTimeoutHeaderOffsetMs: number;
  /** There is a `max_stream_duration`: the older timeouts do not apply. */
  readonly limitsStreamDuration: boolean;
  /** The deprecated `max_grpc_timeout`: NO_TIMEOUT_SET, or 0 = any value of grpc-timeout is taken. */
  readonly maxGrpcTimeoutMs: number;
  readonly grpcTimeoutOffsetMs: number;
  readonly retryPolicy: RetryPolicy | null;
  readonly hedgeOnPerTryTimeout: boolean;
  readonly hashPolicy: HashPolicy | null;
  readonly mirrorPolicies: readonly MirrorPolicy[];
  readonly highPriority: boolean;
  readonly rateLimits: readonly RateLimit[];
  readonly includeVhRateLimits: boolean;
  readonly metadata: Metadata | undefined;
  /** By lower-case upgrade type ("websocket", "connect"). */
  readonly upgradeConfigs: ReadonlyMap<string, RouteAction_UpgradeConfig>;
  readonly internalRedirect: InternalRedirectPolicy | null;
  readonly autoHostRewrite: boolean;
  readonly appendForwardedHost: boolean;
  readonly cors: CorsPolicy | undefined;
  readonly statPrefix: string;
  readonly decorator: Decorator | undefined;
  readonly tracing: Tracing | undefined;
  /** Limit for a buffered request body; 0 = none of its own. */
  readonly requestBufferLimitBytes: number;
  readonly redirect: Redirect | null;
  readonly directResponseStatus: number;
  readonly directResponseBody: Buffer;
  readonly directResponseFormat: CompiledFormat | null;
  readonly filterConfigs: FilterConfigs;
  /** In the order in which they run. */
  readonly requestMutations: readonly HeaderMutations[];
  readonly responseMutations: readonly HeaderMutations[];
  readonly pathRewrite: PathRewrite | null;
  readonly hostRewrite: HostRewrite | null;
}

export class Route {
  readonly name: string;
  readonly virtualHost: VirtualHostInfo;
  readonly action: number;
  readonly cluster: string;
  readonly clusterHeader: string;
  readonly clusterNotFoundStatus: number;
  readonly metadataMatch: MetadataMatch | null;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxStreamDurationMs: number;
  readonly grpcTimeoutHeaderMaxMs: number;
  readonly grpcTimeoutHeaderOffsetMs: number;
  readonly limitsStreamDuration: boolean;
  readonly maxGrpcTimeoutMs: number;
  readonly grpcTimeoutOffsetMs: number;
  readonly retryPolicy: RetryPolicy | null;
  readonly hedgeOnPerTryTimeout: boolean;
  readonly hashPolicy: HashPolicy | null;
  readonly mirrorPolicies: readonly MirrorPolicy[];
  readonly highPriority: boolean;
  readonly rateLimits: readonly RateLimit[];
  readonly includeVhRateLimits: boolean;
  readonly metadata: Metadata | undefined;
  readonly upgradeConfigs: ReadonlyMap<string, RouteAction_UpgradeConfig>;
  readonly internalRedirect: InternalRedirectPolicy | null;
  readonly autoHostRewrite: boolean;
  readonly appendForwardedHost: boolean;
  readonly cors: CorsPolicy | undefined;
  readonly statPrefix: string;
  readonly decorator: Decorator | undefined;
  readonly tracing: Tracing | undefined;
  readonly requestBufferLimitBytes: number;
  readonly redirect: Redirect | null;
  readonly directResponseStatus: number;
  readonly directResponseBody: Buffer;
  /** `direct_response.body_format`: what the body becomes; %LOCAL_REPLY_BODY% is directResponseBody. */
  readonly directResponseFormat: CompiledFormat | null;
  readonly #filterConfigs: FilterConfigs;
  readonly #requestMutations: readonly HeaderMutations[];
  readonly #responseMutations: readonly HeaderMutations[];
  readonly #pathRewrite: PathRewrite | null;
  readonly #hostRewrite: HostRewrite | null;

  constructor(parts: RouteParts) {
    this.name = parts.name;
    this.virtualHost = parts.virtualHost;
    this.action = parts.action;
    this.cluster = parts.cluster;
    this.clusterHeader = parts.clusterHeader;
    this.clusterNotFoundStatus = parts.clusterNotFoundStatus;
    this.metadataMatch = parts.metadataMatch;
    this.timeoutMs = parts.timeoutMs;
    this.idleTimeoutMs = parts.idleTimeoutMs;
    this.maxStreamDurationMs = parts.maxStreamDurationMs;
    this.grpcTimeoutHeaderMaxMs = parts.grpcTimeoutHeaderMaxMs;
    this.grpcTimeoutHeaderOffsetMs = parts.grpcTimeoutHeaderOffsetMs;
    this.limitsStreamDuration = parts.limitsStreamDuration;
    this.maxGrpcTimeoutMs = parts.maxGrpcTimeoutMs;
    this.grpcTimeoutOffsetMs = parts.grpcTimeoutOffsetMs;
    this.retryPolicy = parts.retryPolicy;
    this.hedgeOnPerTryTimeout = parts.hedgeOnPerTryTimeout;
    this.hashPolicy = parts.hashPolicy;
    this.mirrorPolicies = parts.mirrorPolicies;
    this.highPriority = parts.highPriority;
    this.rateLimits = parts.rateLimits;
    this.includeVhRateLimits = parts.includeVhRateLimits;
    this.metadata = parts.metadata;
    this.upgradeConfigs = parts.upgradeConfigs;
    this.internalRedirect = parts.internalRedirect;
    this.autoHostRewrite = parts.autoHostRewrite;
    this.appendForwardedHost = parts.appendForwardedHost;
    this.cors = parts.cors;
    this.statPrefix = parts.statPrefix;
    this.decorator = parts.decorator;
    this.tracing = parts.tracing;
    this.requestBufferLimitBytes = parts.requestBufferLimitBytes;
    this.redirect = parts.redirect;
    this.directResponseStatus = parts.directResponseStatus;
    this.directResponseBody = parts.directResponseBody;
    this.directResponseFormat = parts.directResponseFormat;
    this.#filterConfigs = parts.filterConfigs;
    this.#requestMutations = parts.requestMutations;
    this.#responseMutations = parts.responseMutations;
    this.#pathRewrite = parts.pathRewrite;
    this.#hostRewrite = parts.hostRewrite;
  }

  /** Name of the cluster for a request; '' when the header that should name it is missing. */
  clusterFor(headers: RequestHeaders): string {
    return this.clusterHeader === '' ? this.cluster : (headers.get(this.clusterHeader) ?? '');
  }

  /** CONNECT requests end here: their bytes go to the host as they are. */
  terminatesConnect(upgrade: string): boolean {
    return upgrade === 'connect' && this.upgradeConfigs.get('connect')?.connectConfig !== undefined;
  }

  /** The most specific per-route configuration of a filter, compiled by it; undefined when there is none. */
  filterConfig(filterName: string): unknown {
    return this.#filterConfigs.mostSpecific(filterName);
  }

  /** All of them, least specific first. */
  filterConfigs(filterName: string): readonly unknown[] {
    return this.#filterConfigs.all(filterName);
  }

  /** True: the filter is off on this route; false: on, even if the chain disables it; undefined: nothing is said. */
  filterDisabled(filterName: string): boolean | undefined {
    return this.#filterConfigs.disabled(filterName);
  }

  /**
   * Header mutations of all levels, then host and path rewrites. `keepOriginal` is false with
   * `suppress_envoy_headers`: then no x-envoy-original-* is set.
   */
  finalizeRequestHeaders(headers: RequestHeaders, input: FormatInput, keepOriginal = true): void {
    const mutations = this.#requestMutations;
    for (let i = 0; i < mutations.length; i++) mutations[i].evaluate(headers, input);
    if (this.#hostRewrite !== null) this.#hostRewrite.apply(headers, input, keepOriginal);
    if (this.#pathRewrite !== null) this.#pathRewrite.apply(headers, input, keepOriginal);
  }

  /** Header mutations of all levels; for upstream responses and for local replies of this route. */
  finalizeResponseHeaders(headers: ResponseHeaders, input: FormatInput): void {
    const mutations = this.#responseMutations;
    for (let i = 0; i < mutations.length; i++) mutations[i].evaluate(headers, input);
  }

  /** `auto_host_rewrite`, once the host is chosen; `hostname` may be '' (no effect). */
  rewriteToHost(headers: RequestHeaders, hostname: string, keepOriginal = true): void {
    if (this.autoHostRewrite && hostname !== '')
      rewriteAuthority(headers, hostname, this.appendForwardedHost, keepOriginal);
  }

  /** Status of a redirect or direct response. */
  get responseStatus(): number {
    return this.redirect === null ? this.directResponseStatus : this.redirect.status;
  }

  /** Value of `location` for a redirect; a rewrite of the path is applied to the request headers, too. */
  redirectLocation(headers: RequestHeaders, keepOriginal = true): string {
    if (this.redirect === null) return tlsLocation(headers);
    if (this.#pathRewrite !== null) this.#pathRewrite.apply(headers, null, keepOriginal);
    return this.redirect.location(headers);
  }
}
