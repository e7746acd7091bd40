// The stats of the server as a whole: every name that Envoy has before the first request outside of listeners,
// connection managers and clusters. Main thread.

import type { StatLane } from '@dragoman/shm';
import type { ServerState } from './context.ts';

export interface ServerStatsOptions {
  readonly concurrency: number;
  /** The server's version; server.version shows the first six hex digits of the commit. */
  readonly version: string;
  /** stats_server_version_override. */
  readonly versionOverride?: number | undefined;
  readonly restartEpoch: number;
  /** Wall-clock milliseconds. */
  readonly startTimeMs: number;
}

/** What changes while the server runs. */
export interface ServerStatus {
  readonly state: ServerState;
  readonly nowMs: number;
  readonly totalConnections: number;
  /** Days until the first certificate expires; undefined without certificates. */
  readonly daysUntilFirstCertExpiring?: number | undefined;
}

/** Slots of counters that other parts of the main thread write, by Envoy's names. */
export type MainThreadSlots = Readonly<Record<string, number>>;

const COUNTERS = [
  ...['added', 'modified', 'removed', 'updated', 'updated_via_merge'].map(
    name => `cluster_manager.cluster_${name}`,
  ),
  ...['cluster_manager.update_merge_cancelled', 'cluster_manager.update_out_of_merge_window'],
  ...['flushed_by_timer', 'reopen_failed', 'write_buffered', 'write_completed', 'write_failed'].map(
    name => `filesystem.${name}`,
  ),
  ...['added', 'create_failure', 'create_success', 'in_place_updated', 'modified', 'removed', 'stopped'].map(
    name => `listener_manager.listener_${name}`,
  ),
  ...['main_thread', 'workers', 'server.main_thread'].flatMap(watchdogCounters),
  ...[
    'deprecated_feature_use',
    'load_error',
    'load_success',
    'override_dir_exists',
    'override_dir_not_exists',
  ].map(name => `runtime.${name}`),
  ...['debug_assertion_failures', 'dropped_stat_flushes', 'dynamic_unknown_fields', 'envoy_bug_failures'].map(
    name => `server.${name}`,
  ),
  ...['server.envoy_notifications', 'server.static_unknown_fields', 'server.wip_protos'],
];

const GAUGES = [
  ...[
    'cluster_manager.active_clusters',
    'cluster_manager.warming_clusters',
    'filesystem.write_total_buffered',
  ],
  ...[
    'total_filter_chains_draining',
    'total_listeners_active',
    'total_listeners_draining',
    'total_listeners_warming',
  ].map(name => `listener_manager.${name}`),
  ...['listener_manager.workers_pinned', 'listener_manager.workers_started'],
  ...['admin_overrides_active', 'deprecated_feature_seen_since_process_start', 'num_keys', 'num_layers'].map(
    name => `runtime.${name}`,
  ),
  ...[
    'compilation_settings.fips_mode',
    'concurrency',
    'days_until_first_cert_expiring',
    'hot_restart_epoch',
  ].map(name => `server.${name}`),
  ...['hot_restart_generation', 'live', 'memory_allocated', 'memory_heap_size', 'memory_physical_size'].map(
    name => `server.${name}`,
  ),
  ...[
    'parent_connections',
    'seconds_until_first_ocsp_response_expiring',
    'state',
    'stats_recent_lookups',
  ].map(name => `server.${name}`),
  ...['server.total_connections', 'server.uptime', 'server.version'],
];

const HISTOGRAMS = ['overload.refresh_interval_delay', 'server.initialization_time_ms'];

const STATE_VALUES: Readonly<Record<ServerState, number>> = {
  LIVE: 0,
  DRAINING: 1,
  PRE_INITIALIZING: 2,
  INITIALIZING: 3,
};

function watchdogCounters(thread: string): string[] {
  return [`${thread}.watchdog_mega_miss`, `${thread}.watchdog_miss`];
}

/**
 * Defines the names in the main thread's lane and returns their slots: counters, gauges and histograms that the
 * cluster manager, the listener manager and the runtime write ("cluster_manager.cluster_added").
 */
export function defineServerStats(lane: StatLane, concurrency: number): MainThreadSlots {
  const slots: Record<string, number> = {};
  for (const name of COUNTERS) slots[name] = lane.counter(name);
  for (let worker = 0; worker < concurrency; worker++)
    for (const name of watchdogCounters(`server.worker_${worker}`)) slots[name] = lane.counter(name);
  for (const name of GAUGES) slots[name] = lane.gauge(name);
  for (const name of HISTOGRAMS) slots[name] = lane.histogram(name, 'ms');
  return slots;
}

/** The `server.` gauges and who keeps them up to date. */
export class ServerStats {
  readonly slots: MainThreadSlots;
  readonly #lane: StatLane;
  readonly #startTimeMs: number;

  constructor(lane: StatLane, options: ServerStatsOptions) {
    this.#lane = lane;
    this.#startTimeMs = options.startTimeMs;
    this.slots = defineServerStats(lane, options.concurrency);
    const commit = Number.parseInt(options.version.slice(0, 6), 16);
    this.set('server.concurrency', options.concurrency);
    this.set('server.version', options.versionOverride ?? (Number.isNaN(commit) ? 0 : commit));
    this.set('server.hot_restart_epoch', options.restartEpoch);
    this.set('server.compilation_settings.fips_mode', 0);
    this.set('server.parent_connections', 0);
  }

  /** Sets a gauge by its name. */
  set(name: string, value: number): void {
    this.#lane.gaugeSet(this.slots[name], value);
  }

  /** Adds to a counter by its name. */
  add(name: string, count = 1): void {
    this.#lane.add(this.slots[name], count);
  }

  /** Called with each flush and before stats are shown. */
  refresh(status: ServerStatus): void {
    const memory = process.memoryUsage();
    this.set('server.uptime', Math.max(0, Math.floor((status.nowMs - this.#startTimeMs) / 1000)));
    this.set('server.live', status.state === 'DRAINING' ? 0 : 1);
    this.set('server.state', STATE_VALUES[status.state]);
    this.set('server.memory_allocated', memory.heapUsed + memory.external);
    this.set('server.memory_heap_size', memory.heapTotal + memory.external);
    this.set('server.memory_physical_size', memory.rss);
    this.set('server.total_connections', status.totalConnections);
    this.set('server.stats_recent_lookups', 0);
    if (status.daysUntilFirstCertExpiring !== undefined)
      this.set('server.days_until_first_cert_expiring', status.daysUntilFirstCertExpiring);
  }

  /** How long it took until the server was ready. */
  initialized(durationMs: number): void {
    this.#lane.record(this.slots['server.initialization_time_ms'], durationMs);
  }
}
