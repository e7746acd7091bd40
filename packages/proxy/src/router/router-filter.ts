// The router: picks cluster and host, sends the request there, brings the response back, and turns every way this can
// fail into Envoy's answer. One per stream object, reused for each request. Worker threads only.

import { Timer } from '@dragoman/base';
import { HeaderId, type HeaderMap, type RequestHeaders, type ResponseHeaders } from '@dragoman/http';
import type { Cluster } from '../cluster/cluster.ts';
import type { Stream } from '../filter-chain/stream.ts';
import type { TerminalFilter } from '../filter-chain/terminal.ts';
import { evadesHandshake } from '../filter-chain/upgrade.ts';
import { ResponseFlag } from '../format/response-flags.ts';
import { type Route, RouteAction } from '../route/route.ts';
import type { ConnectionPools } from '../upstream/connection-pools.ts';
import {
  type PendingRequest,
  ResetReason,
  type UpstreamHandler,
  type UpstreamStream,
} from '../upstream/upstream-stream.ts';
import { AttemptHost } from './attempt-host.ts';
import { answerDirectly, answerNoCluster, answerNoRoute } from './direct-answers.ts';
import {
  DROP,
  DROP_ALL,
  type Failure,
  failureFlag,
  handshakeFailure,
  NO_HEALTHY_HOST,
  resetDetails,
  resetFailure,
  timeoutFailure,
} from './failure.ts';
import { becomesGet, followRedirect } from './internal-redirect.ts';
import { RequestMirror } from './mirror.ts';
import { reportStatus } from './outlier-report.ts';
import { RequestBody } from './request-body.ts';
import { RequestCharges } from './request-charges.ts';
import { type RequestTimerHandler, RequestTimers } from './request-timers.ts';
import { decorateResponse } from './response-headers.ts';
import { RetryDecision, RetryState, refusedRetryFlag } from './retry-state.ts';
import type { RouteStats } from './route-stats.ts';
import type { RouterSettings } from './router-settings.ts';
import { refusedByStrictCheck } from './strict-headers.ts';

export class RouterFilter implements TerminalFilter, UpstreamHandler, RequestTimerHandler {
  readonly #stream: Stream;
  readonly #settings: RouterSettings;
  readonly #pools: ConnectionPools;
  readonly #timers: RequestTimers;
  readonly #charges: RequestCharges;
  readonly #backOffTimer: Timer;
  readonly #retry = new RetryState();
  #route: Route | null = null;
  #cluster: Cluster | null = null;
  readonly #hosts = new AttemptHost();
  #headers: RequestHeaders | null = null;
  #pending: PendingRequest | null = null;
  #upstream: UpstreamStream | null = null;
  /** Body bytes that wait for a connection, or are kept to be sent again. */
  readonly #body = new RequestBody(this.#retry);
  #trailers: HeaderMap | null = null;
  #requestEnded = false;
  #responseStarted = false;
  /** A set-cookie value for a cookie the hash policy made; several are separated by line feeds. */
  #setCookie: string | null = null;
  readonly #mirror = new RequestMirror();
  /** Monotonic time at which the whole request had come; 0 before. */
  #requestEndMs = 0;
  /** The client's side was paused because the upstream does not take more. */
  #clientPaused = false;
  /** True while the stream hands something over and will call flush() itself. */
  #inCall = false;

  constructor(stream: Stream, settings: RouterSettings, pools: ConnectionPools, routeStats: RouteStats) {
    this.#stream = stream;
    this.#settings = settings;
    this.#pools = pools;
    this.#timers = new RequestTimers(stream.worker.timers, settings, this);
    this.#charges = new RequestCharges(routeStats);
    this.#backOffTimer = new Timer(() => this.#startAttempt());
  }

