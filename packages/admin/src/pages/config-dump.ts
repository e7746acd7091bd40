// /config_dump: the configuration in use as envoy.admin.v3.ConfigDump, whole or one kind of resource, cut down by
// field masks and names. Secrets are blotted out.

import { brokenRegex, type JsonObject, toProtoJson } from '@dragoman/config';
import { regexFromRe2 } from '@dragoman/metrics';
import type {
  AdminContext,
  ClusterView,
  ConfigDumpView,
  Dumped,
  DynamicDumped,
  DynamicListenerView,
  HostView,
} from '../context.ts';
import { type AdminReply, type AdminRequest, json, timestamp } from '../reply.ts';
import { applyMask, parseMask } from './field-mask.ts';
import { redact } from './redaction.ts';

type NameTest = (name: string) => boolean;

/** One message of the dump: its fields, and which of them are lists of resources. */
interface Section {
  readonly type: string;
  /** Field names by whether they are repeated. */
  readonly fields: Readonly<Record<string, boolean>>;
  readonly value: JsonObject;
}

/** Envoy's answers to wrong parameters have this type and the nosniff line twice. */
const refusal = (status: number, body: string): AdminReply => ({
  status,
  contentType: 'text/plain',
  body,
  noSniffTwice: true,
});

export function configDumpPage(context: AdminContext, { query }: AdminRequest): AdminReply {
  const nameRegex = query.get('name_regex') ?? '';
  const complaint = brokenRegex(nameRegex);
  if (complaint !== null)
    return {
      status: 400,
      contentType: 'text/plain',
      body: `Error while parsing name_regex from ${nameRegex}: Invalid regex: ${complaint}`,
    };
  const whole = regexFromRe2(`^(?:${nameRegex})$`);
  const matches: NameTest = nameRegex === '' ? () => true : name => whole.test(name);
  const sections = sectionsOf(context, matches, query.has('include_eds'));
  const resource = query.get('resource');
  const mask = query.get('mask');
  return resource !== undefined ? resourceDump(sections, resource, mask) : wholeDump(sections, mask);
}

const dump = (configs: readonly JsonObject[]): AdminReply =>
  json(configs.length === 0 ? {} : { configs: redact(configs) });

function wholeDump(sections: readonly Section[], mask: string | undefined): AdminReply {
  const typed = ({ type, value }: Section, shown: JsonObject = value): JsonObject => ({
    '@type': `type.googleapis.com/envoy.admin.v3.${type}`,
    ...shown,
  });
  if (mask === undefined) return dump(sections.map(section => typed(section)));
  const paths = parseMask(mask);
  // A mask is for some of the messages only: those it does not fit are left out.
  const fitting = sections.filter(({ fields }) =>
    paths.every(
      ([first, ...rest]) => fields[first] === false || (fields[first] === true && rest.length === 0),
    ),
  );
  if (fitting.length === 0)
    return refusal(400, `FieldMask ${mask} could not be successfully applied to any configs.`);
  return dump(fitting.map(section => typed(section, applyMask(section.value, paths))));
}

function resourceDump(sections: readonly Section[], resource: string, mask: string | undefined): AdminReply {
  const section = sections.find(({ fields }) => fields[resource] !== undefined);
  if (section === undefined) return refusal(404, `${resource} not found in config dump`);
  if (!section.fields[resource])
    return refusal(400, `${resource} is not a repeated field. Use ?mask=${resource} to get only this field`);
  const elements = (section.value[resource] ?? []) as JsonObject[];
  const type = `type.googleapis.com/envoy.admin.v3.${ELEMENT_TYPES[resource]}`;
  const paths = mask === undefined ? null : parseMask(mask);
  return dump(
    elements.map(element => ({ '@type': type, ...(paths === null ? element : applyMask(element, paths)) })),
  );
}

const ELEMENT_TYPES: Readonly<Record<string, string>> = {
  static_clusters: 'ClustersConfigDump.StaticCluster',
  dynamic_active_clusters: 'ClustersConfigDump.DynamicCluster',
  dynamic_warming_clusters: 'ClustersConfigDump.DynamicCluster',
  static_endpoint_configs: 'EndpointsConfigDump.StaticEndpointConfig',
  dynamic_endpoint_configs: 'EndpointsConfigDump.DynamicEndpointConfig',
  static_listeners: 'ListenersConfigDump.StaticListener',
  dynamic_listeners: 'ListenersConfigDump.DynamicListener',
  static_route_configs: 'RoutesConfigDump.StaticRouteConfig',
  dynamic_route_configs: 'RoutesConfigDump.DynamicRouteConfig',
  static_secrets: 'SecretsConfigDump.StaticSecret',
  dynamic_active_secrets: 'SecretsConfigDump.DynamicSecret',
  dynamic_warming_secrets: 'SecretsConfigDump.DynamicSecret',
};

