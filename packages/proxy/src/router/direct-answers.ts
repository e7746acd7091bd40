// Answers the router gives without asking any upstream: no route, no cluster, redirects and direct responses.

import type { RequestHeaders } from '@dragoman/http';
import type { Stream } from '../filter-chain/stream.ts';
import { ResponseFlag } from '../format/response-flags.ts';
import { type Route, RouteAction } from '../route/route.ts';

export function answerNoRoute(stream: Stream): void {
  const { lane, stats } = stream.manager;
  lane.inc(stats.noRoute);
  stream.info.addResponseFlag(ResponseFlag.NoRouteFound);
  stream.sendLocalReply(404, '', 'route_not_found');
}

export function answerNoCluster(stream: Stream, route: Route): void {
  const { lane, stats } = stream.manager;
  lane.inc(stats.noCluster);
  stream.info.addResponseFlag(ResponseFlag.NoClusterFound);
  stream.sendLocalReply(route.clusterNotFoundStatus, '', 'cluster_not_found');
}

/** A redirect or a direct response. */
export function answerDirectly(
  stream: Stream,
  route: Route,
  headers: RequestHeaders,
  keepOriginal: boolean,
): void {
  const { lane, stats } = stream.manager;
  if (route.action === RouteAction.Redirect) {
    lane.inc(stats.rqRedirect);
    const location = route.redirectLocation(headers, keepOriginal);
    stream.sendLocalReply(route.responseStatus, '', 'direct_response', [['location', location]]);
  } else {
    lane.inc(stats.rqDirectResponse);
    stream.sendLocalReply(route.responseStatus, route.directResponseBody, 'direct_response');
  }
}
