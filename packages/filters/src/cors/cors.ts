// The filter envoy.filters.http.cors: answers preflight requests, and tells browsers which responses they may read
// (the Fetch standard's CORS protocol). Policies come from the route.

import type { Cors, CorsCorsPolicy, CorsPolicy as LegacyCorsPolicy } from '@dragoman/config';
import type { RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  type FilterContext,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  type Stream,
} from '@dragoman/proxy';
import { CorsPolicy, firstFlag, firstText, originAllowed } from './cors-policy.ts';

const ALLOW_ORIGIN = 'access-control-allow-origin';
const ALLOW_CREDENTIALS = 'access-control-allow-credentials';

class CorsEntry implements HttpFilterInstance {
  readonly #context: FilterContext;
  readonly #originValid: number;
  readonly #originInvalid: number;
  /** `cors` of routes and virtual hosts, which no filter compiles: compiled on first use. */
  readonly #legacy = new WeakMap<LegacyCorsPolicy, CorsPolicy>();

  constructor(context: FilterContext) {
    this.#context = context;
    this.#originValid = context.stats.counter(`${context.statPrefix}cors.origin_valid`);
    this.#originInvalid = context.stats.counter(`${context.statPrefix}cors.origin_invalid`);
  }

  createFilter(): HttpFilter {
    return new CorsFilter(this);
  }

  countOrigin(valid: boolean): void {
    this.#context.stats.inc(valid ? this.#originValid : this.#originInvalid);
  }

  /** Policies of the request's route, the most specific first. */
  policies(stream: Stream): readonly CorsPolicy[] {
    const route = stream.getRoute();
    if (route === null) return [];
    const configured = route.filterConfigs(this.#context.filterName) as readonly CorsPolicy[];
    if (configured.length > 0) return configured.toReversed();
    return [route.cors, route.virtualHost.cors]
      .filter(policy => policy !== undefined)
      .map(policy => this.#compiled(policy));
  }

  #compiled(config: LegacyCorsPolicy): CorsPolicy {
    let policy = this.#legacy.get(config);
    if (policy === undefined) {
      policy = new CorsPolicy(config);
      this.#legacy.set(config, policy);
    }
    return policy;
  }
}

class CorsFilter implements HttpFilter {
  readonly #entry: CorsEntry;
  #policies: readonly CorsPolicy[] = [];
  /** The request's origin when its responses may be read from there; ''. */
  #allowedOrigin = '';

  constructor(entry: CorsEntry) {
    this.#entry = entry;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders): HeadersStatus {
    const origin = headers.get('origin');
    if (origin === undefined || origin === '') return HeadersStatus.Continue;
    const policies = this.#entry.policies(stream);
    if (policies.length === 0) return HeadersStatus.Continue;
    const { runtime } = stream.worker;
    const enabled = policies[0].enabled(stream.info.random, runtime);
    if (!enabled && !policies[0].shadowEnabled(stream.info.random, runtime)) return HeadersStatus.Continue;
    const allowed = originAllowed(policies, origin);
    this.#entry.countOrigin(allowed);
    if (!enabled) return HeadersStatus.Continue;
    this.#policies = policies;
    if (allowed) this.#allowedOrigin = origin;
    if (headers.method !== 'OPTIONS' || !headers.get('access-control-request-method'))
      return HeadersStatus.Continue;
    if (!allowed && firstFlag(policies, 'forwardNotMatchingPreflights', true)) return HeadersStatus.Continue;
    stream.sendLocalReply(200, '', 'cors_response', allowed ? preflight(policies, headers, origin) : null);
    return HeadersStatus.StopIteration;
  }

  encodeHeaders(_stream: Stream, headers: ResponseHeaders): HeadersStatus {
    if (this.#allowedOrigin === '') return HeadersStatus.Continue;
    headers.set(ALLOW_ORIGIN, this.#allowedOrigin);
    if (firstFlag(this.#policies, 'allowCredentials', false)) headers.set(ALLOW_CREDENTIALS, 'true');
    const exposed = firstText(this.#policies, 'exposeHeaders');
    if (exposed !== '') headers.set('access-control-expose-headers', exposed);
    return HeadersStatus.Continue;
  }
}

function preflight(
  policies: readonly CorsPolicy[],
  headers: RequestHeaders,
  origin: string,
): [string, string][] {
  const answer: [string, string][] = [[ALLOW_ORIGIN, origin]];
  if (firstFlag(policies, 'allowCredentials', false)) answer.push([ALLOW_CREDENTIALS, 'true']);
  const methods = firstText(policies, 'allowMethods');
  if (methods !== '') answer.push(['access-control-allow-methods', methods]);
  const configured = firstText(policies, 'allowHeaders');
  const asked = headers.get('access-control-request-headers');
  const allowedHeaders = configured === '*' && asked ? asked : configured;
  if (allowedHeaders !== '') answer.push(['access-control-allow-headers', allowedHeaders]);
  const maxAge = firstText(policies, 'maxAge');
  if (maxAge !== '') answer.push(['access-control-max-age', maxAge]);
  if (
    headers.get('access-control-request-private-network') === 'true' &&
    firstFlag(policies, 'allowPrivateNetworkAccess', false)
  )
    answer.push(['access-control-allow-private-network', 'true']);
  return answer;
}

export const corsFilterType: HttpFilterType<Cors, CorsCorsPolicy> = {
  name: 'envoy.filters.http.cors',
  configTypes: ['envoy.extensions.filters.http.cors.v3.Cors'],
  routeConfigTypes: ['envoy.extensions.filters.http.cors.v3.CorsPolicy'],
  create(_config, context) {
    return new CorsEntry(context);
  },
  compileRouteConfig(config) {
    return new CorsPolicy(config);
  },
};
