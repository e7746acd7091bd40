// /clusters: every cluster with its limits and hosts, as text and JSON, and /listeners.

import type { AddressView, AdminContext, ClusterView, HostView, ThresholdsView } from '../context.ts';
import { type AdminReply, type AdminRequest, json, text } from '../reply.ts';
import { nameFilter } from './name-filter.ts';

const HOST_COUNTERS = ['cx_connect_fail', 'cx_total', 'rq_error', 'rq_success', 'rq_timeout', 'rq_total'];
const HOST_GAUGES = ['cx_active', 'rq_active', 'rq_pending_active'];
const HOST_STATS = [...HOST_COUNTERS, ...HOST_GAUGES].sort();

/** "127.0.0.1:80", "[::1]:80" or the path of a Unix socket. */
export function addressText({ address, port, pipe }: AddressView): string {
  if (pipe !== '') return pipe;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function addressJson({ address, port, pipe }: AddressView): unknown {
  if (pipe !== '') return { pipe: { path: pipe } };
  return { socket_address: { address, ...(port !== 0 && { port_value: port }) } };
}

export function clustersPage(context: AdminContext, { query }: AdminRequest): AdminReply {
  const filter = nameFilter(query);
  if (typeof filter === 'string') return text(filter, 400);
  context.stats.refresh();
  const clusters = context.clusters().filter(cluster => filter === null || filter(cluster.name));
  if (query.get('format') === 'json')
    return json(
      clusters.length === 0
        ? {}
        : { cluster_statuses: clusters.map(cluster => clusterJson(context, cluster)) },
    );
  return text(clusters.map(cluster => clusterText(context, cluster)).join(''));
}

function hostStat(context: AdminContext, cluster: ClusterView, host: HostView, stat: string): number {
  return context.stats.value(`@host.${cluster.name}.${addressText(host.address)}.${stat}`) ?? 0;
}

function clusterText(context: AdminContext, cluster: ClusterView): string {
  const { name, outlier } = cluster;
  const lines = [`observability_name::${cluster.observabilityName}`];
  if (outlier !== null) {
    lines.push(
      `outlier::success_rate_average::${outlier.successRateAverage}`,
      `outlier::success_rate_ejection_threshold::${outlier.successRateEjectionThreshold}`,
      `outlier::local_origin_success_rate_average::${outlier.localOriginSuccessRateAverage}`,
      `outlier::local_origin_success_rate_ejection_threshold::${outlier.localOriginSuccessRateEjectionThreshold}`,
    );
  }
  lines.push(
    ...thresholdLines('default', cluster.defaultPriority),
    ...thresholdLines('high', cluster.highPriority),
  );
  lines.push(`added_via_api::${cluster.addedViaApi}`);
  if (cluster.edsServiceName !== '') lines.push(`eds_service_name::${cluster.edsServiceName}`);
  for (const host of cluster.hosts) lines.push(...hostLines(context, cluster, host));
  return lines.map(line => `${name}::${line}\n`).join('');
}

const thresholdLines = (priority: string, limits: ThresholdsView): string[] => [
  `${priority}_priority::max_connections::${limits.maxConnections}`,
  `${priority}_priority::max_pending_requests::${limits.maxPendingRequests}`,
  `${priority}_priority::max_requests::${limits.maxRequests}`,
  `${priority}_priority::max_retries::${limits.maxRetries}`,
];

function hostLines(context: AdminContext, cluster: ClusterView, host: HostView): string[] {
  const address = addressText(host.address);
  return [
    ...HOST_STATS.map(stat => `${stat}::${hostStat(context, cluster, host, stat)}`),
    `hostname::${host.hostname}`,
    `health_flags::${host.healthFlags}`,
    `weight::${host.weight}`,
    `region::${host.region}`,
    `zone::${host.zone}`,
    `sub_zone::${host.subZone}`,
    `canary::${host.canary}`,
    `priority::${host.priority}`,
    `success_rate::${host.successRate}`,
    `local_origin_success_rate::${host.localOriginSuccessRate}`,
  ].map(line => `${address}::${line}`);
}

function clusterJson(context: AdminContext, cluster: ClusterView): unknown {
  const { outlier } = cluster;
  const threshold = outlier?.successRateEjectionThreshold ?? 0;
  const localThreshold = outlier?.localOriginSuccessRateEjectionThreshold ?? 0;
  return {
    name: cluster.name,
    ...(cluster.addedViaApi && { added_via_api: true }),
    ...(threshold > 0 && { success_rate_ejection_threshold: { value: threshold } }),
    ...(cluster.hosts.length > 0 && {
      host_statuses: cluster.hosts.map(host => hostJson(context, cluster, host)),
    }),
    ...(localThreshold > 0 && { local_origin_success_rate_ejection_threshold: { value: localThreshold } }),
    circuit_breakers: {
      thresholds: [
        thresholdsJson(cluster.defaultPriority),
        { priority: 'HIGH', ...thresholdsJson(cluster.highPriority) },
      ],
    },
    observability_name: cluster.observabilityName,
    ...(cluster.edsServiceName !== '' && { eds_service_name: cluster.edsServiceName }),
  };
}

const thresholdsJson = (limits: ThresholdsView): object => ({
  max_connections: limits.maxConnections,
  max_pending_requests: limits.maxPendingRequests,
  max_requests: limits.maxRequests,
  max_retries: limits.maxRetries,
});

function hostJson(context: AdminContext, cluster: ClusterView, host: HostView): unknown {
  const metric = (name: string, type: object): object => {
    const value = hostStat(context, cluster, host, name);
    return { ...type, ...(value !== 0 && { value: String(value) }), name };
  };
  return {
    address: addressJson(host.address),
    stats: [
      ...HOST_COUNTERS.map(name => metric(name, {})),
      ...HOST_GAUGES.map(name => metric(name, { type: 'GAUGE' })),
    ],
    health_status: healthJson(host.healthFlags),
    ...(host.successRate >= 0 && { success_rate: { value: host.successRate } }),
    weight: host.weight,
    ...(host.hostname !== '' && { hostname: host.hostname }),
    ...(host.priority !== 0 && { priority: host.priority }),
    ...(host.localOriginSuccessRate >= 0 && {
      local_origin_success_rate: { value: host.localOriginSuccessRate },
    }),
    locality: {
      ...(host.region !== '' && { region: host.region }),
      ...(host.zone !== '' && { zone: host.zone }),
      ...(host.subZone !== '' && { sub_zone: host.subZone }),
    },
  };
}

/** Health flags and the fields of HostHealthStatus that show them. */
const HEALTH_FIELDS: Readonly<Record<string, string>> = {
  failed_active_hc: 'failed_active_health_check',
  failed_outlier_check: 'failed_outlier_check',
  degraded_active_hc: 'failed_active_degraded_check',
  pending_dynamic_removal: 'pending_dynamic_removal',
  pending_active_hc: 'pending_active_hc',
  excluded_via_immediate_hc_fail: 'excluded_via_immediate_hc_fail',
  active_hc_timeout: 'active_hc_timeout',
};

function healthJson(flags: string): object {
  const status: Record<string, unknown> = {};
  for (const flag of flags.split('/'))
    if (HEALTH_FIELDS[flag] !== undefined) status[HEALTH_FIELDS[flag]] = true;
  status.eds_health_status = flags.includes('/failed_eds_health')
    ? 'UNHEALTHY'
    : flags.includes('/eds_status_draining')
      ? 'DRAINING'
      : flags.includes('/degraded_eds_health')
        ? 'DEGRADED'
        : 'HEALTHY';
  return status;
}

export function listenersPage(context: AdminContext, { query }: AdminRequest): AdminReply {
  const listeners = context.listeners();
  if (query.get('format') !== 'json')
    return text(
      listeners
        .flatMap(({ name, addresses }) => addresses.map(address => `${name}::${addressText(address)}\n`))
        .join(''),
    );
  if (listeners.length === 0) return json({});
  return json({
    listener_statuses: listeners.map(({ name, addresses: [first, ...more] }) => ({
      name,
      ...(first !== undefined && { local_address: addressJson(first) }),
      ...(more.length > 0 && { additional_local_addresses: more.map(addressJson) }),
    })),
  });
}
