// Statistics of one cluster on one worker: slots of the worker's lane, resolved once. Those with a fixed name are here;
// the ones that depend on the response code are in response-stats.ts, membership and updates in membership-stats.ts.

import type { StatLane } from '@dragoman/shm';

class Slots {
  readonly #lane: StatLane;
  readonly #prefix: string;

  /** `prefix` is "cluster.<stat name>.", with the trailing dot. */
  constructor(lane: StatLane, prefix: string) {
    this.#lane = lane;
    this.#prefix = prefix;
  }

  protected counter(name: string): number {
    return this.#lane.counter(this.#prefix + name);
  }

  protected gauge(name: string): number {
    return this.#lane.gauge(this.#prefix + name);
  }

  protected histogram(name: string, unit: 'ms' | 'none'): number {
    return this.#lane.histogram(this.#prefix + name, unit);
  }
}

/** Slot of every fixed `cluster.<name>.*` statistic that a worker moves; each field is Envoy's name in camel case. */
export class ClusterStats extends Slots {
  readonly upstreamCxTotal = this.counter('upstream_cx_total');
  readonly upstreamCxHttp1Total = this.counter('upstream_cx_http1_total');
  readonly upstreamCxHttp2Total = this.counter('upstream_cx_http2_total');
  readonly upstreamCxHttp3Total = this.counter('upstream_cx_http3_total');
  readonly upstreamCxConnectFail = this.counter('upstream_cx_connect_fail');
  readonly upstreamCxConnectTimeout = this.counter('upstream_cx_connect_timeout');
  readonly upstreamCxConnectWith0Rtt = this.counter('upstream_cx_connect_with_0_rtt');
  readonly upstreamCxConnectAttemptsExceeded = this.counter('upstream_cx_connect_attempts_exceeded');
  readonly upstreamCxIdleTimeout = this.counter('upstream_cx_idle_timeout');
  readonly upstreamCxMaxDurationReached = this.counter('upstream_cx_max_duration_reached');
  readonly upstreamCxOverflow = this.counter('upstream_cx_overflow');
  readonly upstreamCxPoolOverflow = this.counter('upstream_cx_pool_overflow');
  readonly upstreamCxPreconnectSkipped = this.counter('upstream_cx_preconnect_skipped');
  readonly upstreamCxDestroy = this.counter('upstream_cx_destroy');
  readonly upstreamCxDestroyLocal = this.counter('upstream_cx_destroy_local');
  readonly upstreamCxDestroyRemote = this.counter('upstream_cx_destroy_remote');
  readonly upstreamCxDestroyWithActiveRq = this.counter('upstream_cx_destroy_with_active_rq');
  readonly upstreamCxDestroyLocalWithActiveRq = this.counter('upstream_cx_destroy_local_with_active_rq');
  readonly upstreamCxDestroyRemoteWithActiveRq = this.counter('upstream_cx_destroy_remote_with_active_rq');
  readonly upstreamCxCloseNotify = this.counter('upstream_cx_close_notify');
  readonly upstreamCxProtocolError = this.counter('upstream_cx_protocol_error');
  readonly upstreamCxMaxRequests = this.counter('upstream_cx_max_requests');
  readonly upstreamCxNoneHealthy = this.counter('upstream_cx_none_healthy');
  readonly upstreamCxRxBytesTotal = this.counter('upstream_cx_rx_bytes_total');
  readonly upstreamCxTxBytesTotal = this.counter('upstream_cx_tx_bytes_total');
  readonly upstreamRqTotal = this.counter('upstream_rq_total');
  readonly upstreamRqPendingTotal = this.counter('upstream_rq_pending_total');
  readonly upstreamRqPendingOverflow = this.counter('upstream_rq_pending_overflow');
  readonly upstreamRqPendingFailureEject = this.counter('upstream_rq_pending_failure_eject');
  readonly upstreamRqActiveOverflow = this.counter('upstream_rq_active_overflow');
  readonly upstreamRqCancelled = this.counter('upstream_rq_cancelled');
  readonly upstreamRqMaintenanceMode = this.counter('upstream_rq_maintenance_mode');
  readonly upstreamRqTimeout = this.counter('upstream_rq_timeout');
  readonly upstreamRqMaxDurationReached = this.counter('upstream_rq_max_duration_reached');
  readonly upstreamRqPerTryTimeout = this.counter('upstream_rq_per_try_timeout');
  readonly upstreamRqPerTryIdleTimeout = this.counter('upstream_rq_per_try_idle_timeout');
  readonly upstreamRqRxReset = this.counter('upstream_rq_rx_reset');
  readonly upstreamRqRxResetNoError = this.counter('upstream_rq_rx_reset_no_error');
  readonly upstreamRqTxReset = this.counter('upstream_rq_tx_reset');
  readonly upstreamRqRetry = this.counter('upstream_rq_retry');
  readonly upstreamRqRetrySuccess = this.counter('upstream_rq_retry_success');
  readonly upstreamRqRetryOverflow = this.counter('upstream_rq_retry_overflow');
  readonly upstreamRqRetryLimitExceeded = this.counter('upstream_rq_retry_limit_exceeded');
  readonly upstreamRqRetryBackoffExponential = this.counter('upstream_rq_retry_backoff_exponential');
  readonly upstreamRqRetryBackoffRatelimited = this.counter('upstream_rq_retry_backoff_ratelimited');
  readonly upstreamRq0rtt = this.counter('upstream_rq_0rtt');
  readonly upstreamRqCompleted = this.counter('upstream_rq_completed');
  readonly upstreamInternalRedirectFailedTotal = this.counter('upstream_internal_redirect_failed_total');
  readonly upstreamInternalRedirectSucceededTotal = this.counter(
    'upstream_internal_redirect_succeeded_total',
  );
  readonly upstreamHttp3Broken = this.counter('upstream_http3_broken');
  readonly upstreamQueueOverloaded = this.gauge('upstream_queue_overloaded');
  readonly retryOrShadowAbandoned = this.counter('retry_or_shadow_abandoned');
  readonly upstreamFlowControlPausedReadingTotal = this.counter('upstream_flow_control_paused_reading_total');
  readonly upstreamFlowControlResumedReadingTotal = this.counter(
    'upstream_flow_control_resumed_reading_total',
  );
  readonly upstreamFlowControlBackedUpTotal = this.counter('upstream_flow_control_backed_up_total');
  readonly upstreamFlowControlDrainedTotal = this.counter('upstream_flow_control_drained_total');
  readonly lbHealthyPanic = this.counter('lb_healthy_panic');
  readonly lbLocalClusterNotOk = this.counter('lb_local_cluster_not_ok');
  readonly lbRecalculateZoneStructures = this.counter('lb_recalculate_zone_structures');
  readonly lbSubsetsCreated = this.counter('lb_subsets_created');
  readonly lbSubsetsFallback = this.counter('lb_subsets_fallback');
  readonly lbSubsetsFallbackPanic = this.counter('lb_subsets_fallback_panic');
  readonly lbSubsetsRemoved = this.counter('lb_subsets_removed');
  readonly lbSubsetsSelected = this.counter('lb_subsets_selected');
  readonly lbZoneClusterTooSmall = this.counter('lb_zone_cluster_too_small');
  readonly lbZoneNoCapacityLeft = this.counter('lb_zone_no_capacity_left');
  readonly lbZoneRoutingAllDirectly = this.counter('lb_zone_routing_all_directly');
  readonly lbZoneRoutingCrossZone = this.counter('lb_zone_routing_cross_zone');
  readonly lbZoneRoutingSampled = this.counter('lb_zone_routing_sampled');
  readonly bindErrors = this.counter('bind_errors');
  readonly originalDstHostInvalid = this.counter('original_dst_host_invalid');
  readonly upstreamCxActive = this.gauge('upstream_cx_active');
  readonly upstreamCxRxBytesBuffered = this.gauge('upstream_cx_rx_bytes_buffered');
  readonly upstreamCxTxBytesBuffered = this.gauge('upstream_cx_tx_bytes_buffered');
  readonly upstreamRqActive = this.gauge('upstream_rq_active');
  readonly upstreamRqPendingActive = this.gauge('upstream_rq_pending_active');
  readonly lbSubsetsActive = this.gauge('lb_subsets_active');
  readonly upstreamCxConnectMs = this.histogram('upstream_cx_connect_ms', 'ms');
  readonly upstreamCxLengthMs = this.histogram('upstream_cx_length_ms', 'ms');
  readonly upstreamRqPerCx = this.histogram('upstream_rq_per_cx', 'none');
}

