// Statistics of one connection manager on one worker, and of the listener it stands behind: slots of the worker's lane,
// resolved once. Each field is Envoy's name in camel case; all names exist from the start, at zero.

import type { StatLane } from '@dragoman/shm';

/** Slots of `http.<stat_prefix>.*`. */
export class ManagerStats {
  readonly downstreamCxActive: number;
  readonly downstreamCxDelayedCloseTimeout: number;
  readonly downstreamCxDestroy: number;
  readonly downstreamCxDestroyActiveRq: number;
  readonly downstreamCxDestroyLocal: number;
  readonly downstreamCxDestroyLocalActiveRq: number;
  readonly downstreamCxDestroyRemote: number;
  readonly downstreamCxDestroyRemoteActiveRq: number;
  readonly downstreamCxDrainClose: number;
  readonly downstreamCxHttp1Active: number;
  readonly downstreamCxHttp1SoftDrain: number;
  readonly downstreamCxHttp1Total: number;
  readonly downstreamCxHttp2Active: number;
  readonly downstreamCxHttp2Total: number;
  readonly downstreamCxHttp3Active: number;
  readonly downstreamCxHttp3Total: number;
  readonly downstreamCxIdleTimeout: number;
  readonly downstreamCxMaxDurationReached: number;
  readonly downstreamCxMaxRequestsReached: number;
  readonly downstreamCxOverloadDisableKeepalive: number;
  readonly downstreamCxProtocolError: number;
  readonly downstreamCxRxBytesBuffered: number;
  readonly downstreamCxRxBytesTotal: number;
  readonly downstreamCxSslActive: number;
  readonly downstreamCxSslTotal: number;
  readonly downstreamCxTotal: number;
  readonly downstreamCxTxBytesBuffered: number;
  readonly downstreamCxTxBytesTotal: number;
  readonly downstreamCxUpgradesActive: number;
  readonly downstreamCxUpgradesTotal: number;
  readonly downstreamFlowControlPausedReadingTotal: number;
  readonly downstreamFlowControlResumedReadingTotal: number;
  readonly downstreamRq1xx: number;
  readonly downstreamRq2xx: number;
  readonly downstreamRq3xx: number;
  readonly downstreamRq4xx: number;
  readonly downstreamRq5xx: number;
  readonly downstreamRqActive: number;
  readonly downstreamRqCompleted: number;
  readonly downstreamRqFailedPathNormalization: number;
  readonly downstreamRqHeaderTimeout: number;
  readonly downstreamRqHttp1Total: number;
  readonly downstreamRqHttp2Total: number;
  readonly downstreamRqHttp3Total: number;
  readonly downstreamRqIdleTimeout: number;
  readonly downstreamRqMaxDurationReached: number;
  readonly downstreamRqNonRelativePath: number;
  readonly downstreamRqOverloadClose: number;
  readonly downstreamRqRedirectedWithNormalizedPath: number;
  readonly downstreamRqRejectedViaIpDetection: number;
  readonly downstreamRqResponseBeforeRqComplete: number;
  readonly downstreamRqRxReset: number;
  readonly downstreamRqTimeout: number;
  readonly downstreamRqTooLarge: number;
  readonly downstreamRqTooManyPrematureResets: number;
  readonly downstreamRqTotal: number;
  readonly downstreamRqTxReset: number;
  readonly downstreamRqWsOnNonWsRoute: number;
  readonly noCluster: number;
  readonly noRoute: number;
  readonly passthroughInternalRedirectBadLocation: number;
  readonly passthroughInternalRedirectNoRoute: number;
  readonly passthroughInternalRedirectPredicate: number;
  readonly passthroughInternalRedirectTooManyRedirects: number;
  readonly passthroughInternalRedirectUnsafeScheme: number;
  readonly rqDirectResponse: number;
  readonly rqOverloadLocalReply: number;
  readonly rqRedirect: number;
  readonly rqResetAfterDownstreamResponseStarted: number;
  readonly rqTotal: number;
  readonly rsTooLarge: number;
  readonly tracingClientEnabled: number;
  readonly tracingHealthCheck: number;
  readonly tracingNotTraceable: number;
  readonly tracingRandomSampling: number;
  readonly tracingServiceForced: number;
  readonly downstreamCxLengthMs: number;
  readonly downstreamRqTime: number;

