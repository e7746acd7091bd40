// From the decoded Route message to a compiled Route, or one Route for each weighted cluster.

import { DragomanError } from '@dragoman/base';
import type {
  AllowListedRoutesConfig,
  InternalRedirectPolicy as InternalRedirectPolicyConfig,
  RouteAction_RequestMirrorPolicy,
  RouteAction as RouteActionConfig,
  Route as RouteConfig,
  RouteConfiguration,
  UriTemplateRewriteConfig,
  VirtualHost,
  WeightedCluster,
  WeightedCluster_ClusterWeight,
} from '@dragoman/config';
import { compileMetadataMatch } from '../cluster/load-balancer/metadata-match.ts';
import { readDataSource } from '../format/data-source.ts';
import { compileFormat } from '../format/formatter.ts';
import { compileSubstitutionFormat } from '../format/substitution-format.ts';
import { type CompileFilterConfig, FilterConfigs } from './filter-configs.ts';
import { HashPolicy } from './hash-policy.ts';
import { compileHeaderMutations, type HeaderMutations } from './header-mutations.ts';
import { compileMutationList } from './mutation-list.ts';
import { HostRewrite, PathRewrite } from './path-rewrite.ts';
import { Redirect } from './redirect.ts';
import { RegexSubstitution } from './regex.ts';
import { RetryPolicy } from './retry-policy.ts';
import {
  type InternalRedirectPolicy,
  type MirrorPolicy,
  NO_TIMEOUT_SET,
  Route,
  RouteAction,
  type RouteParts,
  type VirtualHostInfo,
} from './route.ts';
import { compileUriTemplate } from './route-matcher.ts';
import { compileRuntimeFraction, emptyRuntime, type Runtime } from './runtime-fraction.ts';
import { UriTemplateRewrite } from './uri-template.ts';
import { WeightedRoutes } from './weighted-routes.ts';

/** What compiling a route table takes from its surroundings. */
export interface RouteCompileContext {
  /** Absent: no runtime layers. */
  readonly runtime?: Runtime;
  /** Compiles typed_per_filter_config messages by the filter's configured name. */
  readonly compileFilterConfig: CompileFilterConfig;
}

/** What a route takes over from the levels above it. */
export interface OuterLevels {
  readonly table: RouteConfiguration;
  readonly virtualHost: VirtualHost;
  readonly info: VirtualHostInfo;
  readonly filterConfigs: FilterConfigs;
  readonly requestMutations: readonly (HeaderMutations | null)[];
  readonly responseMutations: readonly (HeaderMutations | null)[];
}

/** Envoy's default for `timeout`. */
const DEFAULT_TIMEOUT_MS = 15_000;
const DEFAULT_DIRECT_RESPONSE_LIMIT_BYTES = 4096;

const CLUSTER_NOT_FOUND_STATUSES: Readonly<Record<RouteActionConfig['clusterNotFoundResponseCode'], number>> =
  {
    SERVICE_UNAVAILABLE: 503,
    NOT_FOUND: 404,
    INTERNAL_SERVER_ERROR: 500,
  };

/** Levels from most to least specific, in the order in which their mutations run; what runs last wins. */
function ordered(levels: readonly (HeaderMutations | null)[], table: RouteConfiguration): HeaderMutations[] {
  const present = levels.filter(level => level !== null);
  return table.mostSpecificHeaderMutationsWins ? present.reverse() : present;
}

function compileMirror(config: RouteAction_RequestMirrorPolicy, runtime: Runtime): MirrorPolicy {
  return {
    cluster: config.cluster,
    clusterHeader: config.clusterHeader.toLowerCase(),
    fraction: compileRuntimeFraction(config.runtimeFraction, runtime),
    traceSampled: config.traceSampled,
    keepHost: config.disableShadowHostSuffixAppend,
    requestMutations: compileMutationList(config.requestHeadersMutations),
    hostRewriteLiteral: config.hostRewriteLiteral,
  };
}

function compileInternalRedirect(
  config: InternalRedirectPolicyConfig | undefined,
): InternalRedirectPolicy | null {
  if (config === undefined) return null;
  return {
    maxInternalRedirects: config.maxInternalRedirects ?? 1,
    statuses: config.redirectResponseCodes.length === 0 ? [302] : config.redirectResponseCodes,
    allowCrossScheme: config.allowCrossSchemeRedirect,
    responseHeadersToCopy: config.responseHeadersToCopy.map(name => name.toLowerCase()),
    ...compileRedirectPredicates(config.predicates),
  };
}

