// A compiled RouteConfiguration: from a request to the route it takes.

import { DragomanError } from '@dragoman/base';
import type { RouteConfiguration, RouteMatch, VirtualHost } from '@dragoman/config';
import { HeaderId, type RequestHeaders } from '@dragoman/http';
import type { StreamInfo } from '../filter-chain/stream-info.ts';
import { DomainTable } from './domain-table.ts';
import { FilterConfigs } from './filter-configs.ts';
import { compileHeaderMatchers } from './header-matcher.ts';
import { compileHeaderMutations } from './header-mutations.ts';
import { pathLength } from './path-rewrite.ts';
import type { Route, VirtualHostInfo } from './route.ts';
import {
  type CompiledRoute,
  compileRoute,
  compileTlsRoute,
  type OuterLevels,
  type RouteCompileContext,
} from './route-compiler.ts';
import { RouteMatcher } from './route-matcher.ts';
import { emptyRuntime } from './runtime-fraction.ts';

/** What a lookup may use besides the headers; a Stream is one. */
export interface RouteMatchInput {
  readonly info: StreamInfo;
}

interface RouteEntry extends CompiledRoute {
  readonly matcher: RouteMatcher;
}

class VirtualHostEntry {
  readonly #routes: readonly RouteEntry[];
  readonly #requireTls: VirtualHost['requireTls'];
  /** Sends requests without TLS to https. */
  readonly #tlsRoute: Route | null;

  constructor(routes: readonly RouteEntry[], requireTls: VirtualHost['requireTls'], tlsRoute: Route | null) {
    this.#routes = routes;
    this.#requireTls = requireTls;
    this.#tlsRoute = tlsRoute;
  }

  match(headers: RequestHeaders, path: string, info: StreamInfo): Route | null {
    if (this.#tlsRoute !== null && this.#needsTls(headers, info)) return this.#tlsRoute;
    const routes = this.#routes;
    for (let i = 0; i < routes.length; i++) {
      const entry = routes[i];
      if (!entry.matcher.matches(headers, path, info)) continue;
      return entry.weighted === null ? entry.route : entry.weighted.pick(headers, info);
    }
    return null;
  }

  #needsTls(headers: RequestHeaders, info: StreamInfo): boolean {
    if ((headers.get('x-forwarded-proto') ?? headers.scheme) === 'https') return false;
    return this.#requireTls === 'ALL' || !info.internal;
  }
}

export class RouteTable {
  readonly name: string;
  /** Lower-case names of headers that only internal requests may carry. */
  readonly internalOnlyHeaders: readonly string[];
  /** Some level says something to an HTTP filter: the chain has to know the route before it is built. */
  readonly hasFilterConfigs: boolean;
  readonly #domains: DomainTable<VirtualHostEntry>;
  /** The header that names the virtual host; '' = Host. */
  readonly #hostHeader: string;
  readonly #ignorePathParameters: boolean;

  constructor(config: RouteConfiguration, domains: DomainTable<VirtualHostEntry>) {
    this.name = config.name;
    this.internalOnlyHeaders = config.internalOnlyHeaders.map(name => name.toLowerCase());
    this.hasFilterConfigs = hasFilterConfigs(config);
    this.#domains = domains;
    this.#hostHeader = config.vhostHeader.toLowerCase();
    this.#ignorePathParameters = config.ignorePathParametersInPathMatching;
  }

  /** The first route of the request's virtual host that matches; null without one. */
  match(headers: RequestHeaders, input: RouteMatchInput): Route | null {
    // Envoy finds no route for a request that does not say how it came.
    if (headers.getId(HeaderId.X_FORWARDED_PROTO) === '') return null;
    const name = this.#hostHeader === '' ? headers.authority : (headers.get(this.#hostHeader) ?? '');
    const host = this.#domains.find(name);
    return host === null ? null : host.match(headers, this.#path(headers.path), input.info);
  }

  /** The part of a target that paths are compared with. */
  #path(target: string): string {
    let length = pathLength(target);
    if (this.#ignorePathParameters) {
      const parameters = target.indexOf(';');
      if (parameters >= 0 && parameters < length) length = parameters;
    }
    return length === target.length ? target : target.substring(0, length);
  }
}