const TYPES = {
  bootstrap: 'envoy.config.bootstrap.v3.Bootstrap',
  cluster: 'envoy.config.cluster.v3.Cluster',
  listener: 'envoy.config.listener.v3.Listener',
  route: 'envoy.config.route.v3.RouteConfiguration',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
} as const;

const anyOf = (type: string, decoded: unknown): JsonObject => ({
  '@type': `type.googleapis.com/${type}`,
  ...(toProtoJson(type, decoded) as JsonObject),
});

const named = <T>(items: readonly Dumped<T>[], matches: NameTest): Dumped<T>[] =>
  items.filter(({ config }) => matches((config as { name: string }).name));

const statics = <T>(
  field: string,
  type: string,
  items: readonly Dumped<T>[],
  matches: NameTest,
): JsonObject[] =>
  named(items, matches).map(({ config, lastUpdatedMs }) => ({
    [field]: anyOf(type, config),
    last_updated: timestamp(lastUpdatedMs),
  }));

const dynamics = <T>(
  field: string,
  type: string,
  items: readonly DynamicDumped<T>[],
  matches: NameTest,
): JsonObject[] => (named(items, matches) as DynamicDumped<T>[]).map(item => dynamicState(field, type, item));

const dynamicState = <T>(
  field: string,
  type: string,
  { config, lastUpdatedMs, versionInfo }: DynamicDumped<T>,
): JsonObject => ({
  version_info: versionInfo,
  [field]: anyOf(type, config),
  last_updated: timestamp(lastUpdatedMs),
});

/** Without the fields that are empty: protobuf's JSON leaves them out. */
function filled(fields: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) => value !== '' && !(Array.isArray(value) && value.length === 0),
    ),
  );
}

function sectionsOf(context: AdminContext, matches: NameTest, includeEds: boolean): Section[] {
  const view = context.configDump();
  const sections = [bootstrapSection(view), clustersSection(view, matches)];
  sections.push({ type: 'EcdsConfigDump', fields: { ecds_filters: true }, value: {} });
  if (includeEds) sections.push(endpointsSection(context.clusters(), matches));
  sections.push(listenersSection(view, matches));
  sections.push({
    type: 'ScopedRoutesConfigDump',
    fields: { inline_scoped_route_configs: true, dynamic_scoped_route_configs: true },
    value: {},
  });
  sections.push(routesSection(view, matches), secretsSection(view, matches));
  // Envoy has the sections without contents only where something could fill them.
  return sections.filter(({ type, value }) => type !== 'EcdsConfigDump' || Object.keys(value).length > 0);
}

function bootstrapSection({ bootstrap }: ConfigDumpView): Section {
  return {
    type: 'BootstrapConfigDump',
    fields: { bootstrap: false, last_updated: false },
    value: {
      bootstrap: toProtoJson(TYPES.bootstrap, bootstrap.config),
      last_updated: timestamp(bootstrap.lastUpdatedMs),
    },
  };
}

function clustersSection({ clusters }: ConfigDumpView, matches: NameTest): Section {
  return {
    type: 'ClustersConfigDump',
    fields: {
      version_info: false,
      static_clusters: true,
      dynamic_active_clusters: true,
      dynamic_warming_clusters: true,
    },
    value: filled({
      version_info: clusters.versionInfo,
      static_clusters: statics('cluster', TYPES.cluster, clusters.static, matches),
      dynamic_active_clusters: dynamics('cluster', TYPES.cluster, clusters.dynamicActive, matches),
      dynamic_warming_clusters: dynamics('cluster', TYPES.cluster, clusters.dynamicWarming, matches),
    }),
  };
}

