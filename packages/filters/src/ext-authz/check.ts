// What both protocols need to know of a request that is to be authorized, and which of its headers are shown.

import type { MatcherListStringMatcher } from '@dragoman/config';
import { compileStringMatcher, type Stream, type StringMatcher } from '@dragoman/proxy';
import type { Verdict } from './verdict.ts';

/** One question to the service. */
export interface Check {
  readonly stream: Stream;
  /** The request's body as far as it is shown; null when none is. */
  readonly body: Buffer | null;
  /** `body` is not the whole body. */
  readonly partial: boolean;
  readonly contextExtensions: Readonly<Record<string, string>>;
}

export interface RunningCheck {
  cancel(): void;
}

/** A service that decides. */
export interface AuthorizationService {
  /** Null: its cluster does not exist. `onDone` is called once, after check() has returned, unless cancelled. */
  check(check: Check, onDone: (verdict: Verdict) => void): RunningCheck | null;
}

/** Matchers of header names. */
export class NameMatchers {
  readonly #matchers: readonly StringMatcher[];

  constructor(list: MatcherListStringMatcher | undefined) {
    this.#matchers = (list?.patterns ?? []).map(pattern => compileStringMatcher(pattern));
  }

  get length(): number {
    return this.#matchers.length;
  }

  match(name: string): boolean {
    for (let i = 0; i < this.#matchers.length; i++) if (this.#matchers[i].matches(name)) return true;
    return false;
  }
}

export const PARTIAL_BODY = 'x-envoy-auth-partial-body';
/** Shown to an HTTP service whatever the configuration says. */
const ALWAYS_SHOWN = new Set(['authorization', ':method', ':path', ':authority']);

/** Which headers of a request are shown to the service. */
export class ShownHeaders {
  readonly #allowed: NameMatchers | null;
  readonly #disallowed: NameMatchers;
  readonly #alwaysShown: ReadonlySet<string>;

  /** `allowed` null: all. */
  constructor(allowed: NameMatchers | null, disallowed: NameMatchers, forHttp: boolean) {
    this.#allowed = allowed;
    this.#disallowed = disallowed;
    this.#alwaysShown = forHttp ? ALWAYS_SHOWN : new Set();
  }

  /** Name and joined values, in the order of the request. */
  of(stream: Stream): Map<string, string> {
    const shown = new Map<string, string>();
    stream.requestHeaders?.forEach((name, value) => {
      if (!this.#shows(name)) return;
      const before = shown.get(name);
      shown.set(name, before === undefined ? value : `${before},${value}`);
    });
    return shown;
  }

  #shows(name: string): boolean {
    if (name === PARTIAL_BODY || this.#disallowed.match(name)) return false;
    return this.#allowed === null || this.#alwaysShown.has(name) || this.#allowed.match(name);
  }
}