function hasFilterConfigs(config: RouteConfiguration): boolean {
  const says = (level: { typedPerFilterConfig: object }): boolean =>
    Object.keys(level.typedPerFilterConfig).length > 0;
  return (
    says(config) ||
    config.virtualHosts.some(
      host =>
        says(host) ||
        host.routes.some(
          route => says(route) || (route.route?.weightedClusters?.clusters.some(says) ?? false),
        ),
    )
  );
}

function virtualHostInfo(config: VirtualHost): VirtualHostInfo {
  return {
    name: config.name,
    metadata: config.metadata,
    includeRequestAttemptCount: config.includeRequestAttemptCount,
    includeAttemptCountInResponse: config.includeAttemptCountInResponse,
    includeIsTimeoutRetryHeader: config.includeIsTimeoutRetryHeader,
    rateLimits: config.rateLimits,
    cors: config.cors,
    virtualClusters: config.virtualClusters.map(cluster => ({
      name: cluster.name,
      headers: compileHeaderMatchers(cluster.headers),
      config: cluster,
    })),
  };
}

function compileVirtualHost(
  config: VirtualHost,
  table: OuterLevels,
  context: RouteCompileContext,
): VirtualHostEntry {
  const levels: OuterLevels = {
    ...table,
    filterConfigs: table.filterConfigs.extend(config.typedPerFilterConfig, context.compileFilterConfig),
    requestMutations: [
      compileHeaderMutations(config.requestHeadersToAdd, config.requestHeadersToRemove),
      ...table.requestMutations,
    ],
    responseMutations: [
      compileHeaderMutations(config.responseHeadersToAdd, config.responseHeadersToRemove),
      ...table.responseMutations,
    ],
  };
  if (config.matcher !== undefined)
    throw new DragomanError('UNSUPPORTED', `virtual_hosts: matcher is not supported (${config.name})`);
  const routes = config.routes.map(route => {
    const matcher = new RouteMatcher(route.match ?? EMPTY_MATCH, context.runtime ?? emptyRuntime);
    return { matcher, ...compileRoute(route, levels, matcher.matchedLength, context) };
  });
  const redirect = config.requireTls === 'NONE' ? null : compileTlsRoute(levels, context);
  return new VirtualHostEntry(routes, config.requireTls, redirect);
}

/** What a route without `match` means; the schema refuses it before. */
const EMPTY_MATCH: RouteMatch = {
  prefix: '',
  headers: [],
  queryParameters: [],
  dynamicMetadata: [],
  filterState: [],
  cookies: [],
};

/**
 * Compiles a route configuration.
 * @throws DragomanError (or Error with the text of a wrong format) for the first mistake the schema cannot see.
 */
export function compileRouteTable(config: RouteConfiguration, context: RouteCompileContext): RouteTable {
  if (config.clusterSpecifierPlugins.length > 0)
    throw new DragomanError('UNSUPPORTED', 'cluster_specifier_plugins are not supported');
  const filterConfigs = FilterConfigs.none.extend(config.typedPerFilterConfig, context.compileFilterConfig);
  const requestMutations = [
    compileHeaderMutations(config.requestHeadersToAdd, config.requestHeadersToRemove),
  ];
  const responseMutations = [
    compileHeaderMutations(config.responseHeadersToAdd, config.responseHeadersToRemove),
  ];
  const domains = new DomainTable<VirtualHostEntry>(config.name, config.ignorePortInHostMatching);
  for (const virtualHost of config.virtualHosts) {
    const levels: OuterLevels = {
      table: config,
      virtualHost,
      info: virtualHostInfo(virtualHost),
      filterConfigs,
      requestMutations,
      responseMutations,
    };
    const entry = compileVirtualHost(virtualHost, levels, context);
    for (const domain of virtualHost.domains) domains.add(domain, entry);
  }
  return new RouteTable(config, domains);
}