function compileRedirectPredicates(
  predicates: InternalRedirectPolicyConfig['predicates'],
): Pick<InternalRedirectPolicy, 'allowedRoutes' | 'onlySafeSchemes' | 'avoidsPreviousRoutes'> {
  const typed = (name: string) =>
    predicates.find(predicate => predicate.typedConfig?.typeName.endsWith(name))?.typedConfig;
  const allowed = typed('.AllowListedRoutesConfig')?.value as AllowListedRoutesConfig | undefined;
  return {
    allowedRoutes: allowed === undefined ? null : new Set(allowed.allowedRouteNames),
    onlySafeSchemes: typed('.SafeCrossSchemeConfig') !== undefined,
    avoidsPreviousRoutes: typed('.PreviousRoutesConfig') !== undefined,
  };
}

type SubstitutionConfig = { pattern?: { regex: string }; substitution: string };

function substitution(config: SubstitutionConfig | undefined): RegexSubstitution | null {
  return config === undefined
    ? null
    : new RegexSubstitution(config.pattern?.regex ?? '', config.substitution);
}

/** The rewrite of a route or of a redirect; both have the first two fields. */
function compilePathRewrite(
  config: { prefixRewrite?: string; regexRewrite?: SubstitutionConfig; pathRewrite?: string },
  matchedLength: number,
): PathRewrite | null {
  const regex = substitution(config.regexRewrite);
  const format = config.pathRewrite ? compileFormat(config.pathRewrite, { omitEmpty: true }) : null;
  if (!config.prefixRewrite && regex === null && format === null) return null;
  return new PathRewrite(config.prefixRewrite ?? '', regex, format, matchedLength);
}

/** path_rewrite_policy takes its variables from the route's path_match_policy. */
function compileTemplateRewrite(config: RouteConfig): PathRewrite {
  const template = compileUriTemplate(config.match);
  if (template === null)
    throw new DragomanError('ROUTE_MATCH', 'path_rewrite_policy needs a path_match_policy with uri_template');
  const rewrite = config.route!.pathRewritePolicy!.typedConfig!.value as UriTemplateRewriteConfig;
  return new PathRewrite('', null, null, -1, new UriTemplateRewrite(template, rewrite.pathTemplateRewrite));
}

function compileHostRewrite(action: RouteActionConfig, literal: string | undefined): HostRewrite | null {
  const text = literal || action.hostRewriteLiteral || '';
  const header = text === '' ? (action.hostRewriteHeader ?? '').toLowerCase() : '';
  const regex = text === '' ? substitution(action.hostRewritePathRegex) : null;
  const format = text === '' && action.hostRewrite ? compileFormat(action.hostRewrite) : null;
  if (text === '' && header === '' && regex === null && format === null) return null;
  return new HostRewrite(text, header, regex, format, action.appendXForwardedHost, !literal);
}

function directResponseBody(config: RouteConfig, table: RouteConfiguration): Buffer {
  const body = readDataSource(config.directResponse?.body);
  const limitBytes = table.maxDirectResponseBodySizeBytes ?? DEFAULT_DIRECT_RESPONSE_LIMIT_BYTES;
  if (body.length > limitBytes)
    throw new DragomanError(
      'DIRECT_RESPONSE',
      `response body size is ${body.length} bytes; maximum is ${limitBytes}`,
    );
  return body;
}

function bufferLimitBytes(config: RouteConfig | VirtualHost): number | undefined {
  return config.requestBodyBufferLimit ?? config.perRequestBufferLimitBytes;
}

