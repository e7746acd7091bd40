// The filter envoy.filters.http.csrf: a request that changes something has to come from the site it goes to, as its
// Origin (or Referer) tells.

import type { CsrfPolicy as CsrfPolicyConfig } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import {
  compileStringMatcher,
  type FilterContext,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  type Runtime,
  RuntimeFraction,
  type Stream,
  type StringMatcher,
} from '@dragoman/proxy';

const CHANGING_METHODS = new Set(['POST', 'PUT', 'DELETE', 'PATCH']);
const NO_RUNTIME: Runtime = { get: () => undefined };

class CsrfPolicy {
  readonly enabled: RuntimeFraction;
  readonly shadow: RuntimeFraction | null;
  readonly #additionalOrigins: readonly StringMatcher[];

  constructor(config: CsrfPolicyConfig) {
    const { filterEnabled: enabled, shadowEnabled: shadow } = config;
    this.enabled = new RuntimeFraction(enabled?.defaultValue, enabled?.runtimeKey ?? '', NO_RUNTIME);
    this.shadow =
      shadow === undefined ? null : new RuntimeFraction(shadow.defaultValue, shadow.runtimeKey, NO_RUNTIME);
    this.#additionalOrigins = config.additionalOrigins.map(origin => compileStringMatcher(origin));
  }

  accepts(origin: string, headers: RequestHeaders): boolean {
    return origin === headers.authority || this.#additionalOrigins.some(matcher => matcher.matches(origin));
  }
}

/** "h:81" of "http://h:81/path"; text that is no URL stays as it is. */
function hostAndPort(url: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1] ?? url;
}

function sourceOrigin(headers: RequestHeaders): string {
  const origin = headers.get('origin');
  if (origin !== undefined && origin !== '' && origin !== 'null') return hostAndPort(origin);
  return hostAndPort(headers.get('referer') ?? '');
}

/** Keeps nothing of a stream: one object serves them all. */
class CsrfFilter implements HttpFilter, HttpFilterInstance {
  readonly #policy: CsrfPolicy;
  readonly #context: FilterContext;
  readonly #missing: number;
  readonly #invalid: number;
  readonly #valid: number;

  constructor(policy: CsrfPolicy, context: FilterContext) {
    this.#policy = policy;
    this.#context = context;
    const prefix = `${context.statPrefix}csrf.`;
    this.#missing = context.stats.counter(`${prefix}missing_source_origin`);
    this.#invalid = context.stats.counter(`${prefix}request_invalid`);
    this.#valid = context.stats.counter(`${prefix}request_valid`);
  }

  createFilter(): HttpFilter {
    return this;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders): HeadersStatus {
    const policy = (stream.routeConfig(this.#context.filterName) as CsrfPolicy | undefined) ?? this.#policy;
    const { runtime } = stream.worker;
    const enabled = policy.enabled.includes(stream.info.random, runtime);
    if (!enabled && policy.shadow?.includes(stream.info.random, runtime) !== true)
      return HeadersStatus.Continue;
    if (!CHANGING_METHODS.has(headers.method)) return HeadersStatus.Continue;
    const origin = sourceOrigin(headers);
    const { stats } = this.#context;
    if (origin !== '' && policy.accepts(origin, headers)) {
      stats.inc(this.#valid);
      return HeadersStatus.Continue;
    }
    stats.inc(origin === '' ? this.#missing : this.#invalid);
    if (!enabled) return HeadersStatus.Continue;
    stream.sendLocalReply(403, 'Invalid origin', 'csrf_origin_mismatch');
    return HeadersStatus.StopIteration;
  }
}

export const csrfFilterType: HttpFilterType<CsrfPolicyConfig, CsrfPolicyConfig> = {
  name: 'envoy.filters.http.csrf',
  configTypes: ['envoy.extensions.filters.http.csrf.v3.CsrfPolicy'],
  routeConfigTypes: ['envoy.extensions.filters.http.csrf.v3.CsrfPolicy'],
  create(config, context) {
    return new CsrfFilter(new CsrfPolicy(config), context);
  },
  compileRouteConfig(config) {
    return new CsrfPolicy(config);
  },
};
