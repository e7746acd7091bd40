// From the header list of an HTTP/2 request to request headers that mean the same in HTTP/1: what could be read in two ways
// there is refused (RFC 9113 8.2, 8.3). nghttp2 has already refused upper-case names, control characters, connection-specific
// headers, pseudo headers that are unknown, late or repeated, and lengths that do not fit the data.

import { type HeaderMap, isAuthority, isHeaderName, isRequestTarget, RequestHeaders } from '@dragoman/http';
import type { Underscores } from '../connection-manager/settings.ts';

/** Envoy's response code details of a refused header list. */
export const HeadRefusal = {
  None: '',
  InvalidField: 'http2.invalid.header.field',
  TooManyHeaders: 'http2.too_many_headers',
  Underscore: 'http2.unexpected_underscore',
} as const;
export type HeadRefusal = (typeof HeadRefusal)[keyof typeof HeadRefusal];

export interface HeadLimits {
  readonly maxHeadersCount: number;
  readonly underscores: Underscores;
}

/** One header list being read; reused. */
export class Http2RequestHead {
  headers: RequestHeaders = new RequestHeaders();
  expectContinue = false;
  droppedUnderscores = 0;

  /** Reads [name, value, name, value, ...] into fresh headers. */
  read(raw: readonly string[], limits: HeadLimits): HeadRefusal {
    const headers = new RequestHeaders();
    this.headers = headers;
    this.expectContinue = false;
    this.droppedUnderscores = 0;
    // Envoy counts the pseudo headers, too.
    if (raw.length > 2 * limits.maxHeadersCount) return HeadRefusal.TooManyHeaders;
    let host: string | null = null;
    let cookie = '';
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i];
      const value = raw[i + 1];
      if (name.charCodeAt(0) === COLON) {
        setPseudo(headers, name, value);
      } else if (name === 'host') {
        if (host !== null) return HeadRefusal.InvalidField;
        host = value;
      } else if (name === 'cookie') {
        cookie = cookie === '' ? value : `${cookie}; ${value}`;
        // In the place of the last cookie line; earlier ones that stood elsewhere are taken back below.
        if (raw[i + 2] !== 'cookie') headers.addLine(`cookie: ${cookie}\r\n`, name, cookie);
      } else if (name === 'expect' && value.toLowerCase() === '100-continue') {
        this.expectContinue = true;
      } else if (limits.underscores !== 'ALLOW' && name.includes('_')) {
        if (limits.underscores === 'REJECT_REQUEST') return HeadRefusal.Underscore;
        this.droppedUnderscores++;
      } else {
        headers.addLine(`${name}: ${value}\r\n`, name, value);
      }
    }
    if (cookie !== '') mergeCookies(headers, cookie);
    return settleTarget(headers, host);
  }
}

const COLON = 0x3a;

function setPseudo(headers: RequestHeaders, name: string, value: string): void {
  switch (name) {
    case ':method':
      headers.method = value;
      break;
    case ':path':
      headers.path = value;
      break;
    case ':authority':
      headers.authority = value;
      break;
    case ':scheme':
      headers.scheme = value;
      break;
    case ':protocol':
      headers.protocol = value;
  }
}

/** Cookie lines that were not next to each other are one header all the same (RFC 9113 8.2.3). */
function mergeCookies(headers: HeaderMap, cookie: string): void {
  if (headers.getAll('cookie').length > 1) headers.set('cookie', cookie);
}

/** Path and authority: what HTTP/1 would write into its request line and Host header. */
function settleTarget(headers: RequestHeaders, host: string | null): HeadRefusal {
  if (headers.authority === '') headers.authority = host ?? '';
  else if (host !== null && host.toLowerCase() !== headers.authority.toLowerCase())
    return HeadRefusal.InvalidField;
  if (headers.authority === '' || !isAuthority(headers.authority)) return HeadRefusal.InvalidField;
  if (headers.protocol !== '' && (headers.method !== 'CONNECT' || !isHeaderName(headers.protocol)))
    return HeadRefusal.InvalidField;
  if (headers.method === 'CONNECT' && headers.protocol === '')
    return headers.path === '' ? HeadRefusal.None : HeadRefusal.InvalidField;
  const { path } = headers;
  const absolute = path.charCodeAt(0) === 0x2f || (path === '*' && headers.method === 'OPTIONS');
  return absolute && isRequestTarget(path) ? HeadRefusal.None : HeadRefusal.InvalidField;
}

/** Trailers that may be passed on: framing, routing and connection fields have no business there. */
export function readTrailers(raw: readonly string[], trailers: HeaderMap): HeaderMap {
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i];
    if (name.charCodeAt(0) === COLON || FORBIDDEN_TRAILERS.has(name)) continue;
    trailers.addLine(`${name}: ${raw[i + 1]}\r\n`, name, raw[i + 1]);
  }
  return trailers;
}

const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
