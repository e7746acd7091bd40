// What a rule asks of a request: a token of a provider, or combinations of that. Built once per configuration; the state
// of a request is in its Verification and in the closures of its own run.

import { assert } from '@dragoman/base';
import type { JwtProvider, JwtRequirement } from '@dragoman/config';
import {
  type Acceptance,
  Authenticator,
  type Authority,
  type OnVerified,
  type Verification,
} from './authenticator.ts';
import { JwtStatus } from './jwt-status.ts';
import { Audiences, type Provider } from './provider.ts';
import { TokenLocations } from './token-locations.ts';

export interface Requirement {
  /** `onDone` is called once, possibly at once. */
  verify(request: Verification, onDone: OnVerified): void;
}

class TokenRequirement implements Requirement {
  readonly #authority: Authority;
  readonly #acceptance: Acceptance;

  constructor(authority: Authority, acceptance: Acceptance) {
    this.#authority = authority;
    this.#acceptance = acceptance;
  }

  verify(request: Verification, onDone: OnVerified): void {
    new Authenticator(this.#authority, this.#acceptance, request, onDone).start();
  }
}

/** How much a failure says: that a token is no good is more than that another provider's is missing. */
function weight(status: JwtStatus): number {
  if (status === JwtStatus.Missing) return 0;
  return status === JwtStatus.UnknownIssuer ? 1 : 2;
}

class AnyRequirement implements Requirement {
  readonly #requirements: readonly Requirement[];

  constructor(requirements: readonly Requirement[]) {
    this.#requirements = requirements;
  }

  verify(request: Verification, onDone: OnVerified): void {
    const requirements = this.#requirements;
    let failure: JwtStatus = JwtStatus.Missing;
    const from = (index: number): void => {
      if (index === requirements.length) onDone(failure);
      else
        requirements[index].verify(request, status => {
          if (weight(status) >= weight(failure)) failure = status;
          if (status === JwtStatus.Ok) onDone(status);
          else from(index + 1);
        });
    };
    from(0);
  }
}

class AllRequirement implements Requirement {
  readonly #requirements: readonly Requirement[];

  constructor(requirements: readonly Requirement[]) {
    this.#requirements = requirements;
  }

  verify(request: Verification, onDone: OnVerified): void {
    const requirements = this.#requirements;
    const from = (index: number): void => {
      if (index === requirements.length) onDone(JwtStatus.Ok);
      else
        requirements[index].verify(request, status => {
          if (status === JwtStatus.Ok) from(index + 1);
          else onDone(status);
        });
    };
    from(0);
  }
}

const nothing: Requirement = { verify: (_request, onDone) => onDone(JwtStatus.Ok) };

/** Compiles requirements against the providers of one filter. */
export class RequirementCompiler {
  readonly #authority: Authority;

  constructor(authority: Authority) {
    this.#authority = authority;
  }

  /** All providers that are named have to exist. */
  compile(config: JwtRequirement | undefined): Requirement {
    return config === undefined ? nothing : this.#compile(config, [...this.#authority.providers.keys()]);
  }

  /** `siblings`: the providers whose tokens allow_missing and its relative look for. */
  #compile(config: JwtRequirement, siblings: readonly string[]): Requirement {
    const { providerAndAudiences: both, requiresAny, requiresAll } = config;
    if (config.providerName !== undefined) return this.#token(config.providerName, []);
    if (both !== undefined) return this.#token(both.providerName, both.audiences);
    if (requiresAny !== undefined) return this.#any(requiresAny.requirements);
    if (requiresAll !== undefined)
      return new AllRequirement(requiresAll.requirements.map(item => this.#compile(item, siblings)));
    if (config.allowMissing !== undefined) return this.#optional(siblings, false);
    if (config.allowMissingOrFailed !== undefined) return this.#optional(siblings, true);
    return nothing;
  }

  /** A bypass among the alternatives comes last, and the more generous one counts. */
  #any(items: readonly JwtRequirement[]): Requirement {
    const used = items
      .map(item => item.providerName ?? item.providerAndAudiences?.providerName)
      .filter(name => name !== undefined);
    const isBypass = (item: JwtRequirement): boolean =>
      item.allowMissing !== undefined || item.allowMissingOrFailed !== undefined;
    const requirements = items.filter(item => !isBypass(item)).map(item => this.#compile(item, used));
    const siblings = used.length > 0 ? used : [...this.#authority.providers.keys()];
    if (items.some(isBypass))
      requirements.push(
        this.#optional(
          siblings,
          items.some(item => item.allowMissingOrFailed !== undefined),
        ),
      );
    return new AnyRequirement(requirements);
  }

  #token(name: string, audiences: readonly string[]): Requirement {
    const provider = this.#provider(name);
    return new TokenRequirement(this.#authority, {
      locations: new TokenLocations([provider.config]),
      provider,
      audiences: audiences.length === 0 ? null : new Audiences(audiences),
      allowMissing: false,
      allowFailed: false,
    });
  }

  #optional(names: readonly string[], allowFailed: boolean): Requirement {
    const providers: JwtProvider[] = names.map(name => this.#provider(name).config);
    return new TokenRequirement(this.#authority, {
      locations: new TokenLocations(providers),
      provider: null,
      audiences: null,
      allowMissing: true,
      allowFailed,
    });
  }

  #provider(name: string): Provider {
    const provider = this.#authority.providers.get(name);
    assert(
      provider !== undefined,
      'a requirement names a provider that does not exist: validate() lets none pass',
    );
    return provider;
  }
}
