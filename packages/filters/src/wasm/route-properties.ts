// Attributes of the configuration a stream uses: xds.* but the node, and the older names of the same (ABI reference 8.4).

import type { Metadata } from '@dragoman/config';
import type { Stream } from '@dragoman/proxy';
import { type PropertyValue, utf8Property } from '@dragoman/vm';
import type { WasmFilterInstance } from './filter-type.ts';
import { localityProperty, metadataProperty } from './property-messages.ts';

/** Envoy's TrafficDirection. */
const DIRECTION: Readonly<Record<string, bigint>> = { UNSPECIFIED: 0n, INBOUND: 1n, OUTBOUND: 2n };

/** The attribute `name`; undefined when there is none. */
export function routeProperty(stream: Stream, { listener }: WasmFilterInstance, name: string): PropertyValue {
  const { info } = stream;
  switch (name) {
    case 'route_name':
      return text(stream.getRoute()?.name);
    case 'route_metadata':
      return metadata(stream.getRoute()?.metadata);
    case 'virtual_host_name':
      return text(stream.getRoute()?.virtualHost.name);
    case 'virtual_host_metadata':
      return metadata(stream.getRoute()?.virtualHost.metadata);
    case 'cluster_name':
      return text(clusterName(stream));
    case 'cluster_metadata':
      return info.upstreamClusterMetadata === null ? undefined : metadata(info.upstreamClusterMetadata);
    case 'upstream_host_metadata':
      return info.upstreamHost === null ? undefined : metadata(info.upstreamHost.metadata);
    case 'upstream_host_locality_metadata':
      return info.upstreamHost === null ? undefined : localityProperty(info.upstreamHost.locality);
    case 'filter_chain_name':
      return utf8Property(info.filterChainName);
    case 'listener_metadata':
      return metadata(listener.metadata as Metadata | undefined);
    case 'listener_direction':
      return DIRECTION[listener.direction] ?? 0n;
    default:
      return undefined;
  }
}

function clusterName(stream: Stream): string | undefined {
  if (stream.info.upstreamCluster !== '') return stream.info.upstreamCluster;
  return (stream.getRoute() as { cluster?: string } | null)?.cluster;
}

const text = (value: string | undefined): PropertyValue =>
  value === undefined || value === '' ? undefined : utf8Property(value);

const metadata = (value: unknown): PropertyValue =>
  metadataProperty((value as { filterMetadata?: Record<string, unknown> } | undefined)?.filterMetadata);
