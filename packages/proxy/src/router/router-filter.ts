// The router: picks cluster and host, sends the request there, brings the response back, and turns every way this can
// fail into Envoy's answer. One per stream object, reused for each request. Worker threads only.

import { Timer } from '@dragoman/base';
import { HeaderId, type HeaderMap, type RequestHeaders, type ResponseHeaders } from '@dragoman/http';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { LbContext } from '../cluster/load-balancer/load-balancer.ts';
import { OutlierResult } from '../cluster/outlier/outlier-monitor.ts';
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
import { answerDirectly, answerNoCluster, answerNoRoute } from './direct-answers.ts';
import {
  failureBody,
  failureDetails,
  failureFlag,
  failureStatus,
  isConnectFailure,
  OVERLOADED,
} from './failure.ts';
import { fillLbContext } from './host-selection.ts';
import { KeptBody } from './kept-body.ts';
import { RequestMirror } from './mirror.ts';
import { reportStatus } from './outlier-report.ts';
import { RetryDecision, RetryState, refusedRetryFlag } from './retry-state.ts';
import { NO_SCOPES, type RouteScope, type RouteStats } from './route-stats.ts';
import type { RouterSettings } from './router-settings.ts';
import { requestTimeouts, setExpectedTimeout } from './timeouts.ts';

