// The filter envoy.filters.http.jwt_authn: lets requests pass that carry a JSON Web Token of a known issuer, and passes on
// what the token says. Tokens are checked in jwks.ts and provider.ts.

import type {
  JwtAuthentication,
  JwtAuthnPerRouteConfig,
  JwtRequirement,
  RequirementRule,
} from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import {
  type FilterContext,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  type Stream,
} from '@dragoman/proxy';
import { type Authority, Verification } from './authenticator.ts';
import { JwtStatus, jwtStatusText } from './jwt-status.ts';
import { Provider } from './provider.ts';
import { type Requirement, RequirementCompiler } from './requirement.ts';
import { RuleMatch, unsupportedConditions } from './rule-match.ts';

const NAMESPACE = 'envoy.filters.http.jwt_authn';
/** Longest path that is shown to the client in www-authenticate. */
const MAX_REALM_PATH_CHARS = 256;

interface Rule {
  readonly match: RuleMatch;
  readonly requirement: Requirement | null;
}

class JwtAuthnEntry implements HttpFilterInstance {
  readonly context: FilterContext;
  readonly bypassPreflight: boolean;
  readonly stripFailureResponse: boolean;
  readonly allowed: number;
  readonly denied: number;
  readonly preflights: number;
  readonly #authority: Authority;
  readonly #rules: readonly Rule[];
  readonly #named = new Map<string, Requirement>();
  readonly #stateName: string;
  readonly #byState = new Map<string, Requirement>();

  constructor(config: JwtAuthentication, context: FilterContext) {
    const { stats } = context;
    const own = config.statPrefix === '' ? '' : `${config.statPrefix}.`;
    const prefix = `${context.statPrefix}jwt_authn.${own}`;
    this.context = context;
    this.bypassPreflight = config.bypassCorsPreflight;
    this.stripFailureResponse = config.stripFailureResponse;
    this.allowed = stats.counter(`${prefix}allowed`);
    this.denied = stats.counter(`${prefix}denied`);
    this.preflights = stats.counter(`${prefix}cors_preflight_bypassed`);
    const fetched = {
      success: stats.counter(`${prefix}jwks_fetch_success`),
      failed: stats.counter(`${prefix}jwks_fetch_failed`),
    };
    const providers = Object.entries(config.providers).map(
      ([name, provider]) => [name, new Provider(name, provider, context, fetched)] as const,
    );
    this.#authority = {
      context,
      providers: new Map(providers),
      cacheHits: stats.counter(`${prefix}jwt_cache_hit`),
      cacheMisses: stats.counter(`${prefix}jwt_cache_miss`),
    };
    const compiler = new RequirementCompiler(this.#authority);
    for (const [name, requirement] of Object.entries(config.requirementMap))
      this.#named.set(name, compiler.compile(requirement));
    this.#rules = config.rules.map(rule => this.#compileRule(rule, compiler));
    this.#stateName = config.filterStateRules?.name ?? '';
    for (const [value, requirement] of Object.entries(config.filterStateRules?.requires ?? {}))
      this.#byState.set(value, compiler.compile(requirement));
  }

