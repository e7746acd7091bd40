// One HTTP connection manager on one worker: its settings, routes, filters, access logs and statistics, and what
// it does at the three moments of a stream: request headers in, response headers out, end.

import {
  HeaderId,
  type RequestHeaders,
  type RequestParserOptions,
  type ResponseHeaders,
  requestParserOptions,
} from '@dragoman/http';
import type { StatLane } from '@dragoman/shm';
import type { AccessLog } from '../access-log/access-log.ts';
import { type HeadTimeout, headTimeout } from '../downstream/head-timeout.ts';
import type { HttpFilterInstance } from '../filter-chain/filter.ts';
import { isGrpcContentType } from '../filter-chain/local-reply.ts';
import type { Stream } from '../filter-chain/stream.ts';
import type { TerminalFilter } from '../filter-chain/terminal.ts';
import type { FormattedReply, LocalReplyConfig } from '../format/local-reply.ts';
import type { OverloadState } from '../overload/overload-state.ts';
import type { Route } from '../route/route.ts';
import type { RouteTable } from '../route/route-table.ts';
import type { WorkerServices } from '../server/worker-services.ts';
import { ClientAddress } from './client-address.ts';
import { ListenerHttpStats, ManagerStats } from './manager-stats.ts';
import { appendVia, applyRequestRules, normalizeTarget } from './request-headers.ts';
import type { ManagerSettings } from './settings.ts';

/** What a connection manager is made of; all of it compiled from one filter chain of one listener. */
export interface ConnectionManagerParts {
  readonly settings: ManagerSettings;
  readonly worker: WorkerServices;
  readonly filterChainName: string;
  /** "listener.127.0.0.1_10000." */
  readonly listenerStatPrefix: string;
  readonly bufferLimitBytes: number;
  /** Of the worker, or one that never acts, for listeners that bypass the overload manager. */
  readonly overload: OverloadState;
  /** A failing health check of the proxy makes its responses ask clients to close (drain_type DEFAULT). */
  readonly drainsOnFailure: boolean;
  readonly inbound: boolean;
  readonly routes: RouteTable | null;
  readonly filterInstances: readonly HttpFilterInstance[];
  readonly accessLogs: readonly AccessLog[];
  readonly localReply: LocalReplyConfig | null;
  /** The filter at the end of the chain, made once per Stream object; null for a chain without filters. */
  readonly createTerminal: (stream: Stream) => TerminalFilter;
}

export class ConnectionManager {
  readonly settings: ManagerSettings;
  readonly worker: WorkerServices;
  readonly lane: StatLane;
  readonly stats: ManagerStats;
  readonly listenerStats: ListenerHttpStats;
  readonly filterChainName: string;
  readonly bufferLimitBytes: number;
  readonly overload: OverloadState;
  readonly #drainsOnFailure: boolean;
  readonly #inbound: boolean;
  readonly filterInstances: readonly HttpFilterInstance[];
  readonly createTerminal: (stream: Stream) => TerminalFilter;
  readonly parserOptions: RequestParserOptions;
  /** For the head of an HTTP/1 request. */
  readonly headTimeout: HeadTimeout | null;
  /** Slots of http1.dropped_headers_with_underscores and http1.requests_rejected_with_underscores_in_headers. */
  readonly droppedUnderscores: number;
  readonly rejectedUnderscores: number;
  readonly #routes: RouteTable | null;
  readonly #accessLogs: readonly AccessLog[];
  readonly #localReply: LocalReplyConfig | null;
  readonly #client = new ClientAddress();
  /** Headers of the routes that only internal requests may carry. */
  readonly #internalOnly: readonly string[];

  constructor(parts: ConnectionManagerParts) {
    this.settings = parts.settings;
    this.worker = parts.worker;
    this.lane = parts.worker.lane;
    const prefix = `http.${parts.settings.statPrefix}.`;
    this.stats = new ManagerStats(this.lane, prefix);
    this.listenerStats = new ListenerHttpStats(this.lane, parts.listenerStatPrefix + prefix);
    this.droppedUnderscores = this.lane.counter('http1.dropped_headers_with_underscores');
    this.rejectedUnderscores = this.lane.counter('http1.requests_rejected_with_underscores_in_headers');
    this.lane.counter('http1.metadata_not_supported_error');
    this.lane.counter('http1.response_flood');
    this.parserOptions = requestParserOptions({
      maxHeadersBytes: parts.settings.maxRequestHeadersBytes,
      maxHeadersCount: parts.settings.maxHeadersCount,
      acceptHttp10: parts.settings.acceptHttp10,
      allowAbsoluteUrl: parts.settings.allowAbsoluteUrl,
      allowCustomMethods: parts.settings.allowCustomMethods,
      allowChunkedLength: parts.settings.allowChunkedLength,
      headersWithUnderscores: parts.settings.underscores,
    });
    this.headTimeout = headTimeout(parts.settings, this.stats);
    this.filterChainName = parts.filterChainName;
    this.bufferLimitBytes = parts.bufferLimitBytes;
    this.overload = parts.overload;
    this.#drainsOnFailure = parts.drainsOnFailure;
    this.#inbound = parts.inbound;
    this.filterInstances = parts.filterInstances;
    this.createTerminal = parts.createTerminal;
    this.#routes = parts.routes;
    this.#internalOnly = parts.routes?.internalOnlyHeaders ?? [];
    this.#accessLogs = parts.accessLogs;
    this.#localReply = parts.localReply;
  }