export class RouterFilter implements TerminalFilter, UpstreamHandler {
  readonly #stream: Stream;
  readonly #settings: RouterSettings;
  readonly #pools: ConnectionPools;
  readonly #routeStats: RouteStats;
  readonly #timeoutTimer: Timer;
  readonly #perTryTimer: Timer;
  readonly #backOffTimer: Timer;
  readonly #lb = new LbContext();
  readonly #retry = new RetryState();
  #route: Route | null = null;
  #cluster: Cluster | null = null;
  #host: Host | null = null;
  #headers: RequestHeaders | null = null;
  #pending: PendingRequest | null = null;
  #upstream: UpstreamStream | null = null;
  /** Body bytes that wait for a connection, or are kept to be sent again. */
  readonly #body = new KeptBody();
  #trailers: HeaderMap | null = null;
  #requestEnded = false;
  #responseStarted = false;
  /** A set-cookie value for a cookie the hash policy made; several are separated by line feeds. */
  #setCookie: string | null = null;
  readonly #mirror = new RequestMirror();
  #scopes: readonly RouteScope[] = NO_SCOPES;
  #timeoutMs = 0;
  #perTryTimeoutMs = 0;
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
    this.#routeStats = routeStats;
    this.#timeoutTimer = new Timer(() => this.#onTimeout());
    this.#perTryTimer = new Timer(() => this.#onPerTryTimeout());
    this.#backOffTimer = new Timer(() => this.#startAttempt());
  }

  // --- the request ---

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    const stream = this.#stream;
    const { lane, stats } = stream.manager;
    lane.inc(stats.rqTotal);
    const route = stream.getRoute();
    if (route === null) {
      answerNoRoute(stream);
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
    this.#begin(route, cluster, headers, endStream);
    if (!this.#choosesHost()) return;
    route.finalizeRequestHeaders(headers, stream, !this.#settings.suppressEnvoyHeaders);
    this.#setEnvoyHeaders(headers);
    this.#inCall = true;
    if (endStream) {
      this.#onRequestEnd(stream.info.lastDownstreamRxByteMs);
      this.#mirror.send(this.#stream, this.#headers!, this.#trailers, this.#timeoutMs);
    }
    this.#connect();
    this.#inCall = false;
  }

  #begin(route: Route, cluster: Cluster, headers: RequestHeaders, endStream: boolean): void {
    const stream = this.#stream;
    this.#route = route;
    this.#cluster = cluster;
    this.#headers = headers;
    this.#body.clear();
    this.#trailers = null;
    this.#requestEnded = endStream;
    this.#responseStarted = false;
    this.#requestEndMs = 0;
    this.#clientPaused = false;
    stream.info.setUpstreamCluster(cluster);
    const timeouts = requestTimeouts(route, headers, this.#settings);
    this.#timeoutMs = timeouts.globalMs;
    this.#perTryTimeoutMs = timeouts.perTryMs;
    this.#retry.begin(route, headers, cluster);
    this.#mirror.begin(route.mirrorPolicies);
    this.#scopes = this.#routeStats.scopesOf(route, headers);
    for (const scope of this.#scopes) cluster.lane.inc(scope.upstreamRqTotal);
    fillLbContext(this.#lb, route, cluster, headers);
    this.#setCookie =
      route.hashPolicy === null ? null : route.hashPolicy.compute(headers, stream.info, this.#lb);
  }

  /** Finds a host for the next attempt, or answers that there is none. */
  #choosesHost(): boolean {
    const cluster = this.#cluster!;
    if (cluster.dropsOverload()) {
      this.#stream.info.addResponseFlag(ResponseFlag.DropOverload);
      this.#answerFailure(503, 'drop overload', 'drop_overload', true);
      return false;
    }
    this.#host = cluster.chooseHost(this.#lb);
    if (this.#host !== null) return true;
    this.#stream.info.addResponseFlag(ResponseFlag.NoHealthyUpstream);
    this.#answerFailure(503, 'no healthy upstream', 'no_healthy_upstream', false);
    return false;
  }

  #setEnvoyHeaders(headers: RequestHeaders): void {
    const route = this.#route!;
    const { suppressEnvoyHeaders } = this.#settings;
    const timeoutMs = this.#perTryTimeoutMs > 0 ? this.#perTryTimeoutMs : this.#timeoutMs;
    if (!suppressEnvoyHeaders && timeoutMs > 0) setExpectedTimeout(headers, timeoutMs);
    if (route.virtualHost.includeRequestAttemptCount) headers.set('x-envoy-attempt-count', '1');
    if (route.autoHostRewrite) route.rewriteToHost(headers, this.#host!.hostname, !suppressEnvoyHeaders);
  }

  decodeData(bytes: Buffer, endStream: boolean): void {
    if (this.#cluster === null) return;
    this.#inCall = true;
    if (endStream) {
      this.#requestEnded = true;
      this.#onRequestEnd(this.#stream.info.lastDownstreamRxByteMs);
    }
    this.#keepBody(bytes);
    if (this.#mirror.wanted && !this.#mirror.keep(bytes, this.#stream.manager.bufferLimitBytes))
      this.#cluster.lane.inc(this.#cluster.stats.retryOrShadowAbandoned);
    const upstream = this.#upstream;
    if (upstream !== null) {
      upstream.sendData(bytes, endStream);
      this.#checkUpstreamBuffer(upstream);
    }
    if (endStream) this.#mirror.send(this.#stream, this.#headers!, this.#trailers, this.#timeoutMs);
    this.#inCall = false;
  }

  decodeTrailers(trailers: HeaderMap): void {
    if (this.#cluster === null) return;
    this.#requestEnded = true;
    this.#trailers = trailers;
    this.#onRequestEnd(this.#stream.info.lastDownstreamRxByteMs);
    this.#upstream?.sendTrailers(trailers);
    this.#mirror.send(this.#stream, this.#headers!, this.#trailers, this.#timeoutMs);
  }

  flush(): void {
    this.#upstream?.flush();
  }

  pauseResponse(paused: boolean): void {
    this.#upstream?.pauseReading(paused);
  }

  /** Bytes are kept while there is no connection, and as long as the request may have to be sent again. */
  #keepBody(bytes: Buffer): void {
    if (bytes.length === 0 || (this.#upstream !== null && !this.#retry.possible)) return;
    const { bufferLimitBytes } = this.#stream.manager;
    if (this.#upstream === null) {
      if (!this.#body.keepAnyway(bytes, bufferLimitBytes)) this.#pauseClient(true);
    } else if (!this.#body.keep(bytes, bufferLimitBytes)) {
      // Too much to keep: the request goes on, but cannot be tried again.
      this.#retry.giveUp();
      this.#cluster!.lane.inc(this.#cluster!.stats.retryOrShadowAbandoned);
    }
  }

  #onRequestEnd(nowMs: number): void {
    this.#requestEndMs = nowMs;
    if (this.#stream.upgrade !== '') return;
    if (this.#timeoutMs > 0) this.#stream.worker.timers.start(this.#timeoutTimer, this.#timeoutMs, nowMs);
    if (this.#upstream !== null) this.#startPerTryTimer();
  }

  #startPerTryTimer(): void {
    if (this.#perTryTimeoutMs > 0) this.#stream.worker.timers.start(this.#perTryTimer, this.#perTryTimeoutMs);
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
    if (this.#choosesHost()) this.#connect();
  }

  #connect(): void {
    const { info } = this.#stream;
    const host = this.#host!;
    info.attemptCount++;
    info.upstreamHost = host;
    const pool = this.#pools.poolOf(host, this.#cluster!, this.#route!, this.#stream);
    this.#pending = pool.newStream(this);
  }

  onUpstreamReady(upstream: UpstreamStream): void {
    const { info } = this.#stream;
    this.#pending = null;
    this.#upstream = upstream;
    info.upstreamLocalAddress = upstream.localAddress;
    info.upstreamRemoteAddress = upstream.host.addressText;
    info.upstreamProtocol = upstream.protocol;
    this.#host!.outlier?.putResult(OutlierResult.LOCAL_ORIGIN_CONNECT_SUCCESS);
    const body = this.#body.whole;
    const hasMore = body !== null || this.#trailers !== null || !this.#requestEnded;
    upstream.sendHeaders(this.#headers!, !hasMore);
    if (body !== null) {
      upstream.sendData(body, this.#requestEnded && this.#trailers === null);
      if (!this.#retry.possible) this.#body.clear();
    }
    if (this.#trailers !== null) upstream.sendTrailers(this.#trailers);
    this.#checkUpstreamBuffer(upstream);
    if (!upstream.needsDrain) this.#pauseClient(false);
    if (this.#requestEnded) this.#startPerTryTimer();
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
    if (!settings.proxy100Continue || (headers.status !== 100 && headers.status !== 103)) return;
    this.#retry.giveUp();
    this.#stream.encodeInformational(headers);
  }

  onUpstreamHeaders(headers: ResponseHeaders, endStream: boolean): void {
    const stream = this.#stream;
    const cluster = this.#cluster!;
    const host = this.#host!;
    const { info } = stream;
    const nowMs = stream.worker.timers.clock.nowMs();
    this.#perTryTimer.stop();
    info.firstUpstreamRxByteMs = nowMs;
    const { status } = headers;
    cluster.lane.inc(status >= 500 ? host.stats.rqError : host.stats.rqSuccess);
    reportStatus(host, headers);
    if (headers.hasId(HeaderId.X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL))
      cluster.reportImmediateHealthCheckFail(host);
    if (this.#retry.enabled && this.#retriedResponse(headers, endStream)) return;
    if (evadesHandshake(stream.upgrade, status)) {
      this.#dropUpstream();
      this.#answerFailure(status, '', 'websocket_handshake_unsuccessful', false);
      return;
    }
    this.#responseStarted = true;
    this.#charge(status);
    info.responseCodeDetails = 'via_upstream';
    const route = this.#route!;
    if (!this.#settings.suppressEnvoyHeaders && this.#requestEndMs > 0) {
      const timeMs = Math.floor(nowMs - this.#requestEndMs);
      headers.set('x-envoy-upstream-service-time', String(timeMs));
    }
    if (route.virtualHost.includeAttemptCountInResponse)
      headers.set('x-envoy-attempt-count', String(info.attemptCount));
    if (this.#setCookie !== null)
      for (const cookie of this.#setCookie.split('\n')) headers.add('set-cookie', cookie);
    route.finalizeResponseHeaders(headers, stream);
    if (endStream) this.#onResponseEnd(nowMs);
    stream.encodeHeaders(headers, endStream);
  }

  get showsData(): boolean {
    return this.#stream.encode.showsData;
  }

  onUpstreamData(bytes: Buffer, endStream: boolean): void {
    if (endStream) this.#onResponseEnd(this.#stream.worker.timers.clock.nowMs());
    this.#stream.encodeData(bytes, endStream);
  }

  onUpstreamTrailers(trailers: HeaderMap): void {
    this.#onResponseEnd(this.#stream.worker.timers.clock.nowMs());
    this.#stream.encodeTrailers(trailers);
  }

  #onResponseEnd(nowMs: number): void {
    const cluster = this.#cluster!;
    const { info } = this.#stream;
    this.#upstream = null;
    this.#timeoutTimer.stop();
    this.#perTryTimer.stop();
    info.lastUpstreamRxByteMs = nowMs;
    if (this.#requestEndMs > 0) {
      const timeMs = nowMs - this.#requestEndMs;
      cluster.responses.chargeResponseTime(timeMs, info.internal, this.#host!.canary);
      for (let i = 0; i < this.#scopes.length; i++) this.#scopes[i].responses.chargePlainTime(timeMs);
    }
    this.#pauseClient(false);
  }

  /** Asks whether this response is to be given to the client, or the request tried again. */
  #retriedResponse(headers: ResponseHeaders, endStream: boolean): boolean {
    const cluster = this.#cluster!;
    const decision = this.#retry.onResponse(headers);
    if (decision === RetryDecision.No) return false;
    if (decision !== RetryDecision.Yes) {
      this.#chargeRefusedRetry(decision);
      return false;
    }
    cluster.responses.chargeRetriedResponse(headers.status);
    headers.inUse = false;
    if (endStream) this.#upstream = null;
    else this.#dropUpstream();
    this.#scheduleRetry();
    return true;
  }

  #retriedReset(reason: ResetReason): boolean {
    const decision = this.#retry.enabled ? this.#retry.onReset(reason) : RetryDecision.No;
    if (decision === RetryDecision.Yes) this.#scheduleRetry();
    else if (decision !== RetryDecision.No) this.#chargeRefusedRetry(decision);
    return decision === RetryDecision.Yes;
  }

  #chargeRefusedRetry(decision: RetryDecision): void {
    this.#stream.info.addResponseFlag(refusedRetryFlag(decision));
  }

  #scheduleRetry(): void {
    const headers = this.#headers!;
    const { info, worker } = this.#stream;
    this.#perTryTimer.stop();
    this.#lb.isRetry = true;
    if (this.#route!.retryPolicy?.avoidPreviousHosts) this.#lb.previousHosts.push(this.#host!);
    if (this.#route!.virtualHost.includeRequestAttemptCount)
      headers.set('x-envoy-attempt-count', String(info.attemptCount + 1));
    if (!this.#settings.suppressEnvoyHeaders && this.#perTryTimeoutMs <= 0 && this.#timeoutMs > 0) {
      const leftMs = Math.max(1, this.#timeoutMs - (worker.timers.clock.nowMs() - this.#requestEndMs));
      headers.set('x-envoy-expected-rq-timeout-ms', String(Math.round(leftMs)));
    }
    worker.timers.start(this.#backOffTimer, this.#retry.backOffMs());
  }

  onUpstreamReset(reason: ResetReason, transportFailure: string): void {
    const stream = this.#stream;
    const { info } = stream;
    this.#pending = null;
    this.#upstream = null;
    this.#perTryTimer.stop();
    if (transportFailure !== '') info.upstreamTransportFailureReason = transportFailure;
    if (this.#responseStarted) {
      stream.manager.lane.inc(stream.manager.stats.rqResetAfterDownstreamResponseStarted);
      info.addResponseFlag(failureFlag(reason));
      info.responseCodeDetails = failureDetails('after', reason, transportFailure);
      stream.resetStream();
      return;
    }
    if (reason !== ResetReason.Overflow) {
      if (!isConnectFailure(reason)) this.#cluster!.lane.inc(this.#host!.stats.rqError);
      this.#host!.outlier?.putResult(OutlierResult.LOCAL_ORIGIN_CONNECT_FAILED);
    }
    if (this.#retriedReset(reason)) return;
    info.addResponseFlag(failureFlag(reason));
    this.#answerFailure(
      failureStatus(reason),
      failureBody(reason, info.attemptCount > 1),
      failureDetails('before', reason, transportFailure),
      reason === ResetReason.Overflow,
    );
  }

  /** Counts the final answer for the cluster, and for the virtual cluster and route that have statistics. */
  #charge(status: number): void {
    this.#cluster!.responses.chargeResponse(status, this.#stream.info.internal, this.#host?.canary ?? false);
    for (let i = 0; i < this.#scopes.length; i++) this.#scopes[i].responses.chargePlain(status);
  }

  #answerFailure(status: number, body: string, details: string, overloaded: boolean): void {
    const stream = this.#stream;
    this.#charge(status);
    stream.attemptCountHeader = this.#route!.virtualHost.includeAttemptCountInResponse;
    stream.sendLocalReply(status, body, details, overloaded ? OVERLOADED : null);
  }

  #onTimeout(): void {
    const cluster = this.#cluster!;
    const { info } = this.#stream;
    cluster.lane.inc(cluster.stats.upstreamRqTimeout);
    if (this.#host !== null) {
      cluster.lane.inc(this.#host.stats.rqTimeout);
      this.#host.outlier?.putResult(OutlierResult.LOCAL_ORIGIN_TIMEOUT);
    }
    info.addResponseFlag(ResponseFlag.UpstreamRequestTimeout);
    this.#dropUpstream();
    if (this.#responseStarted) {
      info.responseCodeDetails = 'response_timeout';
      this.#stream.resetStream();
    } else {
      this.#answerFailure(504, 'upstream request timeout', 'response_timeout', false);
    }
  }

  #onPerTryTimeout(): void {
    const cluster = this.#cluster!;
    cluster.lane.inc(cluster.stats.upstreamRqPerTryTimeout);
    cluster.lane.inc(this.#host!.stats.rqTimeout);
    this.#host!.outlier?.putResult(OutlierResult.LOCAL_ORIGIN_TIMEOUT);
    this.#dropUpstream();
    if (this.#retriedReset(ResetReason.LocalReset)) return;
    this.#stream.info.addResponseFlag(ResponseFlag.UpstreamRequestTimeout);
    this.#answerFailure(504, 'upstream request timeout', 'upstream_per_try_timeout', false);
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
    this.#timeoutTimer.stop();
    this.#perTryTimer.stop();
    this.#backOffTimer.stop();
    this.#retry.end();
    this.#route = null;
    this.#cluster = null;
    this.#host = null;
    this.#headers = null;
    this.#body.clear();
    this.#trailers = null;
    this.#mirror.end();
    this.#scopes = NO_SCOPES;
  }
}
