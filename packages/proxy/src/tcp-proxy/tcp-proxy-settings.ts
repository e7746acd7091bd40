// A TcpProxy configuration in the form connections read it, and its statistics. Made once per worker and configuration.

import type { TcpProxy } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import type { AccessLog } from '../access-log/access-log.ts';
import type { MetadataMatch } from '../cluster/load-balancer/load-balancer.ts';
import { compileMetadataMatch } from '../cluster/load-balancer/metadata-match.ts';

const HOUR_MS = 3_600_000;

/** A cluster of weighted_clusters. */
export interface WeightedTarget {
  readonly cluster: string;
  readonly weight: number;
  readonly metadataMatch: MetadataMatch | null;
}

/** Slots of `tcp.<stat_prefix>.*`; all names exist from the start, at zero. */
export class TcpProxyStats {
  readonly downstreamCxTotal: number;
  readonly downstreamCxNoRoute: number;
  readonly downstreamCxRxBytesTotal: number;
  readonly downstreamCxTxBytesTotal: number;
  readonly downstreamFlowControlPausedReadingTotal: number;
  readonly downstreamFlowControlResumedReadingTotal: number;
  readonly idleTimeout: number;
  readonly maxDownstreamConnectionDuration: number;

  /** `prefix` is "tcp.<stat_prefix>.", with the trailing dot. */
  constructor(lane: StatLane, prefix: string) {
    this.downstreamCxTotal = lane.counter(`${prefix}downstream_cx_total`);
    this.downstreamCxNoRoute = lane.counter(`${prefix}downstream_cx_no_route`);
    this.downstreamCxRxBytesTotal = lane.counter(`${prefix}downstream_cx_rx_bytes_total`);
    this.downstreamCxTxBytesTotal = lane.counter(`${prefix}downstream_cx_tx_bytes_total`);
    this.downstreamFlowControlPausedReadingTotal = lane.counter(
      `${prefix}downstream_flow_control_paused_reading_total`,
    );
    this.downstreamFlowControlResumedReadingTotal = lane.counter(
      `${prefix}downstream_flow_control_resumed_reading_total`,
    );
    this.idleTimeout = lane.counter(`${prefix}idle_timeout`);
    this.maxDownstreamConnectionDuration = lane.counter(`${prefix}max_downstream_connection_duration`);
    for (const name of ['attempt', 'missing', 'success', 'timeout'])
      lane.counter(`${prefix}on_demand_cluster_${name}`);
    lane.counter(`${prefix}early_data_received_count_total`);
    lane.counter(`${prefix}upstream_flush_total`);
    lane.gauge(`${prefix}upstream_flush_active`);
    lane.gauge(`${prefix}downstream_cx_rx_bytes_buffered`);
    lane.gauge(`${prefix}downstream_cx_tx_bytes_buffered`);
  }
}

export class TcpProxySettings {
  readonly #cluster: string;
  readonly #weighted: readonly WeightedTarget[];
  readonly #totalWeight: number;
  readonly metadataMatch: MetadataMatch | null;
  /** 0: none. */
  readonly idleTimeoutMs: number;
  /** 0: none. */
  readonly maxConnectionDurationMs: number;
  readonly maxConnectAttempts: number;
  readonly hashesSourceIp: boolean;
  readonly accessLogs: readonly AccessLog[];
  readonly logsOnConnected: boolean;
  /** 0: no lines while the connection lives. */
  readonly logIntervalMs: number;

  constructor(config: TcpProxy, accessLogs: readonly AccessLog[]) {
    this.#cluster = config.cluster ?? '';
    this.#weighted = (config.weightedClusters?.clusters ?? []).map(({ name, weight, metadataMatch }) => ({
      cluster: name,
      weight,
      metadataMatch: compileMetadataMatch(config.metadataMatch, metadataMatch),
    }));
    this.#totalWeight = this.#weighted.reduce((sum, { weight }) => sum + weight, 0);
    this.metadataMatch = compileMetadataMatch(config.metadataMatch);
    this.idleTimeoutMs = config.idleTimeout ?? HOUR_MS;
    this.maxConnectionDurationMs = config.maxDownstreamConnectionDuration ?? 0;
    this.maxConnectAttempts = config.maxConnectAttempts ?? 1;
    this.hashesSourceIp = config.hashPolicy.some(policy => policy.sourceIp !== undefined);
    this.accessLogs = accessLogs;
    const options = config.accessLogOptions;
    this.logsOnConnected = options?.flushAccessLogOnConnected ?? config.flushAccessLogOnConnected;
    this.logIntervalMs = options?.accessLogFlushInterval ?? config.accessLogFlushInterval ?? 0;
  }

  /** The cluster for a connection. `random` is from [0, 1). */
  target(random: number): WeightedTarget {
    let at = random * this.#totalWeight;
    for (const target of this.#weighted) {
      at -= target.weight;
      if (at < 0) return target;
    }
    return { cluster: this.#cluster, weight: 1, metadataMatch: this.metadataMatch };
  }
}
