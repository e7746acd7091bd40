// Path normalisation before routing: normalize_path (RFC 3986, 6.2.2), merge_slashes and the treatment of
// escaped slashes. Percent-encoded unreserved characters are decoded; all else that is escaped stays as it is written, and what
// may not stand in a path is escaped.

import type { RequestHeaders } from '@dragoman/http';
import type { ManagerSettings } from './settings.ts';

/** What becomes of the request after its path was looked at. */
export type PathVerdict = 'continue' | 'reject' | 'redirect';

export function normalizePath(headers: RequestHeaders, settings: ManagerSettings): PathVerdict {
  if (!settings.normalizePath && !settings.mergeSlashes && settings.escapedSlashes === 'KEEP_UNCHANGED')
    return 'continue';
  const target = headers.path;
  if (!target.startsWith('/')) return 'continue';
  const question = target.indexOf('?');
  let path = question < 0 ? target : target.slice(0, question);
  const query = question < 0 ? '' : target.slice(question);
  let verdict: PathVerdict = 'continue';
  if (settings.escapedSlashes !== 'KEEP_UNCHANGED' && /%2f|%5c/i.test(path)) {
    if (settings.escapedSlashes === 'REJECT_REQUEST') return 'reject';
    if (settings.escapedSlashes === 'UNESCAPE_AND_REDIRECT') verdict = 'redirect';
    path = path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
  }
  if (settings.normalizePath) {
    const normalized = normalizedPath(path);
    if (normalized === null) return 'reject';
    path = normalized;
  }
  if (settings.mergeSlashes) path = mergeSlashes(path);
  if (path + query !== target) headers.path = path + query;
  return verdict;
}

/** Envoy keeps first and last slash apart: of slashes alone two are left. */
function mergeSlashes(path: string): string {
  const merged = path.replace(/\/{2,}/g, '/');
  return merged === '/' && path !== '/' ? '//' : merged;
}

const UNRESERVED = /[A-Za-z0-9\-._~]/;

/** The canonical form of an absolute path, or null when it cannot be one. */
export function normalizedPath(path: string): string | null {
  if (path.includes('%00')) return null;
  const decoded = path.replace(/%([0-9a-f]{2})/gi, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return UNRESERVED.test(character) ? character : escaped;
  });
  const escaped = decoded.replace(
    /["<>^`{|}]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return removeDotSegments(escaped.replaceAll('\\', '/'));
}

/** RFC 3986, 5.2.4; a path that climbs above the root ends at the root. */
function removeDotSegments(path: string): string {
  const out: string[] = [];
  const segments = path.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i];
    const last = i === segments.length - 1;
    if (segment === '.') {
      if (last) out.push('');
    } else if (segment === '..') {
      out.pop();
      if (last) out.push('');
    } else {
      out.push(segment);
    }
  }
  return `/${out.join('/')}`;
}
