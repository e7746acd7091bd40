// internal_redirect_policy: a redirect of the upstream that the proxy follows itself, in the client's place
// (Envoy: Filter::setupRedirect, convertRequestHeadersForInternalRedirect).

import type { RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type { Cluster } from '../cluster/cluster.ts';
import type { Stream } from '../filter-chain/stream.ts';
import type { InternalRedirectPolicy, Route } from '../route/route.ts';

/** Where a redirect leads, as far as requests go. */
interface Target {
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
}

/**
 * Follows a redirect if the policy says so: changes the request's headers, which then go through all of the filters
 * again. `complete`: the whole request has come, and its body is still there. False: the response goes to the client.
 */
export function followRedirect(
  stream: Stream,
  cluster: Cluster,
  route: Route,
  request: RequestHeaders,
  response: ResponseHeaders,
  complete: boolean,
): boolean {
  const policy = route.internalRedirect;
  if (policy === null || !policy.statuses.includes(response.status)) return false;
  const location = response.get('location');
  let refusal = 0;
  if (complete && location !== undefined) {
    refusal = tryFollow(stream, policy, route, request, response, location);
    if (refusal >= 0) stream.manager.lane.inc(refusal);
  }
  const { lane, stats } = cluster;
  lane.inc(
    refusal < 0 ? stats.upstreamInternalRedirectSucceededTotal : stats.upstreamInternalRedirectFailedTotal,
  );
  return refusal < 0;
}

/** -1 when the request now leads to `location`, or the counter of what speaks against it. */
function tryFollow(
  stream: Stream,
  policy: InternalRedirectPolicy,
  route: Route,
  request: RequestHeaders,
  response: ResponseHeaders,
  location: string,
): number {
  const { stats } = stream.manager;
  const target = readTarget(location);
  if (target === null) return stats.passthroughInternalRedirectBadLocation;
  const fromTls = request.scheme === 'https' && stream.connection.tls !== null;
  const crosses = (target.scheme === 'https') !== fromTls;
  if (crosses && !policy.allowCrossScheme) return stats.passthroughInternalRedirectUnsafeScheme;
  if (stream.redirects.length >= policy.maxInternalRedirects)
    return stats.passthroughInternalRedirectTooManyRedirects;
  const original = { scheme: request.scheme, authority: request.authority, path: request.path };
  Object.assign(request, target);
  stream.clearRouteCache();
  const next = stream.getRoute();
  if (next === null || !acceptedBy(policy, stream, next, target.scheme, fromTls)) {
    Object.assign(request, original);
    return next === null
      ? stats.passthroughInternalRedirectNoRoute
      : stats.passthroughInternalRedirectPredicate;
  }
  for (const name of policy.responseHeadersToCopy) {
    request.remove(name);
    for (const value of response.getAll(name)) request.add(name, value);
  }
  request.set(
    'x-envoy-original-url',
    `${fromTls ? 'https' : 'http'}://${original.authority}${original.path}`,
  );
  stream.redirects = [...stream.redirects, route];
  return -1;
}

/** An absolute http(s) URL; its fragment is the client's. */
function readTarget(location: string): Target | null {
  const match = /^(https?):\/\/([^/?#\s]+)([^#\s]*)(#.*)?$/i.exec(location);
  if (match === null) return null;
  const [, scheme, authority, path] = match;
  return {
    scheme: scheme.toLowerCase(),
    authority,
    path: path.startsWith('/') ? path : `/${path}`,
  };
}

function acceptedBy(
  policy: InternalRedirectPolicy,
  stream: Stream,
  next: Route,
  scheme: string,
  fromTls: boolean,
): boolean {
  if (policy.allowedRoutes !== null && !policy.allowedRoutes.has(next.name)) return false;
  if (policy.onlySafeSchemes && scheme === 'https' && !fromTls) return false;
  return !policy.avoidsPreviousRoutes || !stream.redirects.includes(next);
}

/** A redirect with 303 asks for another resource, whatever was done to this one. True: the body is of no use any more. */
export function becomesGet(status: number, request: RequestHeaders): boolean {
  if (status !== 303 || request.method === 'GET' || request.method === 'HEAD') return false;
  request.method = 'GET';
  request.remove('content-length');
  return true;
}
