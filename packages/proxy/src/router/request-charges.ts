// Where the answer to one request is counted: under its cluster, under a name the client asked for, and under the virtual
// cluster and route that have statistics.

import { HeaderId, type RequestHeaders, type ResponseHeaders } from '@dragoman/http';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { ResponseStats } from '../cluster/response-stats.ts';
import type { StreamInfo } from '../filter-chain/stream-info.ts';
import type { Route } from '../route/route.ts';
import { NO_SCOPES, type RouteScope, type RouteStats } from './route-stats.ts';

export class RequestCharges {
  readonly #routeStats: RouteStats;
  #cluster: Cluster | null = null;
  #scopes: readonly RouteScope[] = NO_SCOPES;
  /** Of x-envoy-upstream-alt-stat-name. */
  #alternative: ResponseStats | null = null;
  #canary = false;

  constructor(routeStats: RouteStats) {
    this.#routeStats = routeStats;
  }

  begin(route: Route, cluster: Cluster, headers: RequestHeaders, info: StreamInfo): void {
    this.#cluster = cluster;
    this.#canary = false;
    this.#alternative = null;
    if (headers.hasEnvoyHeaders && headers.hasId(HeaderId.X_ENVOY_UPSTREAM_ALT_STAT_NAME)) {
      const name = headers.getId(HeaderId.X_ENVOY_UPSTREAM_ALT_STAT_NAME) ?? '';
      headers.removeId(HeaderId.X_ENVOY_UPSTREAM_ALT_STAT_NAME);
      this.#alternative = cluster.responses.alternative(name);
    }
    this.#scopes = this.#routeStats.scopesOf(route, headers, info);
    for (const scope of this.#scopes) cluster.lane.inc(scope.upstreamRqTotal);
  }

  onResponseHeaders(headers: ResponseHeaders, host: Host): void {
    this.#canary = host.canary || headers.getId(HeaderId.X_ENVOY_UPSTREAM_CANARY) === 'true';
  }

  /** Counts the final answer. */
  charge(status: number, internal: boolean): void {
    this.#cluster!.responses.chargeResponse(status, internal, this.#canary);
    this.#alternative?.chargeResponse(status, internal, this.#canary);
    for (let i = 0; i < this.#scopes.length; i++) this.#scopes[i].responses.chargePlain(status);
  }

  chargeTime(timeMs: number, internal: boolean): void {
    this.#cluster!.responses.chargeResponseTime(timeMs, internal, this.#canary);
    this.#alternative?.chargeResponseTime(timeMs, internal, this.#canary);
    for (let i = 0; i < this.#scopes.length; i++) this.#scopes[i].responses.chargePlainTime(timeMs);
  }

  end(): void {
    this.#cluster = null;
    this.#alternative = null;
    this.#scopes = NO_SCOPES;
  }
}
