// Rewrites of path and host on the way to the upstream (or, for the path, into a redirect's location).

import type { RequestHeaders } from '@dragoman/http';
import type { FormatInput } from '../format/format-input.ts';
import type { Formatter } from '../format/formatter.ts';
import type { RegexSubstitution } from './regex.ts';
import type { UriTemplateRewrite } from './uri-template.ts';

/** Length of a request target without its query and fragment. */
export function pathLength(target: string): number {
  const query = target.indexOf('?');
  if (query >= 0) return query;
  const fragment = target.indexOf('#');
  return fragment < 0 ? target.length : fragment;
}

export class PathRewrite {
  readonly #prefixRewrite: string;
  readonly #regexRewrite: RegexSubstitution | null;
  /** `path_rewrite`: the whole path as a format; an empty result changes nothing. */
  readonly #format: Formatter | null;
  /** Length of the matched prefix that `prefix_rewrite` replaces; -1 for the whole path. */
  readonly #matchedLength: number;
  readonly #template: UriTemplateRewrite | null;

  constructor(
    prefixRewrite: string,
    regexRewrite: RegexSubstitution | null,
    format: Formatter | null,
    matchedLength: number,
    template: UriTemplateRewrite | null = null,
  ) {
    this.#template = template;
    this.#prefixRewrite = prefixRewrite;
    this.#regexRewrite = regexRewrite;
    this.#format = format;
    this.#matchedLength = matchedLength;
  }

  /** Changes the path; `keepOriginal` says whether x-envoy-original-path tells what it was. */
  apply(headers: RequestHeaders, input: FormatInput | null, keepOriginal: boolean): void {
    const target = headers.path;
    const formatted = this.#format === null || input === null ? '' : this.#format.format(input);
    if (this.#format !== null && formatted === '') return;
    if (keepOriginal) headers.set('x-envoy-original-path', target);
    const end = pathLength(target);
    if (this.#prefixRewrite !== '') {
      headers.path = this.#prefixRewrite + target.slice(this.#matchedLength < 0 ? end : this.#matchedLength);
    } else if (this.#format !== null) {
      headers.set(':path', formatted + target.slice(end));
    } else if (this.#template !== null) {
      headers.set(
        ':path',
        (this.#template.apply(target.slice(0, end)) ?? target.slice(0, end)) + target.slice(end),
      );
    } else if (this.#regexRewrite !== null) {
      headers.set(':path', this.#regexRewrite.replaceAll(target.slice(0, end)) + target.slice(end));
    }
  }
}

/** Changes the authority; the old one goes to x-envoy-original-host and, if asked, into x-forwarded-host. */
export function rewriteAuthority(
  headers: RequestHeaders,
  authority: string,
  appendForwardedHost: boolean,
  keepOriginal: boolean,
): void {
  const old = headers.authority;
  if (keepOriginal && old !== '') headers.set('x-envoy-original-host', old);
  if (appendForwardedHost && old !== '') {
    const forwarded = headers.getAll('x-forwarded-host').join(',');
    const last = forwarded.slice(forwarded.lastIndexOf(',') + 1).trim();
    if (forwarded === '') headers.set('x-forwarded-host', old);
    else if (last !== old) headers.set('x-forwarded-host', `${forwarded},${old}`);
  }
  headers.set(':authority', authority);
}

/** `host_rewrite_*` of a route; auto_host_rewrite is the router's, who knows the host. */
export class HostRewrite {
  readonly #literal: string;
  readonly #headerName: string;
  readonly #pathRegex: RegexSubstitution | null;
  /** `host_rewrite`. */
  readonly #format: Formatter | null;
  readonly #appendForwardedHost: boolean;
  /** x-envoy-original-host tells what the host was. */
  readonly #tellsOriginal: boolean;

  constructor(
    literal: string,
    headerName: string,
    pathRegex: RegexSubstitution | null,
    format: Formatter | null,
    appendForwardedHost: boolean,
    tellsOriginal = true,
  ) {
    this.#tellsOriginal = tellsOriginal;
    this.#literal = literal;
    this.#headerName = headerName;
    this.#pathRegex = pathRegex;
    this.#format = format;
    this.#appendForwardedHost = appendForwardedHost;
  }

  apply(headers: RequestHeaders, input: FormatInput, keepOriginal: boolean): void {
    let authority = this.#literal;
    if (this.#headerName !== '') authority = headers.get(this.#headerName) ?? '';
    else if (this.#format !== null) authority = this.#format.format(input);
    else if (this.#pathRegex !== null)
      authority = this.#pathRegex.replaceAll(headers.path.slice(0, pathLength(headers.path)));
    if (authority !== '')
      rewriteAuthority(headers, authority, this.#appendForwardedHost, keepOriginal && this.#tellsOriginal);
  }
}
