// The four forms of a request target (RFC 9112 3.2), brought to path and authority as a proxy must see them.

import { isAuthority } from '../header-validation.ts';
import type { RequestHeaders } from '../request-headers.ts';
import { HeadError } from './codec-error.ts';

const SLASH = 0x2f;
const MAX_PORT = 65535;

/** Results of readTarget that are no error. */
export const TargetForm = { ORIGIN: 0, ABSOLUTE: 1, AUTHORITY: 2 } as const;

/**
 * Sets path, scheme and (absolute and authority form) authority of `headers` from `target`; the method is set already.
 * Answers a TargetForm or an error.
 */
export function readTarget(headers: RequestHeaders, target: string, allowAbsoluteUrl: boolean): number {
  headers.scheme = 'http';
  if (headers.method === 'CONNECT') return readAuthorityForm(headers, target);
  if (target.charCodeAt(0) === SLASH || (target === '*' && headers.method === 'OPTIONS')) {
    headers.path = target;
    return TargetForm.ORIGIN;
  }
  return allowAbsoluteUrl ? readAbsoluteForm(headers, target) : HeadError.ABSOLUTE_PATH;
}

/** `CONNECT host:port`: the port is not optional. */
function readAuthorityForm(headers: RequestHeaders, target: string): number {
  const colon = target.lastIndexOf(':');
  const port = target.slice(colon + 1);
  if (colon <= 0 || !isAuthority(target) || !isPort(port)) return HeadError.INVALID_URL;
  const host = target.slice(0, colon);
  const bracketed = host.startsWith('[') && host.endsWith(']');
  if (!bracketed && /[:[\]]/.test(host)) return HeadError.INVALID_URL;
  headers.authority = target;
  headers.path = '';
  return TargetForm.AUTHORITY;
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= MAX_PORT;
}

function hasBadPort(authority: string): boolean {
  const colon = authority.lastIndexOf(':');
  return colon > authority.lastIndexOf(']') && !isPort(authority.slice(colon + 1));
}

/** `http://host/path`: the target's authority replaces Host, whatever Host says (RFC 9112 3.2.2). */
function readAbsoluteForm(headers: RequestHeaders, target: string): number {
  const colon = target.indexOf('://');
  if (target === '*') return HeadError.INVALID_URL;
  if (colon <= 0 || !/^[A-Za-z][A-Za-z0-9+.-]*$/.test(target.slice(0, colon))) return HeadError.MALFORMED;
  const scheme = target.slice(0, colon).toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') return HeadError.INVALID_SCHEME;
  const hostStart = colon + 3;
  let hostEnd = hostStart;
  while (hostEnd < target.length && !'/?#'.includes(target[hostEnd])) hostEnd++;
  const authority = target.slice(hostStart, hostEnd);
  if (authority === '' || !isAuthority(authority) || hasBadPort(authority)) return HeadError.INVALID_URL;
  headers.scheme = scheme;
  headers.authority = authority;
  // Envoy gives "?query" when there is no path; no `/` prefix matches that.
  headers.path = hostEnd === target.length ? '/' : target.slice(hostEnd);
  return TargetForm.ABSOLUTE;
}
