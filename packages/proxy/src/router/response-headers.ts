// What the router adds to an upstream's response on its way to the client.

import type { ResponseHeaders } from '@dragoman/http';
import type { Stream } from '../filter-chain/stream.ts';
import type { Route } from '../route/route.ts';

/** `serviceTimeMs` is negative when it is not to be told; `setCookie` has values separated by line feeds. */
export function decorateResponse(
  headers: ResponseHeaders,
  stream: Stream,
  route: Route,
  serviceTimeMs: number,
  setCookie: string | null,
): void {
  if (serviceTimeMs >= 0) headers.set('x-envoy-upstream-service-time', String(Math.floor(serviceTimeMs)));
  if (route.virtualHost.includeAttemptCountInResponse)
    headers.set('x-envoy-attempt-count', String(stream.info.attemptCount));
  if (setCookie !== null) for (const cookie of setCookie.split('\n')) headers.add('set-cookie', cookie);
  route.finalizeResponseHeaders(headers, stream);
}
