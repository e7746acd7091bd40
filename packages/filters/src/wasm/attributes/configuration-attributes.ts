// xds.*: the parts of the configuration a stream uses. The older names of some of them are beside it: Envoy dropped those
// in 1.33, and plugins still ask for them.

import type { PropertyValue } from '@dragoman/vm';
import { metadataProperty, nodeProperty } from '../property-messages.ts';
import {
  ALWAYS,
  type Attribute,
  type AttributeGroup,
  type AttributeSource,
  type AttributeType,
  utf8,
} from './attribute.ts';

/** Envoy's TrafficDirection. */
const DIRECTION: Readonly<Record<string, bigint>> = { UNSPECIFIED: 0n, INBOUND: 1n, OUTBOUND: 2n };

const ROUTED = 'when there is a route';
const NAMED = 'when the route names a cluster that exists';
const CHOSEN = 'once an upstream host was chosen';

const attribute = (
  type: AttributeType,
  when: string,
  read: (source: AttributeSource) => PropertyValue,
): Attribute => ({ type, when, read });

const metadata = (value: unknown): PropertyValue =>
  metadataProperty((value as { filterMetadata?: Record<string, unknown> } | undefined)?.filterMetadata);

export const xdsAttributes: AttributeGroup = {
  node: attribute('message', 'always, also without a stream', ({ node }) => nodeProperty(node)),
  cluster_name: attribute('string', NAMED, ({ cluster }) =>
    cluster === null ? undefined : utf8(cluster.name),
  ),
  cluster_metadata: attribute('message', NAMED, ({ cluster }) =>
    cluster === null ? undefined : metadata(cluster.metadata),
  ),
  route_name: attribute('string', ROUTED, ({ route }) => (route === null ? undefined : utf8(route.name))),
  route_metadata: attribute('message', ROUTED, ({ route }) =>
    route === null ? undefined : metadata(route.metadata),
  ),
  virtual_host_name: attribute('string', ROUTED, ({ route }) =>
    route === null ? undefined : utf8(route.virtualHost.name),
  ),
  virtual_host_metadata: attribute('message', ROUTED, ({ route }) =>
    route === null ? undefined : metadata(route.virtualHost.metadata),
  ),
  upstream_host_metadata: attribute(
    'message',
    `${CHOSEN}; of a host without metadata it cannot be read whole`,
    ({ info }) => {
      if (info.upstreamHost === null) return undefined;
      return info.upstreamHost.metadata === undefined ? null : metadata(info.upstreamHost.metadata);
    },
  ),
  upstream_host_locality_metadata: attribute(
    'message',
    'never: metadata of localities are not kept (reading it whole is SERIALIZATION_FAILURE, as in Envoy without any)',
    ({ info }) => (info.upstreamHost === null ? undefined : null),
  ),
  filter_chain_name: attribute('string', 'always; empty without one', ({ info }) =>
    utf8(info.filterChainName),
  ),
  listener_metadata: attribute('message', ALWAYS, ({ listener }) => metadata(listener.metadata)),
  listener_direction: attribute('int', ALWAYS, ({ listener }) => DIRECTION[listener.direction] ?? 0n),
};

/** Names at the top that Envoy had before 1.33; the values are those of xds.*. */
export const LEGACY_NAMES: ReadonlySet<string> = new Set([
  'node',
  'cluster_name',
  'cluster_metadata',
  'listener_direction',
  'listener_metadata',
  'route_name',
  'route_metadata',
  'upstream_host_metadata',
]);
