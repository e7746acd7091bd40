// HeaderMatcher: conditions on one header of a request or response. Each value of a repeated header is tested on its
// own; a header that is missing fails every condition on its value, inverted or not.

import type { HeaderMatcher as HeaderMatcherConfig } from '@dragoman/config';
import type { HeaderMap } from '@dragoman/http';
import { compileStringMatcher, StringMatcher } from './string-matcher.ts';

const INT64 = /^[+-]?\d{1,19}$/;

export class HeaderMatcher {
  /** Lower case; `host` is :authority. */
  readonly name: string;
  readonly #value: StringMatcher | null;
  readonly #range: { readonly start: bigint; readonly end: bigint } | null;
  /** For conditions on presence alone: whether the header has to be there (inversion applied). */
  readonly #present: boolean;
  readonly #invert: boolean;
  readonly #missingAsEmpty: boolean;

  /** @throws DragomanError REGEX for a regular expression that is not RE2. */
  constructor(config: HeaderMatcherConfig) {
    const name = config.name.toLowerCase();
    this.name = name === 'host' ? ':authority' : name;
    this.#value = valueMatcher(config);
    this.#range =
      config.rangeMatch === undefined
        ? null
        : { start: BigInt(config.rangeMatch.start), end: BigInt(config.rangeMatch.end) };
    this.#present = (config.presentMatch ?? true) !== config.invertMatch;
    this.#invert = config.invertMatch;
    this.#missingAsEmpty = config.treatMissingHeaderAsEmpty;
  }

  matches(headers: HeaderMap): boolean {
    if (this.#value === null && this.#range === null)
      return (this.#missingAsEmpty || headers.has(this.name)) === this.#present;
    const first = headers.get(this.name);
    if (first === undefined && !this.#missingAsEmpty) return false;
    return this.#matchesValue(first ?? '', headers) !== this.#invert;
  }

  #matchesValue(first: string, headers: HeaderMap): boolean {
    if (this.#range !== null) return this.#inRange(first) && headers.getAll(this.name).length <= 1;
    const matcher = this.#value;
    if (matcher === null) return false;
    if (matcher.matches(first)) return true;
    const all = headers.getAll(this.name);
    for (let i = 1; i < all.length; i++) if (matcher.matches(all[i])) return true;
    return false;
  }

  #inRange(value: string): boolean {
    if (this.#range === null || !INT64.test(value)) return false;
    const number = BigInt(value.startsWith('+') ? value.slice(1) : value);
    return number >= this.#range.start && number < this.#range.end;
  }
}

function valueMatcher(config: HeaderMatcherConfig): StringMatcher | null {
  if (config.stringMatch !== undefined) return compileStringMatcher(config.stringMatch);
  if (config.exactMatch !== undefined) return StringMatcher.exact(config.exactMatch);
  if (config.safeRegexMatch !== undefined) return StringMatcher.regex(config.safeRegexMatch.regex);
  if (config.prefixMatch !== undefined) return StringMatcher.prefix(config.prefixMatch);
  if (config.suffixMatch !== undefined) return StringMatcher.suffix(config.suffixMatch);
  if (config.containsMatch !== undefined) return StringMatcher.contains(config.containsMatch);
  return null;
}

export function compileHeaderMatchers(configs: readonly HeaderMatcherConfig[]): readonly HeaderMatcher[] {
  return configs.map(config => new HeaderMatcher(config));
}

/** True when every matcher agrees; an empty list does. */
export function allMatch(matchers: readonly HeaderMatcher[], headers: HeaderMap): boolean {
  for (let i = 0; i < matchers.length; i++) if (!matchers[i].matches(headers)) return false;
  return true;
}