/** Everything that does not depend on which weighted cluster is chosen. */
function commonParts(
  config: RouteConfig,
  levels: OuterLevels,
  matchedLength: number,
  context: RouteCompileContext,
): RouteParts {
  const { redirect, directResponse } = config;
  let action: number = RouteAction.None;
  if (config.route !== undefined) action = RouteAction.Route;
  else if (redirect !== undefined) action = RouteAction.Redirect;
  else if (directResponse !== undefined) action = RouteAction.DirectResponse;
  return {
    ...forwardingParts(config.route, levels, matchedLength, context),
    ...(redirect === undefined ? {} : { pathRewrite: compilePathRewrite(redirect, matchedLength) }),
    ...(config.route?.pathRewritePolicy === undefined ? {} : { pathRewrite: compileTemplateRewrite(config) }),
    name: config.name,
    virtualHost: levels.info,
    action,
    metadata: config.metadata,
    statPrefix: config.statPrefix,
    decorator: config.decorator,
    tracing: config.tracing,
    requestBufferLimitBytes: bufferLimitBytes(config) ?? bufferLimitBytes(levels.virtualHost) ?? 0,
    redirect: redirect === undefined ? null : new Redirect(redirect),
    directResponseStatus: directResponse?.status ?? 0,
    directResponseBody: directResponseBody(config, levels.table),
    directResponseFormat:
      directResponse?.bodyFormat === undefined ? null : compileSubstitutionFormat(directResponse.bodyFormat),
    filterConfigs: levels.filterConfigs.extend(config.typedPerFilterConfig, context.compileFilterConfig),
    requestMutations: [],
    responseMutations: [],
  };
}

type ForwardingParts = Omit<
  RouteParts,
  | 'name'
  | 'virtualHost'
  | 'action'
  | 'metadata'
  | 'statPrefix'
  | 'decorator'
  | 'tracing'
  | 'requestBufferLimitBytes'
  | 'redirect'
  | 'directResponseStatus'
  | 'directResponseBody'
  | 'directResponseFormat'
  | 'filterConfigs'
  | 'requestMutations'
  | 'responseMutations'
>;

const EMPTY_ACTION: Partial<RouteActionConfig> = {};

function forwardingParts(
  action: RouteActionConfig | undefined,
  levels: OuterLevels,
  matchedLength: number,
  context: RouteCompileContext,
): ForwardingParts {
  const config = action ?? EMPTY_ACTION;
  const { table, virtualHost } = levels;
  if (config.clusterSpecifierPlugin || config.inlineClusterSpecifierPlugin)
    throw new DragomanError('UNSUPPORTED', 'route.cluster_specifier_plugin is not supported');
  const retry = config.retryPolicy ?? virtualHost.retryPolicy;
  const hedge = config.hedgePolicy ?? virtualHost.hedgePolicy;
  const mirrors = [
    config.requestMirrorPolicies,
    virtualHost.requestMirrorPolicies,
    table.requestMirrorPolicies,
  ];
  const duration = config.maxStreamDuration;
  return {
    cluster: config.cluster ?? '',
    clusterHeader: lookupName(config.clusterHeader),
    clusterNotFoundStatus:
      CLUSTER_NOT_FOUND_STATUSES[config.clusterNotFoundResponseCode ?? 'SERVICE_UNAVAILABLE'],
    metadataMatch: compileMetadataMatch(config.metadataMatch),
    timeoutMs: config.timeout ?? DEFAULT_TIMEOUT_MS,
    idleTimeoutMs: config.idleTimeout ?? NO_TIMEOUT_SET,
    maxStreamDurationMs: duration?.maxStreamDuration ?? NO_TIMEOUT_SET,
    grpcTimeoutHeaderMaxMs: duration?.grpcTimeoutHeaderMax ?? NO_TIMEOUT_SET,
    grpcTimeoutHeaderOffsetMs: duration?.grpcTimeoutHeaderOffset ?? 0,
    limitsStreamDuration: duration !== undefined,
    maxGrpcTimeoutMs: config.maxGrpcTimeout ?? NO_TIMEOUT_SET,
    grpcTimeoutOffsetMs: config.grpcTimeoutOffset ?? 0,
    retryPolicy: retry === undefined ? null : new RetryPolicy(retry),
    hedgeOnPerTryTimeout: hedge?.hedgeOnPerTryTimeout ?? false,
    hashPolicy: config.hashPolicy?.length ? new HashPolicy(config.hashPolicy) : null,
    mirrorPolicies: (mirrors.find(list => list !== undefined && list.length > 0) ?? []).map(mirror =>
      compileMirror(mirror, context.runtime ?? emptyRuntime),
    ),
    highPriority: config.priority === 'HIGH',
    rateLimits: config.rateLimits ?? [],
    includeVhRateLimits: config.includeVhRateLimits ?? false,
    upgradeConfigs: new Map(
      (config.upgradeConfigs ?? []).map(entry => [entry.upgradeType.toLowerCase(), entry]),
    ),
    internalRedirect: compileInternalRedirect(config.internalRedirectPolicy),
    autoHostRewrite: config.autoHostRewrite ?? false,
    appendForwardedHost: config.appendXForwardedHost ?? false,
    cors: config.cors,
    pathRewrite: compilePathRewrite(config, matchedLength),
    hostRewrite: action === undefined ? null : compileHostRewrite(action, undefined),
  };
}