/** `cluster.<name>.http1.*`: exists once the cluster has spoken HTTP/1. */
export class Http1CodecStats extends Slots {
  readonly droppedHeadersWithUnderscores = this.counter('http1.dropped_headers_with_underscores');
  readonly metadataNotSupportedError = this.counter('http1.metadata_not_supported_error');
  readonly requestsRejectedWithUnderscoresInHeaders = this.counter(
    'http1.requests_rejected_with_underscores_in_headers',
  );
  readonly responseFlood = this.counter('http1.response_flood');
}

/** `cluster.<name>.http2.*`: exists once the cluster has spoken HTTP/2. */
export class Http2CodecStats extends Slots {
  readonly droppedHeadersWithUnderscores = this.counter('http2.dropped_headers_with_underscores');
  readonly goawaySent = this.counter('http2.goaway_sent');
  readonly headerOverflow = this.counter('http2.header_overflow');
  readonly headersCbNoStream = this.counter('http2.headers_cb_no_stream');
  readonly inboundEmptyFramesFlood = this.counter('http2.inbound_empty_frames_flood');
  readonly inboundPriorityFramesFlood = this.counter('http2.inbound_priority_frames_flood');
  readonly inboundWindowUpdateFramesFlood = this.counter('http2.inbound_window_update_frames_flood');
  readonly keepaliveTimeout = this.counter('http2.keepalive_timeout');
  readonly metadataEmptyFrames = this.counter('http2.metadata_empty_frames');
  readonly outboundControlFlood = this.counter('http2.outbound_control_flood');
  readonly outboundFlood = this.counter('http2.outbound_flood');
  readonly requestsRejectedWithUnderscoresInHeaders = this.counter(
    'http2.requests_rejected_with_underscores_in_headers',
  );
  readonly rxMessagingError = this.counter('http2.rx_messaging_error');
  readonly rxReset = this.counter('http2.rx_reset');
  readonly streamRefusedErrors = this.counter('http2.stream_refused_errors');
  readonly trailers = this.counter('http2.trailers');
  readonly txFlushTimeout = this.counter('http2.tx_flush_timeout');
  readonly txReset = this.counter('http2.tx_reset');
  readonly streamsActive = this.gauge('http2.streams_active');
  readonly pendingSendBytes = this.gauge('http2.pending_send_bytes');
  readonly deferredStreamClose = this.gauge('http2.deferred_stream_close');
  readonly outboundFramesActive = this.gauge('http2.outbound_frames_active');
  readonly outboundControlFramesActive = this.gauge('http2.outbound_control_frames_active');
}
