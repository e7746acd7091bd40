// The filter envoy.filters.http.health_check: answers health checks of whoever balances over this proxy, or passes them
// on and remembers the answer for a while.

import type { HealthCheckHealthCheck } from '@dragoman/config';
import type { RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  type FilterContext,
  HeaderMatcher,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  ResponseFlag,
  type Stream,
} from '@dragoman/proxy';

const HEALTHCHECKED_CLUSTER = 'x-envoy-upstream-healthchecked-cluster';
const IMMEDIATE_FAIL = 'x-envoy-immediate-health-check-fail';
/** Host.health of a host that may be used. */
const HEALTHY = 2;

class HealthCheckEntry implements HttpFilterInstance {
  readonly passThrough: boolean;
  readonly cacheTimeMs: number;
  readonly context: FilterContext;
  readonly #headers: readonly HeaderMatcher[];
  readonly #minHealthy: readonly (readonly [cluster: string, percent: number])[];
  /** The last answer that was passed on: its status until that time (monotonic ms). */
  cachedStatus = 0;
  cachedUntilMs = 0;

  constructor(config: HealthCheckHealthCheck, context: FilterContext) {
    this.passThrough = config.passThroughMode ?? false;
    this.cacheTimeMs = config.cacheTime ?? 0;
    this.context = context;
    this.#headers = config.headers.map(header => new HeaderMatcher(header));
    this.#minHealthy = Object.entries(config.clusterMinHealthyPercentages).map(
      ([cluster, percent]) => [cluster, percent.value] as const,
    );
  }

  createFilter(): HttpFilter {
    return new HealthCheckFilter(this);
  }

  matches(headers: RequestHeaders): boolean {
    return this.#headers.every(matcher => matcher.matches(headers));
  }

  /** '' when all clusters have enough healthy hosts, else the response details. */
  clusterFailure(): string {
    for (const [name, percent] of this.#minHealthy) {
      const cluster = this.context.clusters.get(name);
      if (cluster === undefined) return 'health_check_no_cluster_found';
      const { hosts } = cluster;
      if (hosts.length === 0) {
        if (percent > 0) return 'health_check_cluster_empty';
        continue;
      }
      const healthy = hosts.filter(host => host.health === HEALTHY).length;
      if (healthy * 100 < percent * hosts.length) return 'health_check_cluster_unhealthy';
    }
    return '';
  }
}

class HealthCheckFilter implements HttpFilter {
  readonly #entry: HealthCheckEntry;
  #checking = false;
  #answeredHere = false;

  constructor(entry: HealthCheckEntry) {
    this.#entry = entry;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders): HeadersStatus {
    const entry = this.#entry;
    if (!entry.matches(headers)) return HeadersStatus.Continue;
    this.#checking = true;
    stream.info.healthCheck = true;
    if (stream.worker.draining) return this.#answer(stream, 503, 'health_check_failed');
    if (!entry.passThrough) {
      const failure = entry.clusterFailure();
      return this.#answer(stream, failure === '' ? 200 : 503, failure === '' ? 'health_check_ok' : failure);
    }
    const nowMs = entry.context.timers.clock.nowMs();
    if (entry.cacheTimeMs > 0 && nowMs < entry.cachedUntilMs)
      return this.#answer(stream, entry.cachedStatus, 'health_check_cached');
    return HeadersStatus.Continue;
  }

  encodeHeaders(stream: Stream, headers: ResponseHeaders): HeadersStatus {
    const entry = this.#entry;
    if (!this.#checking) {
      if (stream.worker.draining) headers.set(IMMEDIATE_FAIL, 'true');
      return HeadersStatus.Continue;
    }
    if (entry.passThrough && entry.cacheTimeMs > 0 && !this.#answeredHere) {
      entry.cachedStatus = headers.status;
      entry.cachedUntilMs = entry.context.timers.clock.nowMs() + entry.cacheTimeMs;
    }
    headers.set(HEALTHCHECKED_CLUSTER, stream.worker.serviceCluster);
    return HeadersStatus.Continue;
  }

  #answer(stream: Stream, status: number, details: string): HeadersStatus {
    this.#answeredHere = true;
    if (status >= 300) stream.info.addResponseFlag(ResponseFlag.FailedLocalHealthCheck);
    stream.sendLocalReply(status, '', details, stream.worker.draining ? [[IMMEDIATE_FAIL, 'true']] : null);
    return HeadersStatus.StopIteration;
  }
}

export const healthCheckFilterType: HttpFilterType<HealthCheckHealthCheck> = {
  name: 'envoy.filters.http.health_check',
  configTypes: ['envoy.extensions.filters.http.health_check.v3.HealthCheck'],
  validate(config, report) {
    if (config.passThroughMode === false && (config.cacheTime ?? 0) > 0)
      report('cache_time', 'cache_time_ms must not be set when path_through_mode is disabled');
  },
  create(config, context) {
    return new HealthCheckEntry(config, context);
  },
};