function lookupName(headerName: string | undefined): string {
  const name = (headerName ?? '').toLowerCase();
  return name === 'host' ? ':authority' : name;
}

function weightedRoute(
  cluster: WeightedCluster_ClusterWeight,
  config: RouteConfig,
  parts: RouteParts,
  levels: OuterLevels,
  context: RouteCompileContext,
): Route {
  const { table } = levels;
  const request = compileHeaderMutations(cluster.requestHeadersToAdd, cluster.requestHeadersToRemove);
  const response = compileHeaderMutations(cluster.responseHeadersToAdd, cluster.responseHeadersToRemove);
  return new Route({
    ...parts,
    cluster: cluster.name,
    clusterHeader: lookupName(cluster.clusterHeader),
    metadataMatch: compileMetadataMatch(config.route?.metadataMatch, cluster.metadataMatch),
    filterConfigs: parts.filterConfigs.extend(cluster.typedPerFilterConfig, context.compileFilterConfig),
    requestMutations: ordered([request, ...levels.requestMutations], table),
    responseMutations: ordered([response, ...levels.responseMutations], table),
    hostRewrite:
      config.route !== undefined && cluster.hostRewriteLiteral
        ? compileHostRewrite(config.route, cluster.hostRewriteLiteral)
        : parts.hostRewrite,
    autoHostRewrite: cluster.hostRewriteLiteral ? false : parts.autoHostRewrite,
  });
}

/** A compiled route, and how to choose among its weighted clusters. */
export interface CompiledRoute {
  readonly route: Route;
  readonly weighted: WeightedRoutes | null;
}

const NO_ROUTE: RouteConfig = {
  name: '',
  typedPerFilterConfig: {},
  requestHeadersToAdd: [],
  requestHeadersToRemove: [],
  responseHeadersToAdd: [],
  responseHeadersToRemove: [],
  statPrefix: '',
};

/** The answer to requests that should have come over TLS: no mutation and no filter configuration applies to it. */
export function compileTlsRoute(levels: OuterLevels, context: RouteCompileContext): Route {
  return new Route({
    ...commonParts(NO_ROUTE, { ...levels, filterConfigs: FilterConfigs.none }, -1, context),
    action: RouteAction.Redirect,
    directResponseStatus: 301,
  });
}

/** @throws DragomanError or Error with Envoy's text for what the schema cannot tell. */
export function compileRoute(
  config: RouteConfig,
  levels: OuterLevels,
  matchedLength: number,
  context: RouteCompileContext,
): CompiledRoute {
  const own: OuterLevels = {
    ...levels,
    requestMutations: [
      compileHeaderMutations(config.requestHeadersToAdd, config.requestHeadersToRemove),
      ...levels.requestMutations,
    ],
    responseMutations: [
      compileHeaderMutations(config.responseHeadersToAdd, config.responseHeadersToRemove),
      ...levels.responseMutations,
    ],
  };
  const parts: RouteParts = {
    ...commonParts(config, levels, matchedLength, context),
    requestMutations: ordered(own.requestMutations, levels.table),
    responseMutations: ordered(own.responseMutations, levels.table),
  };
  const weighted = config.route?.weightedClusters;
  if (weighted === undefined) return { route: new Route(parts), weighted: null };
  const routes = weighted.clusters.map(cluster => weightedRoute(cluster, config, parts, own, context));
  return { route: routes[0], weighted: weightedRoutes(weighted, routes, context.runtime ?? emptyRuntime) };
}

function weightedRoutes(config: WeightedCluster, routes: readonly Route[], runtime: Runtime): WeightedRoutes {
  const weights = config.clusters.map(cluster => cluster.weight ?? 0);
  if (weights.reduce((sum, weight) => sum + weight, 0) === 0)
    throw new DragomanError(
      'WEIGHTED_CLUSTERS',
      'Sum of weights in the weighted_cluster must be greater than 0.',
    );
  const hashPolicy = config.useHashPolicy === true ? routes[0].hashPolicy : null;
  const header = lookupName(config.headerName);
  return new WeightedRoutes(routes, weights, header, config.runtimeKeyPrefix, runtime, hashPolicy);
}
