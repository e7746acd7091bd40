// Query parameters of a request target, read in place: neither names nor values are decoded, the first of repeated
// names counts, and only '&' separates.

import type { QueryParameterMatcher as QueryParameterMatcherConfig } from '@dragoman/config';
import { compileStringMatcher, type StringMatcher } from './string-matcher.ts';

/** The value of the first parameter of that name; undefined when there is none. */
export function queryParameter(target: string, name: string): string | undefined {
  const mark = target.indexOf('?');
  if (mark < 0) return undefined;
  const hash = target.indexOf('#', mark);
  const end = hash < 0 ? target.length : hash;
  for (let start = mark + 1; start <= end; ) {
    const ampersand = target.indexOf('&', start);
    const stop = ampersand < 0 || ampersand > end ? end : ampersand;
    if (target.startsWith(name, start)) {
      const after = start + name.length;
      if (after === stop) return '';
      if (after < stop && target.charCodeAt(after) === 0x3d) return target.substring(after + 1, stop);
    }
    start = stop + 1;
  }
  return undefined;
}

export class QueryParameterMatcher {
  readonly #name: string;
  readonly #value: StringMatcher | null;
  readonly #present: boolean;

  constructor(config: QueryParameterMatcherConfig) {
    this.#name = config.name;
    this.#value = config.stringMatch === undefined ? null : compileStringMatcher(config.stringMatch);
    this.#present = config.presentMatch ?? true;
  }

  matches(target: string): boolean {
    const value = queryParameter(target, this.#name);
    if (this.#value === null) return (value !== undefined) === this.#present;
    return value !== undefined && this.#value.matches(value);
  }
}
