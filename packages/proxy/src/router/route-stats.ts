// Statistics of virtual clusters (`vhost.<v>.vcluster.<c>.*`) and of routes with a stat_prefix (`vhost.<v>.route.<p>.*`),
// made once per worker and name.

import type { RouteConfiguration } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import type { StatLane } from '@dragoman/shm';
import { ResponseStats } from '../cluster/response-stats.ts';
import type { StreamInfo } from '../filter-chain/stream-info.ts';
import type { Route } from '../route/route.ts';

export class RouteScope {
  readonly responses: ResponseStats;
  readonly upstreamRqTotal: number;
  readonly upstreamRqTimeout: number;
  readonly upstreamRqRetry: number;

  constructor(lane: StatLane, prefix: string) {
    this.responses = new ResponseStats(lane, prefix);
    this.upstreamRqTotal = lane.counter(`${prefix}upstream_rq_total`);
    this.upstreamRqTimeout = lane.counter(`${prefix}upstream_rq_timeout`);
    this.upstreamRqRetry = lane.counter(`${prefix}upstream_rq_retry`);
    for (const name of ['retry_limit_exceeded', 'retry_overflow', 'retry_success'])
      lane.counter(`${prefix}upstream_rq_${name}`);
  }
}

/** Of requests that count in none. */
export const NO_SCOPES: readonly RouteScope[] = [];

/** The scopes of one connection manager. */
export class RouteStats {
  readonly #lane: StatLane;
  readonly #scopes = new Map<string, RouteScope>();

  /** All names exist from the start. */
  constructor(lane: StatLane, routes: RouteConfiguration | undefined) {
    this.#lane = lane;
    for (const host of routes?.virtualHosts ?? []) {
      for (const { name } of host.virtualClusters) this.#scope(`vhost.${host.name}.vcluster.${name}.`);
      if (host.virtualClusters.length > 0) this.#scope(`vhost.${host.name}.vcluster.other.`);
      for (const { statPrefix } of host.routes)
        if (statPrefix !== '') this.#scope(`vhost.${host.name}.route.${statPrefix}.`);
    }
  }

  /** The scopes a request counts in; none costs nothing. */
  scopesOf(route: Route, headers: RequestHeaders, info: StreamInfo): readonly RouteScope[] {
    const { virtualClusters, name } = route.virtualHost;
    if (virtualClusters.length === 0 && route.statPrefix === '') return NO_SCOPES;
    const scopes: RouteScope[] = [];
    if (virtualClusters.length > 0) {
      const found = virtualClusters.find(cluster =>
        cluster.headers.every(matcher => matcher.matches(headers)),
      );
      info.virtualClusterName = found?.name ?? '';
      scopes.push(this.#scope(`vhost.${name}.vcluster.${found?.name ?? 'other'}.`));
    }
    if (route.statPrefix !== '') scopes.push(this.#scope(`vhost.${name}.route.${route.statPrefix}.`));
    return scopes;
  }

  #scope(prefix: string): RouteScope {
    let scope = this.#scopes.get(prefix);
    if (scope === undefined) {
      scope = new RouteScope(this.#lane, prefix);
      this.#scopes.set(prefix, scope);
    }
    return scope;
  }
}
