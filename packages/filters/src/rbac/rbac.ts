// The filter envoy.filters.http.rbac: lets requests pass or not, by who they come from and what they ask for. Shadow
// rules are only counted and told.

import { DragomanError } from '@dragoman/base';
import type { Policy, RBAC, RBACPerRoute, RbacRBAC } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import {
  type FilterContext,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  type Stream,
} from '@dragoman/proxy';
import { any, type Condition, compilePermission, compilePrincipal } from './conditions.ts';

const METADATA_NAMESPACE = 'envoy.filters.http.rbac';

interface CompiledPolicy {
  readonly name: string;
  readonly permissions: Condition;
  readonly principals: Condition;
}

function compilePolicy(name: string, config: Policy): CompiledPolicy {
  if (config.condition !== undefined || config.checkedCondition !== undefined)
    throw new DragomanError('UNSUPPORTED', `rbac policy ${name}: condition is not supported`);
  return {
    name,
    permissions: any(config.permissions.map(compilePermission)),
    principals: any(config.principals.map(compilePrincipal)),
  };
}

/** One set of rules. */
class Rules {
  readonly action: RBAC['action'];
  readonly #policies: readonly CompiledPolicy[];

  constructor(config: RBAC) {
    this.action = config.action;
    this.#policies = Object.keys(config.policies)
      .sort()
      .map(name => compilePolicy(name, config.policies[name]));
  }

  /** Name of the first policy that matches; null when none does. */
  match(stream: Stream, headers: RequestHeaders): string | null {
    for (const policy of this.#policies)
      if (policy.permissions(stream, headers) && policy.principals(stream, headers)) return policy.name;
    return null;
  }

  allows(policy: string | null): boolean {
    return this.action === 'LOG' || (policy !== null) === (this.action === 'ALLOW');
  }
}

/** The rules of the filter or of a route. */
export class RbacSettings {
  readonly rules: Rules | null;
  readonly shadowRules: Rules | null;
  readonly rulesStatPrefix: string;
  readonly shadowStatPrefix: string;

  /** @throws DragomanError RBAC, REGEX or UNSUPPORTED. */
  constructor(config: RbacRBAC | undefined) {
    if (config?.matcher !== undefined || config?.shadowMatcher !== undefined)
      throw new DragomanError('UNSUPPORTED', 'rbac: matcher and shadow_matcher are not supported');
    this.rules = config?.rules === undefined ? null : new Rules(config.rules);
    this.shadowRules = config?.shadowRules === undefined ? null : new Rules(config.shadowRules);
    this.rulesStatPrefix = withDot(config?.rulesStatPrefix ?? '');
    this.shadowStatPrefix = config?.shadowRulesStatPrefix ?? '';
  }
}

function withDot(prefix: string): string {
  return prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
}

/** Keeps nothing of a stream: one object serves them all. */
class RbacFilter implements HttpFilter, HttpFilterInstance {
  readonly #settings: RbacSettings;
  readonly #context: FilterContext;
  readonly #allowed: number;
  readonly #denied: number;
  readonly #logged: number;
  readonly #notLogged: number;
  readonly #shadowAllowed: number;
  readonly #shadowDenied: number;

  constructor(settings: RbacSettings, context: FilterContext) {
    this.#settings = settings;
    this.#context = context;
    const { stats } = context;
    const prefix = `${context.statPrefix}rbac.`;
    const enforced = prefix + settings.rulesStatPrefix;
    this.#allowed = stats.counter(`${enforced}allowed`);
    this.#denied = stats.counter(`${enforced}denied`);
    this.#logged = stats.counter(`${enforced}logged`);
    this.#notLogged = stats.counter(`${enforced}not_logged`);
    const shadow = prefix + withDot(settings.shadowStatPrefix);
    this.#shadowAllowed = stats.counter(`${shadow}shadow_allowed`);
    this.#shadowDenied = stats.counter(`${shadow}shadow_denied`);
  }

  createFilter(): HttpFilter {
    return this;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders): HeadersStatus {
    const ofRoute = stream.routeConfig(this.#context.filterName) as RbacSettings | undefined;
    const { rules, shadowRules, shadowStatPrefix } = ofRoute ?? this.#settings;
    if (shadowRules !== null) this.#shadow(stream, headers, shadowRules, shadowStatPrefix);
    if (rules === null) return HeadersStatus.Continue;
    const { stats } = this.#context;
    const policy = rules.match(stream, headers);
    if (rules.action === 'LOG') {
      stats.inc(policy === null ? this.#notLogged : this.#logged);
      stream.info.setDynamicMetadata('envoy.common', 'access_log_hint', policy !== null);
      return HeadersStatus.Continue;
    }
    if (rules.allows(policy)) {
      stats.inc(this.#allowed);
      return HeadersStatus.Continue;
    }
    stats.inc(this.#denied);
    const details = `rbac_access_denied_matched_policy[${(policy ?? 'none').replaceAll(/\s/g, '_')}]`;
    stream.sendLocalReply(403, 'RBAC: access denied', details);
    return HeadersStatus.StopIteration;
  }

  #shadow(stream: Stream, headers: RequestHeaders, rules: Rules, prefix: string): void {
    const policy = rules.match(stream, headers);
    const allowed = rules.allows(policy);
    this.#context.stats.inc(allowed ? this.#shadowAllowed : this.#shadowDenied);
    if (policy !== null)
      stream.info.setDynamicMetadata(METADATA_NAMESPACE, `${prefix}shadow_effective_policy_id`, policy);
    stream.info.setDynamicMetadata(
      METADATA_NAMESPACE,
      `${prefix}shadow_engine_result`,
      allowed ? 'allowed' : 'denied',
    );
  }
}

export const rbacFilterType: HttpFilterType<RbacRBAC, RBACPerRoute> = {
  name: 'envoy.filters.http.rbac',
  configTypes: ['envoy.extensions.filters.http.rbac.v3.RBAC'],
  routeConfigTypes: ['envoy.extensions.filters.http.rbac.v3.RBACPerRoute'],
  validate(config, report) {
    try {
      new RbacSettings(config);
    } catch (error) {
      report('', error instanceof Error ? error.message : String(error));
    }
  },
  create(config, context) {
    return new RbacFilter(new RbacSettings(config), context);
  },
  /** Without `rbac` a route is open to everyone. */
  compileRouteConfig(config) {
    return new RbacSettings(config.rbac);
  },
};
