// Puts the network filters of a filter chain in front of its last one. A chain that has none keeps its handler as it is:
// its connections pay nothing. Runs on each worker when a snapshot arrives.

import { DragomanError } from '@dragoman/base';
import type { Filter, FilterChain, Listener } from '@dragoman/config';
import { DEFAULTS } from '../connection-manager/settings.ts';
import type { ConnectionHandler } from '../downstream/connection-owner.ts';
import type { FilterContext } from '../filter-chain/filter.ts';
import { SNI_CLUSTER, TCP_PROXY } from '../tcp-proxy/tcp-proxy-handler.ts';
import type { NetworkFilterInstance, NetworkFilterType } from './network-filter.ts';
import { NetworkFilterHandler } from './network-filter-handler.ts';

/** Network filter types by the full name of their configuration. */
export type NetworkFilterTypes = ReadonlyMap<string, NetworkFilterType>;

/** @throws DragomanError NETWORK_FILTER for a filter that is not known here, and what making one throws. */
export function withNetworkFilters(
  terminal: ConnectionHandler,
  chain: FilterChain,
  listener: Listener,
  types: NetworkFilterTypes,
  contextOf: (filterName: string) => FilterContext,
): ConnectionHandler {
  const last = chain.filters[chain.filters.length - 1];
  // sni_cluster only tells the TCP proxy where to go.
  const filters = chain.filters.slice(0, -1).filter(filter => typeOf(filter) !== SNI_CLUSTER);
  if (filters.length === 0) return terminal;
  const instances = filters.map(filter => create(filter, listener, types, contextOf));
  return new NetworkFilterHandler({
    instances,
    terminal,
    name: chain.name,
    halfCloses: typeOf(last) === TCP_PROXY,
    bufferLimitBytes: listener.perConnectionBufferLimitBytes ?? DEFAULTS.perConnectionBufferLimitBytes,
    timers: contextOf('').timers,
  });
}

function create(
  filter: Filter,
  listener: Listener,
  types: NetworkFilterTypes,
  contextOf: (filterName: string) => FilterContext,
): NetworkFilterInstance {
  const type = types.get(typeOf(filter));
  if (type === undefined)
    throw new DragomanError(
      'NETWORK_FILTER',
      `listener ${listener.name}: network filter ${filter.name}: no filter is registered for ${typeOf(filter)}`,
    );
  return type.create(filter.typedConfig!.value, contextOf(filter.name));
}

const typeOf = (filter: Filter): string => filter.typedConfig?.typeName ?? '';
