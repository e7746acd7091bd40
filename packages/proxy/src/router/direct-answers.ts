// Answers the router gives without asking any upstream: no route, no cluster, redirects and direct responses.

import type { RequestHeaders } from '@dragoman/http';
import { answerMissingHeader } from '../filter-chain/local-reply.ts';
import type { Stream } from '../filter-chain/stream.ts';
import { ResponseFlag } from '../format/response-flags.ts';
import { type Route, RouteAction } from '../route/route.ts';

/** No route, or not what it takes to find one: a filter may have removed the method. */
export function answerNoRoute(stream: Stream, headers: RequestHeaders): void {
  if (headers.method === '' && headers.path !== '') {
    answerMissingHeader(stream, 503, ':method', 'request');
    return;
  }
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
  if (route.action === RouteAction.None) {
    // No filter has answered: Envoy's router finds no cluster in such a route.
    answerNoCluster(stream, route);
  } else if (route.action === RouteAction.Redirect) {
    // Envoy has a counter of redirects, and counts them as direct responses all the same.
    lane.inc(stats.rqDirectResponse);
    const location = route.redirectLocation(headers, keepOriginal);
    stream.sendLocalReply(route.responseStatus, '', 'direct_response', [['location', location]]);
  } else {
    lane.inc(stats.rqDirectResponse);
    answerDirectResponse(stream, route, headers);
  }
}

function answerDirectResponse(stream: Stream, route: Route, headers: RequestHeaders): void {
  const { responseStatus: status, directResponseFormat: format } = route;
  const extra: [string, string][] = [];
  // Envoy names a created or moved resource, whatever it is: the request's own address.
  if (status === 201 || (status >= 300 && status < 400))
    extra.push(['location', `${headers.scheme}://${headers.authority}${headers.path}`]);
  let body: Buffer = route.directResponseBody;
  if (format !== null) {
    const { info } = stream;
    info.localReplyBody = body.toString('latin1');
    body = Buffer.from(format.formatter.format(stream), 'latin1');
    extra.push(['content-type', format.contentType]);
  }
  stream.sendLocalReply(status, body, 'direct_response', extra.length === 0 ? null : extra);
}
