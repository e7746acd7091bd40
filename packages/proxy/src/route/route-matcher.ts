// The conditions of one route (RouteMatch), compiled. Runs for every request until a route matches.

import { DragomanError } from '@dragoman/base';
import type { RouteMatch, UriTemplateMatchConfig } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import type { StreamInfo } from '../filter-chain/stream-info.ts';
import { isGrpcContentType } from '../format/header-operators.ts';
import { cookie } from './cookie.ts';
import { allMatch, compileHeaderMatchers, type HeaderMatcher } from './header-matcher.ts';
import { MetadataMatcher } from './metadata-matcher.ts';
import { QueryParameterMatcher } from './query-parameters.ts';
import { FullMatchRegex } from './regex.ts';
import { compileRuntimeFraction, type Runtime, type RuntimeFraction } from './runtime-fraction.ts';
import { asciiLowerCase, compileStringMatcher, type StringMatcher } from './string-matcher.ts';
import { UriTemplate } from './uri-template.ts';

const Kind = { Prefix: 0, Path: 1, Regex: 2, SeparatedPrefix: 3, Connect: 4, Template: 5 } as const;

const SLASH = 0x2f;

export class RouteMatcher {
  readonly #kind: number;
  /** Prefix or path; lower-case when case is ignored. */
  readonly #text: string;
  readonly #regex: FullMatchRegex | null;
  readonly #template: UriTemplate | null;
  readonly #caseSensitive: boolean;
  /** False when the path decides alone. */
  readonly #furtherConditions: boolean;
  readonly #headers: readonly HeaderMatcher[];
  readonly #queryParameters: readonly QueryParameterMatcher[];
  readonly #grpc: boolean;
  readonly #fraction: RuntimeFraction | null;
  readonly #metadata: readonly MetadataMatcher[];
  readonly #cookies: readonly CookieCondition[];
  readonly #filterState: readonly FilterStateCondition[];
  readonly #tlsPresented: boolean | undefined;
  readonly #tlsValidated: boolean | undefined;