function listenersSection({ listeners }: ConfigDumpView, matches: NameTest): Section {
  return {
    type: 'ListenersConfigDump',
    fields: { version_info: false, static_listeners: true, dynamic_listeners: true },
    value: filled({
      version_info: listeners.versionInfo,
      static_listeners: statics('listener', TYPES.listener, listeners.static, matches),
      dynamic_listeners: listeners.dynamic.filter(({ name }) => matches(name)).map(dynamicListener),
    }),
  };
}

function dynamicListener({ name, active, warming, draining, error }: DynamicListenerView): JsonObject {
  const state = (item: DynamicDumped<unknown>): JsonObject => dynamicState('listener', TYPES.listener, item);
  return {
    name,
    ...(active && { active_state: state(active) }),
    ...(warming && { warming_state: state(warming) }),
    ...(draining && { draining_state: state(draining) }),
    ...(error && {
      error_state: filled({
        ...(error.config && { failed_configuration: anyOf(TYPES.listener, error.config) }),
        last_update_attempt: timestamp(error.lastUpdatedMs),
        details: error.details,
        version_info: error.versionInfo,
      }),
    }),
  };
}

function routesSection({ routes }: ConfigDumpView, matches: NameTest): Section {
  return {
    type: 'RoutesConfigDump',
    fields: { static_route_configs: true, dynamic_route_configs: true },
    value: filled({
      static_route_configs: statics('route_config', TYPES.route, routes.static, matches),
      dynamic_route_configs: dynamics('route_config', TYPES.route, routes.dynamic, matches),
    }),
  };
}

function secretsSection({ secrets }: ConfigDumpView, matches: NameTest): Section {
  const withName = (items: readonly Dumped<{ name: string }>[], rendered: JsonObject[]): JsonObject[] =>
    rendered.map((item, i) => ({ name: named(items, matches)[i].config.name, ...item }));
  return {
    type: 'SecretsConfigDump',
    fields: { static_secrets: true, dynamic_active_secrets: true, dynamic_warming_secrets: true },
    value: filled({
      static_secrets: withName(secrets.static, statics('secret', TYPES.secret, secrets.static, matches)),
      dynamic_active_secrets: withName(
        secrets.dynamicActive,
        dynamics('secret', TYPES.secret, secrets.dynamicActive, matches),
      ),
      dynamic_warming_secrets: withName(
        secrets.dynamicWarming,
        dynamics('secret', TYPES.secret, secrets.dynamicWarming, matches),
      ),
    }),
  };
}

function endpointsSection(clusters: readonly ClusterView[], matches: NameTest): Section {
  const configs = (added: boolean): JsonObject[] =>
    clusters
      .filter(cluster => cluster.addedViaApi === added && matches(cluster.edsServiceName || cluster.name))
      .map(cluster => ({ endpoint_config: assignmentOf(cluster) }));
  return {
    type: 'EndpointsConfigDump',
    fields: { static_endpoint_configs: true, dynamic_endpoint_configs: true },
    value: filled({ static_endpoint_configs: configs(false), dynamic_endpoint_configs: configs(true) }),
  };
}

/** The hosts of a cluster as they are now, grouped by locality and priority. */
function assignmentOf(cluster: ClusterView): JsonObject {
  const groups = Map.groupBy(cluster.hosts, host =>
    [host.region, host.zone, host.subZone, host.priority].join('\n'),
  );
  const endpoints = [...groups.values()].map(hosts => {
    const [{ region, zone, subZone, priority }] = hosts;
    return filled({
      locality: filled({ region, zone, sub_zone: subZone }),
      lb_endpoints: hosts.map(endpointOf),
      ...(priority !== 0 && { priority }),
    });
  });
  return filled({
    '@type': 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
    cluster_name: cluster.edsServiceName || cluster.name,
    endpoints,
    policy: { overprovisioning_factor: 140 },
  });
}

function endpointOf({ address, hostname, healthFlags, weight }: HostView): JsonObject {
  const place: JsonObject =
    address.pipe !== ''
      ? { pipe: { path: address.pipe } }
      : { socket_address: { address: address.address, port_value: address.port } };
  const health = /failed|draining|excluded|pending_active/.test(healthFlags)
    ? 'UNHEALTHY'
    : healthFlags.includes('degraded')
      ? 'DEGRADED'
      : 'HEALTHY';
  return {
    endpoint: filled({ address: place, health_check_config: {}, hostname }),
    health_status: health,
    metadata: {},
    load_balancing_weight: weight,
  };
}
