// Pages about the server as a whole: readiness, version and options, memory, runtime, certificates, and the
// commands that change its state.

import type { JsonObject } from '@dragoman/config';
import type { AdminContext, CertificateDetails } from '../context.ts';
import { type AdminReply, type AdminRequest, json, ok, text, timestamp } from '../reply.ts';

/** What /server_info shows of an option nobody set; the names are Envoy's. */
export const DEFAULT_COMMAND_LINE_OPTIONS: JsonObject = {
  base_id: '0',
  use_dynamic_base_id: false,
  skip_hot_restart_on_no_parent: false,
  skip_hot_restart_parent_stats: false,
  base_id_path: '',
  concurrency: 1,
  config_path: '',
  config_yaml: '',
  allow_unknown_static_fields: false,
  reject_unknown_dynamic_fields: false,
  ignore_unknown_dynamic_fields: false,
  skip_deprecated_logs: false,
  admin_address_path: '',
  local_address_ip_version: 'v4',
  log_level: 'info',
  component_log_level: '',
  log_format: '[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v',
  log_format_escaped: false,
  log_stacktrace_single_entry: false,
  log_path: '',
  service_cluster: '',
  service_node: '',
  service_zone: '',
  file_flush_interval: '10s',
  file_flush_min_size: 65536,
  drain_time: '600s',
  drain_strategy: 'Gradual',
  parent_shutdown_time: '900s',
  mode: 'Serve',
  disable_hot_restart: false,
  enable_mutex_tracing: false,
  restart_epoch: 0,
  cpuset_threads: false,
  disabled_extensions: [],
  enable_fine_grain_logging: false,
  socket_path: '@envoy_domain_socket',
  socket_mode: 0,
  enable_core_dump: false,
  stats_tag: [],
};

export function readyPage(context: AdminContext): AdminReply {
  const state = context.state();
  return text(`${state}\n`, state === 'LIVE' ? 200 : 503);
}

export function serverInfoPage(context: AdminContext): AdminReply {
  const uptime = `${Math.max(0, Math.floor((context.nowMs() - context.startTimeMs) / 1000))}s`;
  return json({
    version: context.version,
    state: context.state(),
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: context.hotRestartVersion,
    hot_restart_initializing: false,
    command_line_options: { ...DEFAULT_COMMAND_LINE_OPTIONS, ...context.commandLineOptions },
    node: context.node(),
  });
}

export const hotRestartVersionPage = (context: AdminContext): AdminReply => text(context.hotRestartVersion);

export function memoryPage(): AdminReply {
  const { heapUsed, heapTotal, external, arrayBuffers, rss } = process.memoryUsage();
  return json({
    allocated: String(heapUsed + external),
    heap_size: String(heapTotal + external),
    pageheap_unmapped: '0',
    pageheap_free: String(heapTotal - heapUsed),
    total_thread_cache: String(arrayBuffers),
    total_physical_bytes: String(rss),
  });
}

const day = 86_400_000;

function certificateJson(certificate: CertificateDetails, nowMs: number): unknown {
  const names = [
    ...certificate.dnsNames.map(dns => ({ dns })),
    ...certificate.uris.map(uri => ({ uri })),
    ...certificate.ipAddresses.map(address => ({ ip_address: address })),
  ];
  return {
    path: certificate.path,
    serial_number: certificate.serialNumber,
    subject_alt_names: names,
    days_until_expiration: String(Math.max(0, Math.floor((certificate.expirationMs - nowMs) / day))),
    valid_from: timestamp(certificate.validFromMs),
    expiration_time: timestamp(certificate.expirationMs),
  };
}

export function certsPage(context: AdminContext): AdminReply {
  const nowMs = context.nowMs();
  return json({
    certificates: context.certificates().map(({ caCert, certChain }) => ({
      ca_cert: caCert.map(certificate => certificateJson(certificate, nowMs)),
      cert_chain: certChain.map(certificate => certificateJson(certificate, nowMs)),
    })),
  });
}

export function initDumpPage(context: AdminContext): AdminReply {
  const targets = context.unreadyTargets();
  if (targets.length === 0) return json({});
  return json({
    unready_targets_dumps: targets.map(({ name, targetNames }) => ({ name, target_names: targetNames })),
  });
}

export const contentionPage = (): AdminReply =>
  text('Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.');

export function runtimePage(context: AdminContext): AdminReply {
  const layers = context.runtime.layers();
  const keys = [...new Set(layers.flatMap(layer => Object.keys(layer.values)))].sort();
  const entries = keys.map(key => {
    const values = layers.map(layer => layer.values[key] ?? '');
    return [key, { final_value: values.findLast(value => value !== '') ?? '', layer_values: values }];
  });
  return json({ entries: Object.fromEntries(entries), layers: layers.map(layer => layer.name) });
}

export function runtimeModifyPage(context: AdminContext, { query }: AdminRequest): AdminReply {
  if (query.pairs.length === 0)
    return text(
      'usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n' +
        '       or send the parameters as form values\n' +
        'use an empty value to remove a previously added override',
      400,
    );
  return context.runtime.merge(Object.fromEntries(query.pairs))
    ? ok()
    : text('No admin layer specified', 503);
}

export const quitPage = ({ actions }: AdminContext): AdminReply => ({
  ...ok(),
  afterwards: () => actions.quit(),
});

export function healthCheckFailPage({ actions }: AdminContext): AdminReply {
  actions.failHealthCheck();
  return ok();
}

export function healthCheckOkPage({ actions }: AdminContext): AdminReply {
  actions.passHealthCheck();
  return ok();
}

export function drainListenersPage({ actions }: AdminContext, { query }: AdminRequest): AdminReply {
  actions.drainListeners({
    graceful: query.has('graceful'),
    skipExit: query.has('skip_exit'),
    inboundOnly: query.has('inboundonly'),
  });
  return ok();
}

const enableValue = (query: AdminRequest['query']): string | undefined =>
  query.pairs.length === 1 && ['y', 'n'].includes(query.get('enable') ?? '')
    ? query.get('enable')
    : undefined;

/** Profiling is Node's own affair (--cpu-prof); a request to start it fails by name, to stop it succeeds. */
export function cpuProfilerPage(_context: AdminContext, { query }: AdminRequest): AdminReply {
  const enable = enableValue(query);
  if (enable === undefined) return text('?enable=<y|n>\n', 400);
  return enable === 'n' ? ok() : text('failure to start the profiler', 500);
}

export const heapProfilerPage = (): AdminReply =>
  text('The current build does not support heap profiler', 501);
export const allocationProfilerPage = (): AdminReply =>
  text('The current build does not support allocation profiler', 501);
export const tcmallocPage = (): AdminReply => text('The current build does not use tcmalloc', 501);
