// Predicates over stat names: the admin's `filter`, stats_config.stats_matcher and the `match` of
// histogram_bucket_settings. Main thread.

import { DragomanError } from '@dragoman/base';

/** envoy.type.matcher.v3.StringMatcher, decoded. */
export interface StringMatcher {
  readonly exact?: string | undefined;
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
  readonly contains?: string | undefined;
  readonly safeRegex?: { readonly regex: string } | undefined;
  readonly ignoreCase?: boolean;
}

/** envoy.config.metrics.v3.StatsMatcher, decoded. */
export interface StatsMatcher {
  readonly rejectAll?: boolean | undefined;
  readonly exclusionList?: { readonly patterns: readonly StringMatcher[] } | undefined;
  readonly inclusionList?: { readonly patterns: readonly StringMatcher[] } | undefined;
}

export type NamePredicate = (name: string) => boolean;

/** RE2 syntax as a JavaScript regex: named groups and leading flags are written differently. Throws SyntaxError. */
export function regexFromRe2(pattern: string): RegExp {
  const leading = /^\(\?([ims]+)\)/.exec(pattern);
  const body = (leading === null ? pattern : pattern.slice(leading[0].length))
    .replaceAll('(?P<', '(?<')
    .replaceAll('\\A', '^')
    .replaceAll('\\z', '$');
  return new RegExp(body, leading?.[1] ?? '');
}

/** The predicate a StringMatcher describes. */
export function compileStringMatcher(matcher: StringMatcher): NamePredicate {
  const fold = (text: string): string => (matcher.ignoreCase ? text.toLowerCase() : text);
  const { exact, prefix, suffix, contains, safeRegex } = matcher;
  if (exact !== undefined) return name => fold(name) === fold(exact);
  if (prefix !== undefined) return name => fold(name).startsWith(fold(prefix));
  if (suffix !== undefined) return name => fold(name).endsWith(fold(suffix));
  if (contains !== undefined) return name => fold(name).includes(fold(contains));
  if (safeRegex !== undefined) {
    const whole = regexFromRe2(`^(?:${safeRegex.regex})$`);
    return name => whole.test(name);
  }
  throw new DragomanError('STRING_MATCHER', 'a string matcher of this kind is not supported for stat names');
}

/** Which stats exist at all; null when every one does. */
export function compileStatsMatcher(matcher: StatsMatcher | undefined): NamePredicate | null {
  if (matcher === undefined) return null;
  if (matcher.rejectAll !== undefined) return matcher.rejectAll ? () => false : null;
  if (matcher.exclusionList !== undefined) {
    const excluded = matcher.exclusionList.patterns.map(compileStringMatcher);
    return name => !excluded.some(matches => matches(name));
  }
  if (matcher.inclusionList !== undefined) {
    const included = matcher.inclusionList.patterns.map(compileStringMatcher);
    return name => included.some(matches => matches(name));
  }
  return null;
}
