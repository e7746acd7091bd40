// The `filter` parameter: an RE2 regex that must be found somewhere in a name.

import { brokenRegex } from '@dragoman/config';
import { type NamePredicate, regexFromRe2 } from '@dragoman/metrics';
import type { Query } from '../query.ts';

/** The predicate, null when there is no filter, or the error text for a 400. */
export function nameFilter(query: Query): NamePredicate | null | string {
  const pattern = query.get('filter');
  if (pattern === undefined) return null;
  const complaint = brokenRegex(pattern);
  if (complaint !== null) return `Invalid re2 regex: ${complaint}`;
  let regex: RegExp;
  try {
    regex = regexFromRe2(pattern);
  } catch (error) {
    return `Invalid re2 regex: ${(error as Error).message}`;
  }
  const inverted = query.has('invert_filter');
  return name => regex.test(name) !== inverted;
}
