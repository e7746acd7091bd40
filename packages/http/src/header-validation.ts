// Validation of header names and values that come from anywhere but the wire parser: plugins, configuration, HTTP/2.
// Strings go out as latin1, which cuts characters above 0xff to their low byte (U+010D becomes CR): they are refused here.

import { AUTHORITY, FIELD_VALUE, TARGET, TOKEN_LOWER } from './tables.ts';

/** True when `name` is an RFC 9110 token (either case) and not empty. */
export function isHeaderName(name: string): boolean {
  const length = name.length;
  for (let i = 0; i < length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0x7f || TOKEN_LOWER[code] === 0) return false;
  }
  return length > 0;
}

/** True when `value` can be a field value: characters up to 0xff, no CR, LF, NUL, DEL or other control except HT. */
export function isHeaderValue(value: string): boolean {
  const length = value.length;
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i);
    if (code > 0xff || FIELD_VALUE[code] === 0) return false;
  }
  return true;
}

/** True when `path` can be written as a request target: not empty, visible ASCII only, no fragment. */
export function isRequestTarget(path: string): boolean {
  const length = path.length;
  for (let i = 0; i < length; i++) {
    const code = path.charCodeAt(i);
    if (code > 0x7f || TARGET[code] !== 1) return false;
  }
  return length > 0;
}

/** True when `authority` is one host with an optional port: no list, no user info, no path, no blanks. May be empty. */
export function isAuthority(authority: string): boolean {
  const length = authority.length;
  for (let i = 0; i < length; i++) {
    const code = authority.charCodeAt(i);
    if (code > 0x7f || AUTHORITY[code] === 0) return false;
  }
  return true;
}

/** `name` in lower case; the same string when it is already. */
export function lowerCaseName(name: string): string {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) return name.toLowerCase();
  }
  return name;
}

/**
 * A copy of `text` that owns its characters. A substring of a head keeps the whole head (up to 60 KiB) alive:
 * pass what outlives the request (cache keys, metadata, log fields kept for later) through here.
 */
export function flatten(text: string): string {
  return text.length === 0 ? '' : Buffer.from(text, 'utf16le').toString('utf16le');
}
