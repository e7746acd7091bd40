// Statistics of one cluster on one worker: slots of the worker's lane, resolved once. Those with a fixed name are here;
// the ones that depend on the response code are in response-stats.ts, membership and updates in membership-stats.ts.

import type { StatLane } from '@dragoman/shm';

/** Slot of every fixed `cluster.<name>.*` statistic that a worker moves; each field is Envoy's name in camel case. */
export class ClusterStats {
  readonly upstreamCxTotal: number;
  readonly upstreamCxHttp1Total: number;
  readonly upstreamCxHttp2Total: number;
  readonly upstreamCxHttp3Total: number;
  readonly upstreamCxConnectFail: number;
  readonly upstreamCxConnectTimeout: number;
  readonly upstreamCxConnectWith0Rtt: number;
  readonly upstreamCxConnectAttemptsExceeded: number;
  readonly upstreamCxIdleTimeout: number;
  readonly upstreamCxMaxDurationReached: number;
  readonly upstreamCxOverflow: number;
  readonly upstreamCxPoolOverflow: number;
  readonly upstreamCxPreconnectSkipped: number;
  readonly upstreamCxDestroy: number;
  readonly upstreamCxDestroyLocal: number;
  readonly upstreamCxDestroyRemote: number;
  readonly upstreamCxDestroyWithActiveRq: number;
  readonly upstreamCxDestroyLocalWithActiveRq: number;
  readonly upstreamCxDestroyRemoteWithActiveRq: number;
  readonly upstreamCxCloseNotify: number;
  readonly upstreamCxProtocolError: number;
  readonly upstreamCxMaxRequests: number;
  readonly upstreamCxNoneHealthy: number;
  readonly upstreamCxRxBytesTotal: number;
  readonly upstreamCxTxBytesTotal: number;
  readonly upstreamRqTotal: number;
  readonly upstreamRqPendingTotal: number;
  readonly upstreamRqPendingOverflow: number;
  readonly upstreamRqPendingFailureEject: number;
  readonly upstreamRqActiveOverflow: number;
  readonly upstreamRqCancelled: number;
  readonly upstreamRqMaintenanceMode: number;
  readonly upstreamRqTimeout: number;
  readonly upstreamRqMaxDurationReached: number;
  readonly upstreamRqPerTryTimeout: number;
  readonly upstreamRqPerTryIdleTimeout: number;
  readonly upstreamRqRxReset: number;
  readonly upstreamRqRxResetNoError: number;
  readonly upstreamRqTxReset: number;
  readonly upstreamRqRetry: number;
  readonly upstreamRqRetrySuccess: number;
  readonly upstreamRqRetryOverflow: number;
  readonly upstreamRqRetryLimitExceeded: number;
  readonly upstreamRqRetryBackoffExponential: number;
  readonly upstreamRqRetryBackoffRatelimited: number;
  readonly upstreamRq0rtt: number;
  readonly upstreamRqCompleted: number;
  readonly upstreamInternalRedirectFailedTotal: number;
  readonly upstreamInternalRedirectSucceededTotal: number;
  readonly upstreamHttp3Broken: number;
  readonly upstreamQueueOverloaded: number;
  readonly retryOrShadowAbandoned: number;
  readonly upstreamFlowControlPausedReadingTotal: number;
  readonly upstreamFlowControlResumedReadingTotal: number;
  readonly upstreamFlowControlBackedUpTotal: number;
  readonly upstreamFlowControlDrainedTotal: number;
  readonly lbHealthyPanic: number;
  readonly lbLocalClusterNotOk: number;
  readonly lbRecalculateZoneStructures: number;
  readonly lbSubsetsCreated: number;
  readonly lbSubsetsFallback: number;
  readonly lbSubsetsFallbackPanic: number;
  readonly lbSubsetsRemoved: number;
  readonly lbSubsetsSelected: number;
  readonly lbZoneClusterTooSmall: number;
  readonly lbZoneNoCapacityLeft: number;
  readonly lbZoneRoutingAllDirectly: number;
  readonly lbZoneRoutingCrossZone: number;
  readonly lbZoneRoutingSampled: number;
  readonly bindErrors: number;
  readonly originalDstHostInvalid: number;
  readonly upstreamCxActive: number;
  readonly upstreamCxRxBytesBuffered: number;
  readonly upstreamCxTxBytesBuffered: number;
  readonly upstreamRqActive: number;
  readonly upstreamRqPendingActive: number;
  readonly lbSubsetsActive: number;
  readonly upstreamCxConnectMs: number;
  readonly upstreamCxLengthMs: number;
  readonly upstreamRqPerCx: number;

