// Statistics of one listener on one worker: slots of the worker's lane, resolved once.

import type { StatLane } from '@dragoman/shm';

/** Slots of `listener.<address>.*`; all names exist from the start, at zero. */
export class ListenerStats {
  readonly downstreamCxTotal: number;
  readonly downstreamCxDestroy: number;
  readonly downstreamCxOverflow: number;
  readonly downstreamCxOverloadReject: number;
  readonly downstreamGlobalCxOverflow: number;
  readonly downstreamCxTransportSocketConnectTimeout: number;
  readonly downstreamListenerFilterError: number;
  readonly downstreamListenerFilterRemoteClose: number;
  readonly downstreamPreCxTimeout: number;
  readonly noFilterChainMatch: number;
  readonly workerCxTotal: number;
  readonly downstreamCxActive: number;
  readonly downstreamPreCxActive: number;
  readonly workerCxActive: number;
  readonly downstreamCxLengthMs: number;
  readonly connectionsAcceptedPerSocketEvent: number;

  /** `prefix` is "listener.<address>.", with ':' of the address as '_'. */
  constructor(lane: StatLane, prefix: string, workerIndex: number) {
    this.downstreamCxTotal = lane.counter(`${prefix}downstream_cx_total`);
    this.downstreamCxDestroy = lane.counter(`${prefix}downstream_cx_destroy`);
    this.downstreamCxOverflow = lane.counter(`${prefix}downstream_cx_overflow`);
    this.downstreamCxOverloadReject = lane.counter(`${prefix}downstream_cx_overload_reject`);
    this.downstreamGlobalCxOverflow = lane.counter(`${prefix}downstream_global_cx_overflow`);
    this.downstreamCxTransportSocketConnectTimeout = lane.counter(
      `${prefix}downstream_cx_transport_socket_connect_timeout`,
    );
    this.downstreamListenerFilterError = lane.counter(`${prefix}downstream_listener_filter_error`);
    this.downstreamListenerFilterRemoteClose = lane.counter(
      `${prefix}downstream_listener_filter_remote_close`,
    );
    this.downstreamPreCxTimeout = lane.counter(`${prefix}downstream_pre_cx_timeout`);
    this.noFilterChainMatch = lane.counter(`${prefix}no_filter_chain_match`);
    this.workerCxTotal = lane.counter(`${prefix}worker_${workerIndex}.downstream_cx_total`);
    this.downstreamCxActive = lane.gauge(`${prefix}downstream_cx_active`);
    this.downstreamPreCxActive = lane.gauge(`${prefix}downstream_pre_cx_active`);
    this.workerCxActive = lane.gauge(`${prefix}worker_${workerIndex}.downstream_cx_active`);
    this.downstreamCxLengthMs = lane.histogram(`${prefix}downstream_cx_length_ms`, 'ms');
    this.connectionsAcceptedPerSocketEvent = lane.histogram(
      `${prefix}connections_accepted_per_socket_event`,
      'none',
    );
    lane.counter(`${prefix}extension_config_missing`);
    lane.counter(`${prefix}network_extension_config_missing`);
  }
}
