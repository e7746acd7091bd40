// CorsPolicy, compiled; and several of them seen as one: each setting is the most specific policy's that has it.

import type { CorsCorsPolicy, CorsPolicy as LegacyCorsPolicy } from '@dragoman/config';
import { compileStringMatcher, type Runtime, RuntimeFraction, type StringMatcher } from '@dragoman/proxy';

export class CorsPolicy {
  readonly origins: readonly StringMatcher[];
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  readonly allowCredentials: boolean | undefined;
  readonly allowPrivateNetworkAccess: boolean | undefined;
  readonly forwardNotMatchingPreflights: boolean | undefined;
  readonly #enabled: RuntimeFraction | null;
  readonly #shadow: RuntimeFraction | null;

  /** @throws DragomanError for an origin with a wrong regular expression. */
  constructor(config: CorsCorsPolicy | LegacyCorsPolicy) {
    this.origins = config.allowOriginStringMatch.map(origin => compileStringMatcher(origin));
    this.allowMethods = config.allowMethods;
    this.allowHeaders = config.allowHeaders;
    this.exposeHeaders = config.exposeHeaders;
    this.maxAge = config.maxAge;
    this.allowCredentials = config.allowCredentials;
    this.allowPrivateNetworkAccess = config.allowPrivateNetworkAccess;
    this.forwardNotMatchingPreflights = config.forwardNotMatchingPreflights;
    const { filterEnabled: enabled, shadowEnabled: shadow } = config;
    this.#enabled =
      enabled === undefined
        ? null
        : new RuntimeFraction(enabled.defaultValue, enabled.runtimeKey, NO_RUNTIME);
    this.#shadow =
      shadow === undefined ? null : new RuntimeFraction(shadow.defaultValue, shadow.runtimeKey, NO_RUNTIME);
  }

  enabled(random: number, runtime: Runtime): boolean {
    return this.#enabled === null || this.#enabled.includes(random, runtime);
  }

  shadowEnabled(random: number, runtime: Runtime): boolean {
    return this.#shadow?.includes(random, runtime) === true;
  }
}

const NO_RUNTIME: Runtime = { get: () => undefined };

/** The first policy's value that is set; `policies` are the most specific first. */
export function firstText(
  policies: readonly CorsPolicy[],
  field: 'allowMethods' | 'allowHeaders' | 'exposeHeaders' | 'maxAge',
): string {
  for (const policy of policies) if (policy[field] !== '') return policy[field];
  return '';
}

export function firstFlag(
  policies: readonly CorsPolicy[],
  field: 'allowCredentials' | 'allowPrivateNetworkAccess' | 'forwardNotMatchingPreflights',
  absent: boolean,
): boolean {
  for (const policy of policies) if (policy[field] !== undefined) return policy[field] === true;
  return absent;
}

export function originAllowed(policies: readonly CorsPolicy[], origin: string): boolean {
  for (const policy of policies)
    if (policy.origins.length > 0) return policy.origins.some(matcher => matcher.matches(origin));
  return false;
}