  /** `prefix` is "cluster.<stat name>.", with the trailing dot. */
  constructor(lane: StatLane, prefix: string) {
    this.upstreamCxTotal = lane.counter(`${prefix}upstream_cx_total`);
    this.upstreamCxHttp1Total = lane.counter(`${prefix}upstream_cx_http1_total`);
    this.upstreamCxHttp2Total = lane.counter(`${prefix}upstream_cx_http2_total`);
    this.upstreamCxHttp3Total = lane.counter(`${prefix}upstream_cx_http3_total`);
    this.upstreamCxConnectFail = lane.counter(`${prefix}upstream_cx_connect_fail`);
    this.upstreamCxConnectTimeout = lane.counter(`${prefix}upstream_cx_connect_timeout`);
    this.upstreamCxConnectWith0Rtt = lane.counter(`${prefix}upstream_cx_connect_with_0_rtt`);
    this.upstreamCxConnectAttemptsExceeded = lane.counter(`${prefix}upstream_cx_connect_attempts_exceeded`);
    this.upstreamCxIdleTimeout = lane.counter(`${prefix}upstream_cx_idle_timeout`);
    this.upstreamCxMaxDurationReached = lane.counter(`${prefix}upstream_cx_max_duration_reached`);
    this.upstreamCxOverflow = lane.counter(`${prefix}upstream_cx_overflow`);
    this.upstreamCxPoolOverflow = lane.counter(`${prefix}upstream_cx_pool_overflow`);
    this.upstreamCxPreconnectSkipped = lane.counter(`${prefix}upstream_cx_preconnect_skipped`);
    this.upstreamCxDestroy = lane.counter(`${prefix}upstream_cx_destroy`);
    this.upstreamCxDestroyLocal = lane.counter(`${prefix}upstream_cx_destroy_local`);
    this.upstreamCxDestroyRemote = lane.counter(`${prefix}upstream_cx_destroy_remote`);
    this.upstreamCxDestroyWithActiveRq = lane.counter(`${prefix}upstream_cx_destroy_with_active_rq`);
    this.upstreamCxDestroyLocalWithActiveRq = lane.counter(
      `${prefix}upstream_cx_destroy_local_with_active_rq`,
    );
    this.upstreamCxDestroyRemoteWithActiveRq = lane.counter(
      `${prefix}upstream_cx_destroy_remote_with_active_rq`,
    );
    this.upstreamCxCloseNotify = lane.counter(`${prefix}upstream_cx_close_notify`);
    this.upstreamCxProtocolError = lane.counter(`${prefix}upstream_cx_protocol_error`);
    this.upstreamCxMaxRequests = lane.counter(`${prefix}upstream_cx_max_requests`);
    this.upstreamCxNoneHealthy = lane.counter(`${prefix}upstream_cx_none_healthy`);
    this.upstreamCxRxBytesTotal = lane.counter(`${prefix}upstream_cx_rx_bytes_total`);
    this.upstreamCxTxBytesTotal = lane.counter(`${prefix}upstream_cx_tx_bytes_total`);
    this.upstreamRqTotal = lane.counter(`${prefix}upstream_rq_total`);
    this.upstreamRqPendingTotal = lane.counter(`${prefix}upstream_rq_pending_total`);
    this.upstreamRqPendingOverflow = lane.counter(`${prefix}upstream_rq_pending_overflow`);
    this.upstreamRqPendingFailureEject = lane.counter(`${prefix}upstream_rq_pending_failure_eject`);
    this.upstreamRqActiveOverflow = lane.counter(`${prefix}upstream_rq_active_overflow`);
    this.upstreamRqCancelled = lane.counter(`${prefix}upstream_rq_cancelled`);
    this.upstreamRqMaintenanceMode = lane.counter(`${prefix}upstream_rq_maintenance_mode`);
    this.upstreamRqTimeout = lane.counter(`${prefix}upstream_rq_timeout`);
    this.upstreamRqMaxDurationReached = lane.counter(`${prefix}upstream_rq_max_duration_reached`);
    this.upstreamRqPerTryTimeout = lane.counter(`${prefix}upstream_rq_per_try_timeout`);
    this.upstreamRqPerTryIdleTimeout = lane.counter(`${prefix}upstream_rq_per_try_idle_timeout`);
    this.upstreamRqRxReset = lane.counter(`${prefix}upstream_rq_rx_reset`);
    this.upstreamRqRxResetNoError = lane.counter(`${prefix}upstream_rq_rx_reset_no_error`);
    this.upstreamRqTxReset = lane.counter(`${prefix}upstream_rq_tx_reset`);
    this.upstreamRqRetry = lane.counter(`${prefix}upstream_rq_retry`);
    this.upstreamRqRetrySuccess = lane.counter(`${prefix}upstream_rq_retry_success`);
    this.upstreamRqRetryOverflow = lane.counter(`${prefix}upstream_rq_retry_overflow`);
    this.upstreamRqRetryLimitExceeded = lane.counter(`${prefix}upstream_rq_retry_limit_exceeded`);
    this.upstreamRqRetryBackoffExponential = lane.counter(`${prefix}upstream_rq_retry_backoff_exponential`);
    this.upstreamRqRetryBackoffRatelimited = lane.counter(`${prefix}upstream_rq_retry_backoff_ratelimited`);
    this.upstreamRq0rtt = lane.counter(`${prefix}upstream_rq_0rtt`);
    this.upstreamRqCompleted = lane.counter(`${prefix}upstream_rq_completed`);
    this.upstreamInternalRedirectFailedTotal = lane.counter(
      `${prefix}upstream_internal_redirect_failed_total`,
    );
    this.upstreamInternalRedirectSucceededTotal = lane.counter(
      `${prefix}upstream_internal_redirect_succeeded_total`,
    );
    this.upstreamHttp3Broken = lane.counter(`${prefix}upstream_http3_broken`);
    this.upstreamQueueOverloaded = lane.counter(`${prefix}upstream_queue_overloaded`);
    this.retryOrShadowAbandoned = lane.counter(`${prefix}retry_or_shadow_abandoned`);
    this.upstreamFlowControlPausedReadingTotal = lane.counter(
      `${prefix}upstream_flow_control_paused_reading_total`,
    );
    this.upstreamFlowControlResumedReadingTotal = lane.counter(
      `${prefix}upstream_flow_control_resumed_reading_total`,
    );
    this.upstreamFlowControlBackedUpTotal = lane.counter(`${prefix}upstream_flow_control_backed_up_total`);
    this.upstreamFlowControlDrainedTotal = lane.counter(`${prefix}upstream_flow_control_drained_total`);
    this.lbHealthyPanic = lane.counter(`${prefix}lb_healthy_panic`);
    this.lbLocalClusterNotOk = lane.counter(`${prefix}lb_local_cluster_not_ok`);
    this.lbRecalculateZoneStructures = lane.counter(`${prefix}lb_recalculate_zone_structures`);
    this.lbSubsetsCreated = lane.counter(`${prefix}lb_subsets_created`);
    this.lbSubsetsFallback = lane.counter(`${prefix}lb_subsets_fallback`);
    this.lbSubsetsFallbackPanic = lane.counter(`${prefix}lb_subsets_fallback_panic`);
    this.lbSubsetsRemoved = lane.counter(`${prefix}lb_subsets_removed`);
    this.lbSubsetsSelected = lane.counter(`${prefix}lb_subsets_selected`);
    this.lbZoneClusterTooSmall = lane.counter(`${prefix}lb_zone_cluster_too_small`);
    this.lbZoneNoCapacityLeft = lane.counter(`${prefix}lb_zone_no_capacity_left`);
    this.lbZoneRoutingAllDirectly = lane.counter(`${prefix}lb_zone_routing_all_directly`);
    this.lbZoneRoutingCrossZone = lane.counter(`${prefix}lb_zone_routing_cross_zone`);
    this.lbZoneRoutingSampled = lane.counter(`${prefix}lb_zone_routing_sampled`);
    this.bindErrors = lane.counter(`${prefix}bind_errors`);
    this.originalDstHostInvalid = lane.counter(`${prefix}original_dst_host_invalid`);
    this.upstreamCxActive = lane.gauge(`${prefix}upstream_cx_active`);
    this.upstreamCxRxBytesBuffered = lane.gauge(`${prefix}upstream_cx_rx_bytes_buffered`);
    this.upstreamCxTxBytesBuffered = lane.gauge(`${prefix}upstream_cx_tx_bytes_buffered`);
    this.upstreamRqActive = lane.gauge(`${prefix}upstream_rq_active`);
    this.upstreamRqPendingActive = lane.gauge(`${prefix}upstream_rq_pending_active`);
    this.lbSubsetsActive = lane.gauge(`${prefix}lb_subsets_active`);
    this.upstreamCxConnectMs = lane.histogram(`${prefix}upstream_cx_connect_ms`, 'ms');
    this.upstreamCxLengthMs = lane.histogram(`${prefix}upstream_cx_length_ms`, 'ms');
    this.upstreamRqPerCx = lane.histogram(`${prefix}upstream_rq_per_cx`, 'none');
  }
}