  // --- the request ---

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    const stream = this.#stream;
    const { lane, stats } = stream.manager;
    lane.inc(stats.rqTotal);
    const route = headers.method === '' ? null : stream.getRoute();
    if (route === null) {
      answerNoRoute(stream, headers);
      return;
    }
    stream.localReplyRoute = route;
    if (route.action !== RouteAction.Route) {
      answerDirectly(stream, route, headers, !this.#settings.suppressEnvoyHeaders);
      return;
    }
    const clusterName = route.clusterFor(headers);
    const cluster = stream.worker.clusters.get(clusterName);
    stream.info.upstreamCluster = clusterName;
    if (cluster === undefined) {
      answerNoCluster(stream, route);
      return;
    }
    if (refusedByStrictCheck(stream, headers, this.#settings.strictCheckHeaders)) return;
    this.#begin(route, cluster, headers, endStream);
    if (!this.#choosesHost()) return;
    route.finalizeRequestHeaders(headers, stream, !this.#settings.suppressEnvoyHeaders);
    this.#setEnvoyHeaders(headers);
    this.#inCall = true;
    if (endStream) {
      this.#onRequestEnd(stream.info.lastDownstreamRxByteMs);
      this.#mirror.send(this.#stream, this.#headers!, this.#trailers, this.#timers.timeoutMs);
    }
    this.#connect();
    this.#inCall = false;
  }

  #begin(route: Route, cluster: Cluster, headers: RequestHeaders, endStream: boolean): void {
    const stream = this.#stream;
    this.#route = route;
    this.#cluster = cluster;
    this.#headers = headers;
    this.#body.begin(cluster, route.internalRedirect !== null, this.#keptLimitBytes);
    this.#trailers = null;
    this.#requestEnded = endStream;
    this.#responseStarted = false;
    this.#requestEndMs = 0;
    this.#clientPaused = false;
    stream.info.setUpstreamCluster(cluster);
    this.#timers.begin(route, headers, cluster.protocolOptions.maxStreamDurationMs);
    this.#retry.begin(route, headers, cluster);
    this.#mirror.begin(route.mirrorPolicies);
    this.#charges.begin(route, cluster, headers, stream.info);
    this.#setCookie = this.#hosts.begin(route, cluster, headers, stream.info);
  }

  /** Finds a host for the next attempt, or answers that there is none. */
  #choosesHost(): boolean {
    const cluster = this.#cluster!;
    const refused = cluster.dropsOverload();
    if (!refused && this.#hosts.choose()) return true;
    this.#answerFailure(!refused ? NO_HEALTHY_HOST : cluster.dropsAll ? DROP_ALL : DROP);
    return false;
  }

  #setEnvoyHeaders(headers: RequestHeaders): void {
    const route = this.#route!;
    const { suppressEnvoyHeaders } = this.#settings;
    this.#timers.tell(headers, 0);
    if (route.virtualHost.includeRequestAttemptCount) headers.set('x-envoy-attempt-count', '1');
    if (route.autoHostRewrite) route.rewriteToHost(headers, this.#hosts.host.hostname, !suppressEnvoyHeaders);
  }

  decodeData(bytes: Buffer, endStream: boolean): void {
    if (this.#cluster === null) return;
    this.#inCall = true;
    if (endStream) {
      this.#requestEnded = true;
      this.#onRequestEnd(this.#stream.info.lastDownstreamRxByteMs);
    }
    if (this.#mirror.wanted && !this.#mirror.keep(bytes, this.#keptLimitBytes))
      this.#cluster.lane.inc(this.#cluster.stats.retryOrShadowAbandoned);
    const upstream = this.#upstream;
    if (upstream === null) {
      if (!this.#body.wait(bytes, this.#stream.manager.bufferLimitBytes)) this.#pauseClient(true);
    } else {
      this.#body.send(bytes);
      upstream.sendData(bytes, endStream);
      this.#checkUpstreamBuffer(upstream);
    }
    if (endStream) this.#mirror.send(this.#stream, this.#headers!, this.#trailers, this.#timers.timeoutMs);
    this.#inCall = false;
  }

  decodeTrailers(trailers: HeaderMap): void {
    if (this.#cluster === null) return;
    this.#requestEnded = true;
    this.#trailers = trailers;
    this.#onRequestEnd(this.#stream.info.lastDownstreamRxByteMs);
    this.#upstream?.sendTrailers(trailers);
    this.#mirror.send(this.#stream, this.#headers!, this.#trailers, this.#timers.timeoutMs);
  }

  flush(): void {
    this.#upstream?.flush();
  }

  pauseResponse(paused: boolean): void {
    this.#upstream?.pauseReading(paused);
  }

  get #keptLimitBytes(): number {
    return this.#route!.requestBufferLimitBytes || this.#stream.manager.bufferLimitBytes;
  }

  #onRequestEnd(nowMs: number): void {
    this.#requestEndMs = nowMs;
    if (this.#stream.upgrade !== '') return;
    this.#timers.onRequestEnd(nowMs);
    if (this.#upstream !== null) this.#timers.onRequestSent();
  }

  #pauseClient(paused: boolean): void {
    if (this.#clientPaused === paused) return;
    this.#clientPaused = paused;
    this.#stream.pauseRequest(paused);
  }

  #checkUpstreamBuffer(upstream: UpstreamStream): void {
    if (this.#clientPaused || !upstream.needsDrain) return;
    const cluster = this.#cluster!;
    cluster.lane.inc(cluster.stats.upstreamFlowControlBackedUpTotal);
    this.#pauseClient(true);
  }

  // --- attempts ---

  #startAttempt(): void {
    this.#timers.tell(this.#headers!, this.#stream.worker.timers.clock.nowMs() - this.#requestEndMs);
    if (this.#choosesHost()) this.#connect();
  }

  #connect(): void {
    const { info } = this.#stream;
    const { host } = this.#hosts;
    info.attemptCount++;
    info.upstreamHost = host;
    this.#timers.onConnecting();
    const pool = this.#pools.poolOf(host, this.#cluster!, this.#route!, this.#stream);
    this.#pending = pool.newStream(this);
  }

  onUpstreamReady(upstream: UpstreamStream): void {
    const { info } = this.#stream;
    this.#pending = null;
    this.#upstream = upstream;
    this.#timers.onReady();
    info.upstreamPoolReadyMs = this.#timers.waitedMs();
    info.firstUpstreamTxByteMs = this.#timers.attemptStartMs + info.upstreamPoolReadyMs;
    info.upstreamLocalAddress = upstream.localAddress;
    info.upstreamRemoteAddress = upstream.host.addressText;
    info.upstreamProtocol = upstream.protocol;
    info.upstreamTls = upstream.tls;
    this.#hosts.onConnected();
    const body = this.#body.takeWhole();
    const hasMore = body !== null || this.#trailers !== null || !this.#requestEnded;
    upstream.sendHeaders(this.#headers!, !hasMore);
    if (body !== null) {
      upstream.sendData(body, this.#requestEnded && this.#trailers === null);
    }
    if (this.#trailers !== null) upstream.sendTrailers(this.#trailers);
    this.#checkUpstreamBuffer(upstream);
    if (!upstream.needsDrain) this.#pauseClient(false);
    if (this.#requestEnded) this.#timers.onRequestSent();
    if (!this.#inCall) upstream.flush();
  }

  onUpstreamWritable(): void {
    const cluster = this.#cluster;
    if (cluster === null || !this.#clientPaused) return;
    cluster.lane.inc(cluster.stats.upstreamFlowControlDrainedTotal);
    this.#pauseClient(false);
  }

  onUpstreamReadDone(): void {
    this.#stream.flushResponse();
  }

  // --- the response ---

  onUpstreamInformational(headers: ResponseHeaders): void {
    const { settings } = this.#stream.manager;
    // The request has been heard, whether the client learns of it or not.
    this.#retry.giveUp();
    this.#charges.charge(headers.status, this.#stream.info.internal);
    if (!settings.proxy100Continue || (headers.status !== 100 && headers.status !== 103)) return;
    this.#stream.encodeInformational(headers);
  }

  onUpstreamHeaders(headers: ResponseHeaders, endStream: boolean): void {
    const stream = this.#stream;
    const cluster = this.#cluster!;
    const { host } = this.#hosts;
    const { info } = stream;
    const nowMs = stream.worker.timers.clock.nowMs();
    this.#timers.onResponseHeaders();
    info.firstUpstreamRxByteMs = nowMs;
    const { status } = headers;
    cluster.lane.inc(status >= 500 ? host.stats.rqError : host.stats.rqSuccess);
    reportStatus(host, headers);
    this.#charges.onResponseHeaders(headers, host);
    if (headers.hasId(HeaderId.X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL))
      cluster.reportImmediateHealthCheckFail(host);
    if (this.#retry.enabled && this.#retriedResponse(headers, endStream)) return;
    if (evadesHandshake(stream.upgrade, status)) {
      this.#dropUpstream();
      this.#answerFailure(handshakeFailure(status));
      return;
    }
    if (this.#redirected(headers, endStream)) return;
    this.#responseStarted = true;
    this.#charges.charge(status, info.internal);
    info.responseCodeDetails = 'via_upstream';
    const route = this.#route!;
    const tellsTime = !this.#settings.suppressEnvoyHeaders && this.#requestEndMs > 0;
    decorateResponse(headers, stream, route, tellsTime ? nowMs - this.#requestEndMs : -1, this.#setCookie);
    if (endStream) this.#onResponseEnd(nowMs);
    stream.encodeHeaders(headers, endStream);
  }

  /** A redirect that the route wants to be followed here: the request begins anew. */
  #redirected(response: ResponseHeaders, endStream: boolean): boolean {
    const stream = this.#stream;
    const headers = this.#headers!;
    const complete = this.#requestEnded && !this.#body.lost;
    if (!followRedirect(stream, this.#cluster!, this.#route!, headers, response, complete)) return false;
    stream.info.responseCode = response.status;
    stream.info.responseCodeDetails = 'internal_redirect';
    const dropsBody = becomesGet(response.status, headers);
    const body = dropsBody ? null : this.#body.whole;
    const trailers = dropsBody ? null : this.#trailers;
    response.inUse = false;
    if (endStream) this.#upstream = null;
    else this.#dropUpstream();
    stream.recreate(body, trailers);
    return true;
  }

  get showsData(): boolean {
    return this.#stream.encode.showsData;
  }

  onUpstreamData(bytes: Buffer, endStream: boolean): void {
    this.#timers.touch();
    if (endStream) this.#onResponseEnd(this.#stream.worker.timers.clock.nowMs());
    this.#stream.encodeData(bytes, endStream);
  }

  onUpstreamTrailers(trailers: HeaderMap): void {
    this.#onResponseEnd(this.#stream.worker.timers.clock.nowMs());
    this.#stream.encodeTrailers(trailers);
  }

  #onResponseEnd(nowMs: number): void {
    const { info } = this.#stream;
    this.#upstream = null;
    this.#timers.stop();
    info.lastUpstreamRxByteMs = nowMs;
    if (this.#requestEndMs > 0) {
      const timeMs = nowMs - this.#requestEndMs;
      this.#charges.chargeTime(timeMs, info.internal);
    }
    this.#pauseClient(false);
  }

  /** Asks whether this response is to be given to the client, or the request tried again. */
  #retriedResponse(headers: ResponseHeaders, endStream: boolean): boolean {
    const cluster = this.#cluster!;
    const decision = this.#retry.onResponse(headers);
    if (decision === RetryDecision.No) return false;
    if (decision !== RetryDecision.Yes) {
      this.#stream.info.addResponseFlag(refusedRetryFlag(decision));
      return false;
    }
    cluster.responses.chargeRetriedResponse(headers.status);
    headers.inUse = false;
    if (endStream) this.#upstream = null;
    else this.#dropUpstream();
    this.#scheduleRetry();
    return true;
  }

  #retriedReset(reason: ResetReason, timedOut = false): boolean {
    const decision = this.#retry.enabled ? this.#retry.onReset(reason) : RetryDecision.No;
    if (decision === RetryDecision.Yes) this.#scheduleRetry(timedOut);
    else if (decision !== RetryDecision.No) this.#stream.info.addResponseFlag(refusedRetryFlag(decision));
    return decision === RetryDecision.Yes;
  }

  #scheduleRetry(timedOut = false): void {
    const headers = this.#headers!;
    const { info, worker } = this.#stream;
    const { virtualHost } = this.#route!;
    this.#timers.stopAttempt();
    this.#hosts.leave(this.#route!.retryPolicy?.avoidPreviousHosts ?? false);
    if (virtualHost.includeRequestAttemptCount)
      headers.set('x-envoy-attempt-count', String(info.attemptCount + 1));
    if (virtualHost.includeIsTimeoutRetryHeader)
      headers.set('x-envoy-is-timeout-retry', timedOut ? 'true' : 'false');
    worker.timers.start(this.#backOffTimer, this.#retry.backOffMs());
  }

  onUpstreamReset(reason: ResetReason, transportFailure: string): void {
    const stream = this.#stream;
    const { info } = stream;
    if (this.#upstream === null) info.upstreamPoolReadyMs = this.#timers.waitedMs();
    this.#pending = null;
    this.#upstream = null;
    this.#timers.stopAttempt();
    if (transportFailure !== '') info.upstreamTransportFailureReason = transportFailure;
    if (this.#responseStarted) {
      stream.manager.lane.inc(stream.manager.stats.rqResetAfterDownstreamResponseStarted);
      info.addResponseFlag(failureFlag(reason));
      this.#cutResponse(resetDetails('after', reason, transportFailure));
      return;
    }
    if (reason !== ResetReason.Overflow) this.#hosts.onFailure(reason);
    if (this.#retriedReset(reason)) return;
    this.#answerFailure(resetFailure(reason, transportFailure, info.attemptCount > 1));
  }

  #answerFailure({ flag, status, body, details, headers }: Failure): void {
    const stream = this.#stream;
    stream.info.addResponseFlag(flag);
    this.#charges.charge(status, stream.info.internal);
    stream.attemptCountHeader = this.#route!.virtualHost.includeAttemptCountInResponse;
    stream.sendLocalReply(status, body, details, headers);
  }

  onTimeout(): void {
    const { lane, stats } = this.#cluster!;
    lane.inc(stats.upstreamRqTimeout);
    this.#hosts.onTimeout();
    this.#dropUpstream();
    this.#answerTimeout('response_timeout');
  }

  #cutResponse(details: string): void {
    this.#stream.info.responseCodeDetails = details;
    this.#stream.resetStream();
  }

  #answerTimeout(details: string): void {
    this.#stream.info.addResponseFlag(ResponseFlag.UpstreamRequestTimeout);
    if (this.#responseStarted) this.#cutResponse(details);
    else this.#answerFailure(timeoutFailure(details, this.#timers.altResponse));
  }

  onPerTryTimeout(): void {
    this.#onAttemptTimeout(this.#cluster!.stats.upstreamRqPerTryTimeout, 'upstream_per_try_timeout');
  }

  onPerTryIdleTimeout(): void {
    this.#onAttemptTimeout(this.#cluster!.stats.upstreamRqPerTryIdleTimeout, 'upstream_per_try_idle_timeout');
  }

  #onAttemptTimeout(stat: number, details: string): void {
    this.#cluster!.lane.inc(stat);
    this.#hosts.onTimeout();
    this.#timers.stopAttempt();
    this.#dropUpstream();
    if (!this.#responseStarted && this.#retriedReset(ResetReason.LocalReset, true)) return;
    this.#answerTimeout(details);
  }

  onMaxDuration(): void {
    const { lane, stats } = this.#cluster!;
    const stream = this.#stream;
    const details = 'upstream_max_stream_duration_reached';
    lane.inc(stats.upstreamRqMaxDurationReached);
    this.#timers.stopAttempt();
    this.#dropUpstream();
    if (!this.#responseStarted && this.#retriedReset(ResetReason.LocalReset)) return;
    stream.info.addResponseFlag(ResponseFlag.UpstreamMaxStreamDurationReached);
    if (this.#responseStarted) {
      this.#cutResponse(details);
    } else {
      stream.attemptCountHeader = this.#route!.virtualHost.includeAttemptCountInResponse;
      const status = this.#requestEnded ? 504 : 408;
      stream.sendLocalReply(status, 'upstream max stream duration reached', details);
    }
  }

  #dropUpstream(): void {
    this.#pending?.cancel();
    this.#pending = null;
    const upstream = this.#upstream;
    this.#upstream = null;
    upstream?.cancel();
  }

  cancel(): void {
    if (this.#cluster === null) return;
    this.#dropUpstream();
    this.#timers.stop();
    this.#backOffTimer.stop();
    this.#retry.end();
    this.#route = null;
    this.#cluster = null;
    this.#hosts.end();
    this.#headers = null;
    this.#body.end();
    this.#trailers = null;
    this.#mirror.end();
    this.#charges.end();
  }
}