  /** `prefix` is "http.<stat_prefix>.", with the trailing dot. */
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: one line for each statistic, and nothing else.
  constructor(lane: StatLane, prefix: string) {
    this.downstreamCxActive = lane.gauge(`${prefix}downstream_cx_active`);
    this.downstreamCxDelayedCloseTimeout = lane.counter(`${prefix}downstream_cx_delayed_close_timeout`);
    this.downstreamCxDestroy = lane.counter(`${prefix}downstream_cx_destroy`);
    this.downstreamCxDestroyActiveRq = lane.counter(`${prefix}downstream_cx_destroy_active_rq`);
    this.downstreamCxDestroyLocal = lane.counter(`${prefix}downstream_cx_destroy_local`);
    this.downstreamCxDestroyLocalActiveRq = lane.counter(`${prefix}downstream_cx_destroy_local_active_rq`);
    this.downstreamCxDestroyRemote = lane.counter(`${prefix}downstream_cx_destroy_remote`);
    this.downstreamCxDestroyRemoteActiveRq = lane.counter(`${prefix}downstream_cx_destroy_remote_active_rq`);
    this.downstreamCxDrainClose = lane.counter(`${prefix}downstream_cx_drain_close`);
    this.downstreamCxHttp1Active = lane.gauge(`${prefix}downstream_cx_http1_active`);
    this.downstreamCxHttp1SoftDrain = lane.gauge(`${prefix}downstream_cx_http1_soft_drain`);
    this.downstreamCxHttp1Total = lane.counter(`${prefix}downstream_cx_http1_total`);
    this.downstreamCxHttp2Active = lane.gauge(`${prefix}downstream_cx_http2_active`);
    this.downstreamCxHttp2Total = lane.counter(`${prefix}downstream_cx_http2_total`);
    this.downstreamCxHttp3Active = lane.gauge(`${prefix}downstream_cx_http3_active`);
    this.downstreamCxHttp3Total = lane.counter(`${prefix}downstream_cx_http3_total`);
    this.downstreamCxIdleTimeout = lane.counter(`${prefix}downstream_cx_idle_timeout`);
    this.downstreamCxMaxDurationReached = lane.counter(`${prefix}downstream_cx_max_duration_reached`);
    this.downstreamCxMaxRequestsReached = lane.counter(`${prefix}downstream_cx_max_requests_reached`);
    this.downstreamCxOverloadDisableKeepalive = lane.counter(
      `${prefix}downstream_cx_overload_disable_keepalive`,
    );
    this.downstreamCxProtocolError = lane.counter(`${prefix}downstream_cx_protocol_error`);
    this.downstreamCxRxBytesBuffered = lane.gauge(`${prefix}downstream_cx_rx_bytes_buffered`);
    this.downstreamCxRxBytesTotal = lane.counter(`${prefix}downstream_cx_rx_bytes_total`);
    this.downstreamCxSslActive = lane.gauge(`${prefix}downstream_cx_ssl_active`);
    this.downstreamCxSslTotal = lane.counter(`${prefix}downstream_cx_ssl_total`);
    this.downstreamCxTotal = lane.counter(`${prefix}downstream_cx_total`);
    this.downstreamCxTxBytesBuffered = lane.gauge(`${prefix}downstream_cx_tx_bytes_buffered`);
    this.downstreamCxTxBytesTotal = lane.counter(`${prefix}downstream_cx_tx_bytes_total`);
    this.downstreamCxUpgradesActive = lane.gauge(`${prefix}downstream_cx_upgrades_active`);
    this.downstreamCxUpgradesTotal = lane.counter(`${prefix}downstream_cx_upgrades_total`);
    this.downstreamFlowControlPausedReadingTotal = lane.counter(
      `${prefix}downstream_flow_control_paused_reading_total`,
    );
    this.downstreamFlowControlResumedReadingTotal = lane.counter(
      `${prefix}downstream_flow_control_resumed_reading_total`,
    );
    this.downstreamRq1xx = lane.counter(`${prefix}downstream_rq_1xx`);
    this.downstreamRq2xx = lane.counter(`${prefix}downstream_rq_2xx`);
    this.downstreamRq3xx = lane.counter(`${prefix}downstream_rq_3xx`);
    this.downstreamRq4xx = lane.counter(`${prefix}downstream_rq_4xx`);
    this.downstreamRq5xx = lane.counter(`${prefix}downstream_rq_5xx`);
    this.downstreamRqActive = lane.gauge(`${prefix}downstream_rq_active`);
    this.downstreamRqCompleted = lane.counter(`${prefix}downstream_rq_completed`);
    this.downstreamRqFailedPathNormalization = lane.counter(
      `${prefix}downstream_rq_failed_path_normalization`,
    );
    this.downstreamRqHeaderTimeout = lane.counter(`${prefix}downstream_rq_header_timeout`);
    this.downstreamRqHttp1Total = lane.counter(`${prefix}downstream_rq_http1_total`);
    this.downstreamRqHttp2Total = lane.counter(`${prefix}downstream_rq_http2_total`);
    this.downstreamRqHttp3Total = lane.counter(`${prefix}downstream_rq_http3_total`);
    this.downstreamRqIdleTimeout = lane.counter(`${prefix}downstream_rq_idle_timeout`);
    this.downstreamRqMaxDurationReached = lane.counter(`${prefix}downstream_rq_max_duration_reached`);
    this.downstreamRqNonRelativePath = lane.counter(`${prefix}downstream_rq_non_relative_path`);
    this.downstreamRqOverloadClose = lane.counter(`${prefix}downstream_rq_overload_close`);
    this.downstreamRqRedirectedWithNormalizedPath = lane.counter(
      `${prefix}downstream_rq_redirected_with_normalized_path`,
    );
    this.downstreamRqRejectedViaIpDetection = lane.counter(
      `${prefix}downstream_rq_rejected_via_ip_detection`,
    );
    this.downstreamRqResponseBeforeRqComplete = lane.counter(
      `${prefix}downstream_rq_response_before_rq_complete`,
    );
    this.downstreamRqRxReset = lane.counter(`${prefix}downstream_rq_rx_reset`);
    this.downstreamRqTimeout = lane.counter(`${prefix}downstream_rq_timeout`);
    this.downstreamRqTooLarge = lane.counter(`${prefix}downstream_rq_too_large`);
    this.downstreamRqTooManyPrematureResets = lane.counter(
      `${prefix}downstream_rq_too_many_premature_resets`,
    );
    this.downstreamRqTotal = lane.counter(`${prefix}downstream_rq_total`);
    this.downstreamRqTxReset = lane.counter(`${prefix}downstream_rq_tx_reset`);
    this.downstreamRqWsOnNonWsRoute = lane.counter(`${prefix}downstream_rq_ws_on_non_ws_route`);
    this.noCluster = lane.counter(`${prefix}no_cluster`);
    this.noRoute = lane.counter(`${prefix}no_route`);
    this.passthroughInternalRedirectBadLocation = lane.counter(
      `${prefix}passthrough_internal_redirect_bad_location`,
    );
    this.passthroughInternalRedirectNoRoute = lane.counter(`${prefix}passthrough_internal_redirect_no_route`);
    this.passthroughInternalRedirectPredicate = lane.counter(
      `${prefix}passthrough_internal_redirect_predicate`,
    );
    this.passthroughInternalRedirectTooManyRedirects = lane.counter(
      `${prefix}passthrough_internal_redirect_too_many_redirects`,
    );
    this.passthroughInternalRedirectUnsafeScheme = lane.counter(
      `${prefix}passthrough_internal_redirect_unsafe_scheme`,
    );
    this.rqDirectResponse = lane.counter(`${prefix}rq_direct_response`);
    this.rqOverloadLocalReply = lane.counter(`${prefix}rq_overload_local_reply`);
    this.rqRedirect = lane.counter(`${prefix}rq_redirect`);
    this.rqResetAfterDownstreamResponseStarted = lane.counter(
      `${prefix}rq_reset_after_downstream_response_started`,
    );
    this.rqTotal = lane.counter(`${prefix}rq_total`);
    this.rsTooLarge = lane.counter(`${prefix}rs_too_large`);
    this.tracingClientEnabled = lane.counter(`${prefix}tracing.client_enabled`);
    this.tracingHealthCheck = lane.counter(`${prefix}tracing.health_check`);
    this.tracingNotTraceable = lane.counter(`${prefix}tracing.not_traceable`);
    this.tracingRandomSampling = lane.counter(`${prefix}tracing.random_sampling`);
    this.tracingServiceForced = lane.counter(`${prefix}tracing.service_forced`);
    this.downstreamCxLengthMs = lane.histogram(`${prefix}downstream_cx_length_ms`, 'ms');
    this.downstreamRqTime = lane.histogram(`${prefix}downstream_rq_time`, 'ms');
  }
}

/** Slots of `listener.<address>.http.<stat_prefix>.*`: the same answers, counted per listener. */
export class ListenerHttpStats {
  readonly downstreamRq1xx: number;
  readonly downstreamRq2xx: number;
  readonly downstreamRq3xx: number;
  readonly downstreamRq4xx: number;
  readonly downstreamRq5xx: number;
  readonly downstreamRqCompleted: number;

  constructor(lane: StatLane, prefix: string) {
    this.downstreamRq1xx = lane.counter(`${prefix}downstream_rq_1xx`);
    this.downstreamRq2xx = lane.counter(`${prefix}downstream_rq_2xx`);
    this.downstreamRq3xx = lane.counter(`${prefix}downstream_rq_3xx`);
    this.downstreamRq4xx = lane.counter(`${prefix}downstream_rq_4xx`);
    this.downstreamRq5xx = lane.counter(`${prefix}downstream_rq_5xx`);
    this.downstreamRqCompleted = lane.counter(`${prefix}downstream_rq_completed`);
  }
}
