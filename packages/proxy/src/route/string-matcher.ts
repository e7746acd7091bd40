// StringMatcher: exact, prefix, suffix, contains, safe_regex, each optionally ignoring (ASCII) case. One class for all
// kinds, so that every call site sees one shape. Used by routes, header matchers, filters and logs.

import { DragomanError } from '@dragoman/base';
import type { MatcherStringMatcher } from '@dragoman/config';
import { byteString } from '../format/format-input.ts';
import { FullMatchRegex } from './regex.ts';

const Kind = { Exact: 0, Prefix: 1, Suffix: 2, Contains: 3, Regex: 4 } as const;

/** ASCII only, unlike String.toLowerCase: bytes above 0x7f are no letters here. */
export function asciiLowerCase(text: string): string {
  return NOT_ASCII.test(text) ? text.replace(/[A-Z]+/g, upper => upper.toLowerCase()) : text.toLowerCase();
}

const NOT_ASCII = /[\x80-\uffff]/;

export class StringMatcher {
  readonly #kind: number;
  /** Lower-case when case is ignored. */
  readonly #text: string;
  readonly #regex: FullMatchRegex | null;
  readonly #ignoreCase: boolean;

  constructor(kind: number, text: string, regex: FullMatchRegex | null, ignoreCase: boolean) {
    this.#kind = kind;
    this.#text = ignoreCase ? asciiLowerCase(byteString(text)) : byteString(text);
    this.#regex = regex;
    this.#ignoreCase = ignoreCase;
  }

  static exact(text: string): StringMatcher {
    return new StringMatcher(Kind.Exact, text, null, false);
  }

  static prefix(text: string): StringMatcher {
    return new StringMatcher(Kind.Prefix, text, null, false);
  }

  static suffix(text: string): StringMatcher {
    return new StringMatcher(Kind.Suffix, text, null, false);
  }

  static contains(text: string): StringMatcher {
    return new StringMatcher(Kind.Contains, text, null, false);
  }

  static regex(pattern: string): StringMatcher {
    return new StringMatcher(Kind.Regex, '', new FullMatchRegex(pattern), false);
  }

  /** `value` is a byte string, as header values are. */
  matches(value: string): boolean {
    const subject = this.#ignoreCase ? asciiLowerCase(value) : value;
    switch (this.#kind) {
      case Kind.Exact:
        return subject === this.#text;
      case Kind.Prefix:
        return subject.startsWith(this.#text);
      case Kind.Suffix:
        return subject.endsWith(this.#text);
      case Kind.Contains:
        return subject.includes(this.#text);
      default:
        return this.#regex?.matches(value) === true;
    }
  }
}

/**
 * @throws DragomanError REGEX for a regular expression that is not RE2, UNSUPPORTED for a custom matcher.
 */
export function compileStringMatcher(config: MatcherStringMatcher): StringMatcher {
  const ignoreCase = config.ignoreCase;
  if (config.exact !== undefined) return new StringMatcher(Kind.Exact, config.exact, null, ignoreCase);
  if (config.prefix !== undefined) return new StringMatcher(Kind.Prefix, config.prefix, null, ignoreCase);
  if (config.suffix !== undefined) return new StringMatcher(Kind.Suffix, config.suffix, null, ignoreCase);
  if (config.contains !== undefined)
    return new StringMatcher(Kind.Contains, config.contains, null, ignoreCase);
  if (config.safeRegex !== undefined) return StringMatcher.regex(config.safeRegex.regex);
  throw new DragomanError('UNSUPPORTED', 'string_match: custom matchers are not supported');
}
