// The admin interface's own stats: `http.admin.` and `listener.admin.`, as an operator of Envoy finds them.

import type { StatLane } from '@dragoman/shm';

const CONNECTION_COUNTERS = [
  ...[
    'delayed_close_timeout',
    'destroy_active_rq',
    'destroy_local',
    'destroy_local_active_rq',
    'destroy_remote',
  ],
  ...[
    'destroy_remote_active_rq',
    'drain_close',
    'http2_total',
    'http3_total',
    'idle_timeout',
    'max_duration_reached',
  ],
  ...['max_requests_reached', 'overload_disable_keepalive', 'protocol_error', 'ssl_total', 'tx_bytes_total'],
  ...['rx_bytes_total', 'upgrades_total'],
];
const CONNECTION_GAUGES = [
  ...[
    'http1_soft_drain',
    'http2_active',
    'http3_active',
    'rx_bytes_buffered',
    'ssl_active',
    'tx_bytes_buffered',
  ],
  'upgrades_active',
];
const REQUEST_COUNTERS = [
  ...[
    '1xx',
    '3xx',
    'failed_path_normalization',
    'header_timeout',
    'http2_total',
    'http3_total',
    'idle_timeout',
  ],
  ...['max_duration_reached', 'non_relative_path', 'overload_close', 'redirected_with_normalized_path'],
  ...['rejected_via_ip_detection', 'response_before_rq_complete', 'rx_reset', 'timeout', 'too_large'],
  ...['too_many_premature_resets', 'tx_reset', 'ws_on_non_ws_route'],
];
const LISTENER_COUNTERS = [
  ...[
    'downstream_cx_overflow',
    'downstream_cx_overload_reject',
    'downstream_cx_transport_socket_connect_timeout',
  ],
  ...[
    'downstream_global_cx_overflow',
    'downstream_listener_filter_error',
    'downstream_listener_filter_remote_close',
  ],
  ...[
    'downstream_pre_cx_timeout',
    'no_filter_chain_match',
    'http.admin.downstream_rq_1xx',
    'http.admin.downstream_rq_3xx',
  ],
];

export class AdminStats {
  readonly #lane: StatLane;
  readonly #cxTotal: readonly number[];
  readonly #cxActive: readonly number[];
  readonly #cxDestroy: readonly number[];
  readonly #cxLength: readonly number[];
  readonly #rqTotal: readonly number[];
  readonly #rqActive: number;
  readonly #rqTime: number;
  readonly #rqCompleted: readonly number[];
  /** By class: 2xx, 4xx, 5xx. */
  readonly #rqClass: ReadonlyMap<number, readonly number[]>;

  constructor(lane: StatLane) {
    this.#lane = lane;
    for (const name of CONNECTION_COUNTERS) lane.counter(`http.admin.downstream_cx_${name}`);
    for (const name of CONNECTION_GAUGES) lane.gauge(`http.admin.downstream_cx_${name}`);
    for (const name of REQUEST_COUNTERS) lane.counter(`http.admin.downstream_rq_${name}`);
    for (const name of LISTENER_COUNTERS) lane.counter(`listener.admin.${name}`);
    for (const name of ['paused', 'resumed'])
      lane.counter(`http.admin.downstream_flow_control_${name}_reading_total`);
    lane.counter('http.admin.rs_too_large');
    lane.gauge('listener.admin.downstream_pre_cx_active');
    lane.histogram('listener.admin.connections_accepted_per_socket_event', 'none');
    const counters = (...names: string[]): number[] => names.map(name => lane.counter(name));
    this.#cxTotal = counters(
      'http.admin.downstream_cx_total',
      'http.admin.downstream_cx_http1_total',
      'listener.admin.downstream_cx_total',
      'listener.admin.main_thread.downstream_cx_total',
    );
    this.#cxActive = [
      'http.admin.downstream_cx_active',
      'http.admin.downstream_cx_http1_active',
      'listener.admin.downstream_cx_active',
      'listener.admin.main_thread.downstream_cx_active',
    ].map(name => lane.gauge(name));
    this.#cxDestroy = counters('http.admin.downstream_cx_destroy', 'listener.admin.downstream_cx_destroy');
    this.#cxLength = ['http.admin.downstream_cx_length_ms', 'listener.admin.downstream_cx_length_ms'].map(
      name => lane.histogram(name, 'ms'),
    );
    this.#rqTotal = counters('http.admin.downstream_rq_total', 'http.admin.downstream_rq_http1_total');
    this.#rqActive = lane.gauge('http.admin.downstream_rq_active');
    this.#rqTime = lane.histogram('http.admin.downstream_rq_time', 'ms');
    this.#rqCompleted = counters(
      'http.admin.downstream_rq_completed',
      'listener.admin.http.admin.downstream_rq_completed',
    );
    this.#rqClass = new Map(
      [2, 4, 5].map(digit => [
        digit,
        counters(`http.admin.downstream_rq_${digit}xx`, `listener.admin.http.admin.downstream_rq_${digit}xx`),
      ]),
    );
  }

  onConnection(): void {
    for (const slot of this.#cxTotal) this.#lane.inc(slot);
    for (const slot of this.#cxActive) this.#lane.gaugeInc(slot);
  }

  onConnectionEnd(lengthMs: number): void {
    for (const slot of this.#cxDestroy) this.#lane.inc(slot);
    for (const slot of this.#cxActive) this.#lane.gaugeDec(slot);
    for (const slot of this.#cxLength) this.#lane.record(slot, lengthMs);
  }

  onRequest(): void {
    for (const slot of this.#rqTotal) this.#lane.inc(slot);
    this.#lane.gaugeInc(this.#rqActive);
  }

  onAnswer(status: number, durationMs: number): void {
    for (const slot of this.#rqCompleted) this.#lane.inc(slot);
    for (const slot of this.#rqClass.get(Math.floor(status / 100)) ?? []) this.#lane.inc(slot);
    this.#lane.gaugeDec(this.#rqActive);
    this.#lane.record(this.#rqTime, durationMs);
  }
}
