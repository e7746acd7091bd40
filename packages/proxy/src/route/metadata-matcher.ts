// MetadataMatcher and ValueMatcher: conditions on a value inside of filter metadata.

import type { MatcherMetadataMatcher, MatcherValueMatcher } from '@dragoman/config';
import { byteString } from '../format/format-input.ts';
import { compileStringMatcher } from './string-matcher.ts';

type Matches = (value: unknown) => boolean;

/** @throws DragomanError REGEX for a regular expression that is not RE2. */
export function compileValueMatcher(config: MatcherValueMatcher): Matches {
  if (config.nullMatch !== undefined) return value => value === null;
  if (config.boolMatch !== undefined) return value => value === config.boolMatch;
  if (config.presentMatch !== undefined) return value => (value !== undefined) === config.presentMatch;
  if (config.stringMatch !== undefined) {
    const matcher = compileStringMatcher(config.stringMatch);
    return value => typeof value === 'string' && matcher.matches(byteString(value));
  }
  if (config.doubleMatch !== undefined) {
    const { exact, range } = config.doubleMatch;
    if (exact !== undefined) return value => value === exact;
    const start = range?.start ?? 0;
    const end = range?.end ?? 0;
    return value => typeof value === 'number' && value >= start && value < end;
  }
  if (config.listMatch?.oneOf !== undefined) {
    const one = compileValueMatcher(config.listMatch.oneOf);
    return value => Array.isArray(value) && value.some(one);
  }
  if (config.orMatch !== undefined) {
    const any = config.orMatch.valueMatchers.map(compileValueMatcher);
    return value => any.some(matches => matches(value));
  }
  return () => false;
}

export class MetadataMatcher {
  readonly #filter: string;
  readonly #path: readonly string[];
  readonly #matches: Matches;
  readonly #invert: boolean;

  constructor(config: MatcherMetadataMatcher) {
    this.#filter = config.filter;
    this.#path = config.path.map(segment => segment.key ?? '');
    this.#matches = config.value === undefined ? () => false : compileValueMatcher(config.value);
    this.#invert = config.invert;
  }

  /** The value the path leads to; undefined when there is none. */
  valueIn(metadata: Readonly<Record<string, unknown>> | null | undefined): unknown {
    let value: unknown = metadata;
    for (const key of [this.#filter, ...this.#path]) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
      value = (value as Record<string, unknown>)[key];
    }
    return value;
  }

  matches(metadata: Readonly<Record<string, unknown>> | null | undefined): boolean {
    return this.#matches(this.valueIn(metadata)) !== this.#invert;
  }
}
