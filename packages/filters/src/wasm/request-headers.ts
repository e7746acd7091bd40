// Request headers and trailers from what a guest gives for a call-out.

import { HeaderMap, RequestHeaders } from '@dragoman/http';

/** A request of a guest's pairs; null when a name or value may not go on the wire. */
export function requestHeaders(pairs: readonly string[]): RequestHeaders | null {
  const headers = new RequestHeaders();
  for (let i = 0; i < pairs.length; i += 2) {
    const [name, value] = [pairs[i], pairs[i + 1]];
    const accepted =
      name.startsWith(':') || name === 'host' ? headers.set(name, value) : headers.add(name, value);
    if (!accepted) return null;
  }
  return headers;
}

/** Trailers of a guest's pairs; null when a name or value may not go on the wire. */
export function requestTrailers(pairs: readonly string[]): HeaderMap | null {
  const trailers = new HeaderMap();
  for (let i = 0; i < pairs.length; i += 2) if (!trailers.add(pairs[i], pairs[i + 1])) return null;
  return trailers;
}