  /** Counts the request and applies the header rules. False: the request has been answered here. */
  onRequestHeaders(stream: Stream, headers: RequestHeaders, upgrade: string): boolean {
    const { info, connection } = stream;
    this.onRefusedRequest(stream, headers);
    if (this.overload.refusesRequest) {
      this.lane.inc(this.stats.downstreamRqOverloadClose);
      stream.sendLocalReply(503, 'envoy overloaded', 'overload', this.settings.overloadHeaders);
      return false;
    }
    if (headers.path === '*') {
      this.lane.inc(this.stats.downstreamRqNonRelativePath);
      stream.sendLocalReply(404, '', 'absolute_path_rejected');
      return false;
    }
    const { settings } = this;
    const verdict = normalizeTarget(headers, settings, connection.localPort);
    if (verdict !== 'continue') return this.#answerBadPath(stream, verdict, headers);
    for (const mutations of settings.earlyMutations) mutations.evaluate(headers, stream);
    const client = this.#client;
    if (!applyRequestRules(headers, settings, connection, this.worker, client, this.#internalOnly)) {
      stream.sendLocalReply(client.rejectStatus, '', 'rejecting_because_detection_failed');
      return false;
    }
    info.internal = this.#client.internal;
    info.downstreamRemoteAddress = this.#client.address;
    info.downstreamRemotePort = this.#client.address === connection.remoteAddress ? connection.remotePort : 0;
    if (this.settings.generateRequestId || headers.hasId(HeaderId.X_REQUEST_ID))
      info.requestId = headers.getId(HeaderId.X_REQUEST_ID) ?? '';
    if (headers.method === 'QUERY' && !headers.hasId(HeaderId.CONTENT_TYPE)) {
      stream.sendLocalReply(400, '', 'query_missing_content_type');
      return false;
    }
    return upgrade === '' || this.#acceptUpgrade(stream, headers, upgrade);
  }

  /** Because of a drain, this response is the last one of its connection. */
  drainsConnection(): boolean {
    const { draining, stopping, gradualDrain } = this.worker;
    if (draining && (stopping || this.#drainsOnFailure)) return true;
    return gradualDrain !== null && gradualDrain.endsConnection(this.#inbound);
  }

  /** Counts a request, and keeps what the log says of its line; all there is to do for one that is refused. */
  onRefusedRequest(stream: Stream, headers: RequestHeaders | null): void {
    const { lane, stats } = this;
    const { info } = stream;
    lane.inc(stats.downstreamRqTotal);
    lane.gaugeInc(stats.downstreamRqActive);
    lane.inc(info.protocol === 'HTTP/2' ? stats.downstreamRqHttp2Total : stats.downstreamRqHttp1Total);
    if (headers === null) return;
    info.originalMethod = headers.method;
    info.originalPath = headers.path;
    info.originalAuthority = headers.authority;
  }

  /** An upgrade has to be enabled on the route, or here and not disabled on the route. */
  #acceptUpgrade(stream: Stream, headers: RequestHeaders, upgrade: string): boolean {
    const type = upgrade.toLowerCase();
    if (type !== 'connect') {
      headers.addLine('connection: Upgrade\r\n', 'connection', 'Upgrade');
      headers.addLine(`upgrade: ${upgrade}\r\n`, 'upgrade', upgrade);
    }
    const route = stream.getRoute();
    // A CONNECT nobody has a route for is a request like any other without one.
    if (type === 'connect' && route === null) return true;
    const onRoute = route?.upgradeConfigs.get(type);
    const enabled =
      onRoute === undefined ? (this.settings.upgradeTypes.get(type) ?? false) : (onRoute.enabled ?? true);
    if (!enabled) return this.#refuseUpgrade(stream);
    stream.upgrade = type;
    this.lane.inc(this.stats.downstreamCxUpgradesTotal);
    this.lane.gaugeInc(this.stats.downstreamCxUpgradesActive);
    return true;
  }

  #refuseUpgrade(stream: Stream): boolean {
    this.lane.inc(this.stats.downstreamRqWsOnNonWsRoute);
    stream.closeConnection = true;
    stream.sendLocalReply(403, '', 'upgrade_failed');
    return false;
  }

  #answerBadPath(stream: Stream, verdict: 'reject' | 'redirect', headers: RequestHeaders): boolean {
    if (verdict === 'reject') {
      this.lane.inc(this.stats.downstreamRqFailedPathNormalization);
      stream.sendLocalReply(400, '', 'path_normalization_failed');
      return false;
    }
    this.lane.inc(this.stats.downstreamRqRedirectedWithNormalizedPath);
    stream.sendLocalReply(307, '', 'path_normalization_failed', [['location', headers.path]]);
    return false;
  }

  findRoute(stream: Stream): Route | null {
    const headers = stream.requestHeaders;
    if (this.#routes === null || headers === null) return null;
    return this.#routes.match(headers, stream);
  }

  /** The last changes to a response, upstream's or our own, and its statistics. */
  onResponseHeaders(stream: Stream, headers: ResponseHeaders): void {
    const { settings, worker } = this;
    const nowMs = worker.timers.clock.nowMs();
    stream.info.firstDownstreamTxByteMs = nowMs;
    if (!headers.hasId(HeaderId.DATE))
      headers.addLine(worker.dateLine.lineAt(nowMs), 'date', worker.dateLine.valueAt(nowMs));
    if (settings.serverHeader === 'OVERWRITE') {
      headers.removeId(HeaderId.SERVER);
      headers.addLine(settings.serverLine, 'server', settings.serverName);
    } else if (settings.serverHeader === 'APPEND_IF_ABSENT' && !headers.hasId(HeaderId.SERVER)) {
      headers.addLine(settings.serverLine, 'server', settings.serverName);
    }
    if (settings.via !== '') appendVia(headers, settings.via);
    const askedForId =
      settings.alwaysSetRequestIdInResponse || stream.requestHeaders?.hasId(HeaderId.X_ENVOY_FORCE_TRACE);
    if (askedForId && stream.info.requestId !== '') headers.set('x-request-id', stream.info.requestId);
    stream.info.responseCode = headers.status;
    if (!stream.requestEnded) this.lane.inc(this.stats.downstreamRqResponseBeforeRqComplete);
    this.#chargeStatus(headers.status);
    if (isGrpcContentType(headers.getId(HeaderId.CONTENT_TYPE))) {
      const grpcStatus = headers.get('grpc-status');
      if (grpcStatus !== undefined) stream.info.grpcStatus = Number(grpcStatus);
    }
  }

  #chargeStatus(status: number): void {
    const { lane, stats, listenerStats } = this;
    lane.inc(stats.downstreamRqCompleted);
    lane.inc(listenerStats.downstreamRqCompleted);
    const group = status < 200 ? 1 : status < 300 ? 2 : status < 400 ? 3 : status < 500 ? 4 : 5;
    switch (group) {
      case 1:
        lane.inc(stats.downstreamRq1xx);
        lane.inc(listenerStats.downstreamRq1xx);
        break;
      case 2:
        lane.inc(stats.downstreamRq2xx);
        lane.inc(listenerStats.downstreamRq2xx);
        break;
      case 3:
        lane.inc(stats.downstreamRq3xx);
        lane.inc(listenerStats.downstreamRq3xx);
        break;
      case 4:
        lane.inc(stats.downstreamRq4xx);
        lane.inc(listenerStats.downstreamRq4xx);
        break;
      default:
        lane.inc(stats.downstreamRq5xx);
        lane.inc(listenerStats.downstreamRq5xx);
    }
  }

  onStreamEnd(stream: Stream): void {
    const { lane, stats } = this;
    const { info } = stream;
    lane.gaugeDec(stats.downstreamRqActive);
    if (stream.upgrade !== '') lane.gaugeDec(stats.downstreamCxUpgradesActive);
    lane.record(stats.downstreamRqTime, info.endMs - info.startMs);
    for (let i = 0; i < this.#accessLogs.length; i++) this.#accessLogs[i].log(stream);
  }

  formatLocalReply(stream: Stream, headers: ResponseHeaders, body: string): FormattedReply | null {
    return this.#localReply === null ? null : this.#localReply.apply(stream, headers, body);
  }

  close(): void {
    for (const instance of this.filterInstances) instance.close?.();
  }
}
