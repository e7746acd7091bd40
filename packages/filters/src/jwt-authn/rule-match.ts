// Which requests a rule is about: the conditions on path, headers and query that the filter knows of RouteMatch. The other
// conditions of a RouteMatch mean nothing here and are refused.

import type { RouteMatch } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import {
  compileStringMatcher,
  FullMatchRegex,
  HeaderMatcher,
  queryParameter,
  type StringMatcher,
} from '@dragoman/proxy';

/** Set conditions that a rule cannot have, by their names in the configuration. */
export function unsupportedConditions(match: RouteMatch): string[] {
  const set: readonly (readonly [name: string, value: unknown])[] = [
    ['runtime_fraction', match.runtimeFraction],
    ['grpc', match.grpc],
    ['tls_context', match.tlsContext],
    ['path_match_policy', match.pathMatchPolicy],
    ['dynamic_metadata', match.dynamicMetadata.at(0)],
    ['filter_state', match.filterState.at(0)],
    ['cookies', match.cookies.at(0)],
  ];
  return set.filter(([, value]) => value !== undefined).map(([name]) => name);
}

interface ParameterCondition {
  readonly name: string;
  readonly value: StringMatcher | null;
  readonly present: boolean;
}

function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, letters => letters.toLowerCase());
}

export class RuleMatch {
  readonly #match: RouteMatch;
  readonly #caseSensitive: boolean;
  readonly #text: string;
  readonly #regex: FullMatchRegex | null;
  readonly #headers: readonly HeaderMatcher[];
  readonly #parameters: readonly ParameterCondition[];

  constructor(match: RouteMatch) {
    this.#match = match;
    this.#caseSensitive = match.caseSensitive ?? true;
    this.#text = this.#cased(match.prefix ?? match.path ?? match.pathSeparatedPrefix ?? '');
    this.#regex = match.safeRegex === undefined ? null : new FullMatchRegex(match.safeRegex.regex);
    this.#headers = match.headers.map(header => new HeaderMatcher(header));
    this.#parameters = match.queryParameters.map(({ name, stringMatch, presentMatch }) => ({
      name,
      value: stringMatch === undefined ? null : compileStringMatcher(stringMatch),
      present: presentMatch ?? true,
    }));
  }

  matches(headers: RequestHeaders): boolean {
    return (
      this.#matchesPath(headers) &&
      this.#headers.every(matcher => matcher.matches(headers)) &&
      this.#parameters.every(condition => matchesParameter(condition, headers.path))
    );
  }

  #matchesPath(headers: RequestHeaders): boolean {
    const { prefix, path, pathSeparatedPrefix, connectMatcher } = this.#match;
    if (connectMatcher !== undefined) return headers.method === 'CONNECT';
    const subject = this.#cased(headers.path.split(/[?#]/, 1)[0]);
    if (this.#regex !== null) return this.#regex.matches(subject);
    if (path !== undefined) return subject === this.#text;
    if (prefix !== undefined) return subject.startsWith(this.#text);
    return (
      pathSeparatedPrefix !== undefined && (subject === this.#text || subject.startsWith(`${this.#text}/`))
    );
  }

  #cased(text: string): string {
    return this.#caseSensitive ? text : lowerCase(text);
  }
}

function matchesParameter({ name, value, present }: ParameterCondition, path: string): boolean {
  const found = queryParameter(path, name);
  if (value === null) return (found !== undefined) === present;
  return found !== undefined && value.matches(found);
}