  /** @throws DragomanError REGEX or UNSUPPORTED. */
  constructor(config: RouteMatch, runtime: Runtime) {
    this.#caseSensitive = config.caseSensitive ?? true;
    const { kind, text } = pathSpecifier(config);
    this.#kind = kind;
    this.#text = this.#caseSensitive ? text : asciiLowerCase(text);
    this.#regex = config.safeRegex === undefined ? null : new FullMatchRegex(config.safeRegex.regex);
    this.#template = compileUriTemplate(config);
    this.#headers = compileHeaderMatchers(config.headers);
    this.#queryParameters = config.queryParameters.map(parameter => new QueryParameterMatcher(parameter));
    this.#grpc = config.grpc !== undefined;
    this.#fraction = compileRuntimeFraction(config.runtimeFraction, runtime);
    this.#metadata = config.dynamicMetadata.map(matcher => new MetadataMatcher(matcher));
    this.#cookies = config.cookies.map(({ name, stringMatch, invertMatch }) => ({
      name,
      value: stringMatch === undefined ? null : compileStringMatcher(stringMatch),
      invert: invertMatch,
    }));
    this.#filterState = config.filterState.map(({ key, stringMatch }) => ({
      key,
      value: stringMatch === undefined ? null : compileStringMatcher(stringMatch),
    }));
    this.#tlsPresented = config.tlsContext?.presented;
    this.#tlsValidated = config.tlsContext?.validated;
    this.#furtherConditions =
      this.#headers.length > 0 ||
      this.#queryParameters.length > 0 ||
      this.#grpc ||
      this.#fraction !== null ||
      this.#metadata.length > 0 ||
      this.#cookies.length > 0 ||
      this.#filterState.length > 0 ||
      config.tlsContext !== undefined;
  }

  /** Length of the text a prefix rewrite replaces; -1 when it replaces the whole path. */
  get matchedLength(): number {
    return this.#kind === Kind.Prefix || this.#kind === Kind.SeparatedPrefix ? this.#text.length : -1;
  }

  /** `path` is the request's path without query. */
  matches(headers: RequestHeaders, path: string, info: StreamInfo): boolean {
    return this.#matchesPath(headers, path) && (!this.#furtherConditions || this.#matchesRest(headers, info));
  }

  #matchesPath(headers: RequestHeaders, path: string): boolean {
    switch (this.#kind) {
      case Kind.Prefix:
        return (this.#caseSensitive ? path : asciiLowerCase(path)).startsWith(this.#text);
      case Kind.Path:
        return (this.#caseSensitive ? path : asciiLowerCase(path)) === this.#text;
      case Kind.SeparatedPrefix: {
        const subject = this.#caseSensitive ? path : asciiLowerCase(path);
        if (!subject.startsWith(this.#text)) return false;
        return subject.length === this.#text.length || subject.charCodeAt(this.#text.length) === SLASH;
      }
      case Kind.Regex:
        return this.#regex?.matches(path) === true;
      case Kind.Template:
        return this.#template?.matches(path) === true;
      default:
        return (
          headers.method === 'CONNECT' && (headers.protocol === '' || headers.protocol === 'connect-udp')
        );
    }
  }

  #matchesRest(headers: RequestHeaders, info: StreamInfo): boolean {
    if (this.#fraction !== null && !this.#fraction.includes(info.random)) return false;
    if (!allMatch(this.#headers, headers)) return false;
    for (let i = 0; i < this.#queryParameters.length; i++)
      if (!this.#queryParameters[i].matches(headers.path)) return false;
    if (this.#grpc && !isGrpcContentType(headers.get('content-type'))) return false;
    for (let i = 0; i < this.#metadata.length; i++)
      if (!this.#metadata[i].matches(info.dynamicMetadata)) return false;
    for (let i = 0; i < this.#cookies.length; i++)
      if (!matchesCookie(this.#cookies[i], headers)) return false;
    for (let i = 0; i < this.#filterState.length; i++)
      if (!matchesFilterState(this.#filterState[i], info)) return false;
    return this.#matchesTls(info);
  }

  #matchesTls(info: StreamInfo): boolean {
    if (this.#tlsPresented === undefined && this.#tlsValidated === undefined) return true;
    const tls = info.connection?.tls;
    // Without TLS nothing was presented; whether it was validated is not asked.
    if (this.#tlsPresented !== undefined && ((tls?.peer ?? null) !== null) !== this.#tlsPresented)
      return false;
    return !tls || this.#tlsValidated === undefined || tls.peerValidated === this.#tlsValidated;
  }
}

interface CookieCondition {
  readonly name: string;
  readonly value: StringMatcher | null;
  readonly invert: boolean;
}

/** A cookie that is missing matches nothing: inverted, that is a match. */
function matchesCookie(condition: CookieCondition, headers: RequestHeaders): boolean {
  const value = cookie(headers, condition.name);
  const matches = value !== undefined && (condition.value === null || condition.value.matches(value));
  return matches !== condition.invert;
}

interface FilterStateCondition {
  readonly key: string;
  readonly value: StringMatcher | null;
}

function matchesFilterState(condition: FilterStateCondition, info: StreamInfo): boolean {
  const value = info.filterState?.get(condition.key);
  return typeof value === 'string' && (condition.value === null || condition.value.matches(value));
}

/** The template of `path_match_policy`, or null. @throws DragomanError ROUTE_MATCH */
export function compileUriTemplate(config: RouteMatch | undefined): UriTemplate | null {
  const any = config?.pathMatchPolicy?.typedConfig;
  return any === undefined ? null : new UriTemplate((any.value as UriTemplateMatchConfig).pathTemplate);
}

function pathSpecifier(config: RouteMatch): { kind: number; text: string } {
  if (config.prefix !== undefined) return { kind: Kind.Prefix, text: config.prefix };
  if (config.path !== undefined) return { kind: Kind.Path, text: config.path };
  if (config.safeRegex !== undefined) return { kind: Kind.Regex, text: '' };
  if (config.pathSeparatedPrefix !== undefined) {
    if (!/^[^?#]+[^?#/]$/.test(config.pathSeparatedPrefix))
      throw new DragomanError(
        'ROUTE_MATCH',
        `path_separated_prefix: value does not match regex pattern "^[^?#]+[^?#/]$": ${config.pathSeparatedPrefix}`,
      );
    return { kind: Kind.SeparatedPrefix, text: config.pathSeparatedPrefix };
  }
  if (config.connectMatcher !== undefined) return { kind: Kind.Connect, text: '' };
  return { kind: Kind.Template, text: '' };
}
