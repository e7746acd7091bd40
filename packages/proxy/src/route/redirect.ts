// Redirects: where a request is sent instead of being forwarded.

import type { RedirectAction } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';

const STATUSES: Readonly<Record<RedirectAction['responseCode'], number>> = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

export class Redirect {
  readonly status: number;
  /** '' = the request's own. */
  readonly #scheme: string;
  readonly #host: string;
  /** ":8443"; '' = as it is. */
  readonly #port: string;
  readonly #path: string;
  readonly #pathHasQuery: boolean;
  readonly #stripQuery: boolean;

  constructor(config: RedirectAction) {
    this.status = STATUSES[config.responseCode];
    this.#scheme = config.schemeRedirect ?? (config.httpsRedirect ? 'https' : '');
    this.#host = config.hostRedirect;
    this.#port = config.portRedirect === 0 ? '' : `:${config.portRedirect}`;
    this.#path = config.pathRedirect ?? '';
    this.#pathHasQuery = this.#path.includes('?');
    this.#stripQuery = config.stripQuery;
  }

  /** Value of the location header. A prefix or regex rewrite has been applied to the path before. */
  location(headers: RequestHeaders): string {
    const scheme = this.#scheme === '' ? headers.scheme : this.#scheme;
    const host = this.#host === '' ? this.#requestHost(headers, scheme) : this.#host;
    return `${scheme}://${host}${this.#port}${this.#newPath(headers.path)}`;
  }

  /** The request's host; its port goes when another is set, or when it is the old scheme's default. */
  #requestHost(headers: RequestHeaders, newScheme: string): string {
    const host = headers.authority;
    const colon = host.startsWith('[') ? host.lastIndexOf(']:') + 1 || -1 : host.lastIndexOf(':');
    if (colon < 0) return host;
    if (this.#port !== '') return host.slice(0, colon);
    const oldScheme = headers.get('x-forwarded-proto') ?? headers.scheme;
    if (newScheme === oldScheme) return host;
    const port = host.slice(colon);
    const isDefault = (oldScheme === 'https' && port === ':443') || (oldScheme === 'http' && port === ':80');
    return isDefault ? host.slice(0, colon) : host;
  }

  #newPath(requestPath: string): string {
    if (this.#pathHasQuery) return this.#path;
    const mark = requestPath.indexOf('?');
    let path = requestPath;
    if (this.#path !== '') path = mark < 0 ? this.#path : this.#path + requestPath.slice(mark);
    if (!this.#stripQuery) return path;
    const query = path.indexOf('?');
    return query < 0 ? path : path.slice(0, query);
  }
}

/** Where `require_tls` sends a request that came without TLS. */
export function tlsLocation(headers: RequestHeaders): string {
  return `https://${headers.authority}${headers.path}`;
}
