// Cookies of a request, read in place.

import type { RequestHeaders } from '@dragoman/http';

/** The value of a cookie of the request; undefined when it has none of that name. */
export function cookie(headers: RequestHeaders, name: string): string | undefined {
  for (const line of headers.getAll('cookie')) {
    for (const pair of line.split(';')) {
      const text = pair.trim();
      const equals = text.indexOf('=');
      if (equals < 0 || text.slice(0, equals) !== name) continue;
      const value = text.slice(equals + 1);
      return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
  }
  return undefined;
}