  #compileRule(rule: RequirementRule, compiler: RequirementCompiler): Rule {
    const named = rule.requirementName === undefined ? undefined : this.#named.get(rule.requirementName);
    const own = rule.requires === undefined ? null : compiler.compile(rule.requires);
    return { match: new RuleMatch(rule.match!), requirement: named ?? own };
  }

  createFilter(): HttpFilter {
    return new JwtAuthnFilter(this);
  }

  close(): void {
    for (const provider of this.#authority.providers.values()) provider.keys.close();
  }

  /** What the request has to fulfil: null = nothing; a text when its route names what does not exist. */
  requirementFor(stream: Stream, headers: RequestHeaders): Requirement | null | string {
    const ofRoute = stream.routeConfig(this.context.filterName) as JwtAuthnPerRouteConfig | undefined;
    if (ofRoute !== undefined) {
      if (ofRoute.disabled === true) return null;
      const name = ofRoute.requirementName ?? '';
      const names = [...this.#named.keys()].join(',');
      return this.#named.get(name) ?? `Wrong requirement_name: ${name}. It should be one of [${names}]`;
    }
    for (const { match, requirement } of this.#rules) if (match.matches(headers)) return requirement;
    if (this.#stateName === '') return null;
    const state = stream.info.filterState?.get(this.#stateName);
    return typeof state === 'string' ? (this.#byState.get(state) ?? null) : null;
  }
}

function isPreflight(headers: RequestHeaders): boolean {
  return (
    headers.method === 'OPTIONS' &&
    (headers.get('origin') ?? '') !== '' &&
    (headers.get('access-control-request-method') ?? '') !== ''
  );
}

class JwtAuthnFilter implements HttpFilter {
  readonly #entry: JwtAuthnEntry;
  #request: Verification | null = null;
  #stopped = false;
  #status: JwtStatus | null = null;
  #realm = '';

  constructor(entry: JwtAuthnEntry) {
    this.#entry = entry;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders): HeadersStatus {
    const entry = this.#entry;
    const { stats } = entry.context;
    if (entry.bypassPreflight && isPreflight(headers)) {
      stats.inc(entry.preflights);
      stats.inc(entry.allowed);
      return HeadersStatus.Continue;
    }
    const requirement = entry.requirementFor(stream, headers);
    if (typeof requirement === 'string') {
      stats.inc(entry.denied);
      stream.sendLocalReply(403, `Failed JWT authentication: ${requirement}`, detailsOf(requirement));
      return HeadersStatus.StopIteration;
    }
    if (requirement === null) {
      stats.inc(entry.allowed);
      return HeadersStatus.Continue;
    }
    this.#realm = realmOf(headers);
    this.#request = new Verification(headers);
    requirement.verify(this.#request, status => this.#onVerified(stream, status));
    if (this.#status === JwtStatus.Ok) return HeadersStatus.Continue;
    this.#stopped = true;
    return this.#status === null ? HeadersStatus.StopAllIterationAndWatermark : HeadersStatus.StopIteration;
  }

  onDestroy(): void {
    if (this.#request !== null) this.#request.over = true;
  }

  #onVerified(stream: Stream, status: JwtStatus): void {
    const entry = this.#entry;
    const { stats } = entry.context;
    const request = this.#request;
    this.#status = status;
    for (const [key, value] of request?.metadata ?? []) stream.info.setDynamicMetadata(NAMESPACE, key, value);
    if (status !== JwtStatus.Ok) {
      stats.inc(entry.denied);
      this.#refuse(stream, status);
      return;
    }
    stats.inc(entry.allowed);
    if (request?.clearRouteCache === true) stream.clearRouteCache();
    if (this.#stopped) stream.continueDecoding(this);
  }

  #refuse(stream: Stream, status: JwtStatus): void {
    const text = jwtStatusText(status);
    const { stripFailureResponse: strip } = this.#entry;
    const error = strip || status === JwtStatus.Missing ? '' : ', error="invalid_token"';
    stream.sendLocalReply(
      status === JwtStatus.AudienceNotAllowed ? 403 : 401,
      strip ? '' : text,
      detailsOf(text),
      [['www-authenticate', `Bearer realm="${this.#realm}"${error}`]],
    );
  }
}

/** The request's URL, as far as it can stand in a quoted string. */
function realmOf(headers: RequestHeaders): string {
  const path = (headers.get('x-envoy-original-path') ?? headers.path).split('#', 1)[0];
  const scheme = headers.get('x-forwarded-proto') ?? headers.scheme;
  const url = `${scheme}://${headers.authority}${path.slice(0, MAX_REALM_PATH_CHARS)}`;
  return url.replaceAll(/["\\]/g, character => encodeURIComponent(character));
}

function detailsOf(text: string): string {
  return `jwt_authn_access_denied{${text.replaceAll(/\s/g, '_')}}`;
}

/** Names of providers a requirement mentions. */
function providersOf(requirement: JwtRequirement | undefined): string[] {
  if (requirement === undefined) return [];
  const { providerName, providerAndAudiences, requiresAny, requiresAll } = requirement;
  const inner = [...(requiresAny?.requirements ?? []), ...(requiresAll?.requirements ?? [])];
  const own = [providerName, providerAndAudiences?.providerName].filter(name => name !== undefined);
  return [...own, ...inner.flatMap(providersOf)];
}

function validate(config: JwtAuthentication, report: (path: string, message: string) => void): void {
  const check = (path: string, requirement: JwtRequirement | undefined): void => {
    for (const name of providersOf(requirement))
      if (!Object.hasOwn(config.providers, name))
        report(path, `Required provider ['${name}'] is not configured.`);
  };
  for (const [i, rule] of config.rules.entries()) {
    check(`rules.${i}.requires`, rule.requires);
    const { match, requirementName: name } = rule;
    if (name !== undefined && !Object.hasOwn(config.requirementMap, name))
      report(
        `rules.${i}.requirement_name`,
        `Wrong requirement_name: ${name}. It should be in requirement_map`,
      );
    if (match === undefined) report(`rules.${i}.match`, 'value is required');
    else
      for (const condition of unsupportedConditions(match))
        report(`rules.${i}.match.${condition}`, 'is not supported in a rule of jwt_authn');
  }
  for (const [name, requirement] of Object.entries(config.requirementMap))
    check(`requirement_map.${name}`, requirement);
  for (const [name, requirement] of Object.entries(config.filterStateRules?.requires ?? {}))
    check(`filter_state_rules.requires.${name}`, requirement);
}

export const jwtAuthnFilterType: HttpFilterType<JwtAuthentication, JwtAuthnPerRouteConfig> = {
  name: NAMESPACE,
  configTypes: ['envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication'],
  routeConfigTypes: ['envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig'],
  validate,
  create(config, context) {
    return new JwtAuthnEntry(config, context);
  },
  compileRouteConfig(config) {
    return config;
  },
};
