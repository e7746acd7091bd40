// Checks of listeners beyond single values: addresses, filter chains, and which filter has to be the last.

import { isIP } from 'node:net';
import type { Any, CidrRange, Filter, FilterChainMatch, SocketAddress } from '../../descriptor/types.ts';
import type { CheckContext, TypeChecks } from './context.ts';
import type { FilterChain, HttpConnectionManager, HttpFilter, Listener, StaticResources } from './types.ts';

type Path = readonly (string | number)[];

/** Filters that end a chain, by type. */
const TERMINAL_NETWORK = new Set([
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  'envoy.extensions.filters.network.direct_response.v3.Config',
  'envoy.extensions.filters.network.echo.v3.Echo',
  'envoy.extensions.filters.network.redis_proxy.v3.RedisProxy',
]);
const TERMINAL_HTTP = new Map([
  ['envoy.extensions.filters.http.router.v3.Router', 'envoy.filters.http.router'],
]);

/** Canonical names in messages: `envoy.filters.network.<folder>`. */
const networkName = (typeName: string): string =>
  `envoy.filters.network.${typeName.split('.')[4] ?? typeName}`;

function addressText({ address, portValue }: SocketAddress): string {
  return `${isIP(address) === 6 ? `[${address}]` : address}:${portValue ?? 0}`;
}

function checkAddress(context: CheckContext, socket: SocketAddress | undefined, path: Path): void {
  if (socket === undefined || socket.address === '' || isIP(socket.address) !== 0) return;
  context.problems.error(
    [...path, 'socket_address', 'address'],
    `malformed IP address: ${socket.address}`,
    'an IP address',
  );
}

/** Two static listeners cannot bind one address; equal names are allowed. */
export function checkListenerAddresses(context: CheckContext, resources: StaticResources, path: Path): void {
  const seen = new Set<string>();
  resources.listeners.forEach((listener, i) => {
    const addresses = [listener.address, ...listener.additionalAddresses.map(({ address }) => address)];
    for (const address of addresses) {
      const socket = address?.socketAddress;
      const text =
        socket === undefined ? address?.pipe?.path : socket.portValue ? addressText(socket) : undefined;
      if (text === undefined) continue;
      if (seen.has(text)) {
        const message = `error adding listener: '${listener.name}' has duplicate address '${text}' as existing listener`;
        context.problems.error([...path, 'listeners', i, 'address'], message);
      }
      seen.add(text);
    }
  });
}

function checkChains(context: CheckContext, listener: Listener, path: Path): void {
  const socket = listener.address?.socketAddress;
  const where = `error adding listener '${socket === undefined ? listener.name : addressText(socket)}'`;
  if (listener.filterChains.length === 0 && listener.defaultFilterChain === undefined) {
    context.problems.error(
      path,
      `${where}: no filter chains specified`,
      'filter_chains with at least one filter chain',
    );
  }
  const seen = new Map<string, string>();
  listener.filterChains.forEach((chain, i) => {
    const match = JSON.stringify(chain.filterChainMatch ?? {});
    const key = match === '{}' ? EMPTY_MATCH : match;
    const earlier = seen.get(key);
    if (earlier !== undefined) {
      const text = `${where}: filter chain '${chain.name}' has the same matching rules defined as '${earlier}'`;
      context.problems.error([...path, 'filter_chains', i], text, 'a filter_chain_match of its own');
    } else seen.set(key, chain.name);
  });
}

/** SNI matchers are whole names or whole labels: `*` alone and `*w.example.com` are not. */
function checkServerNames(context: CheckContext, names: readonly string[], path: Path): void {
  names.forEach((name, i) => {
    if (!name.includes('*') || /^\*\.[^*]+$/.test(name)) return;
    const text = 'partial wildcards are not supported in "server_names"';
    context.problems.error([...path, i], text, 'a name or *.name');
  });
}

/** `filter_chain_match: {}` is the same as none. */
const EMPTY_MATCH = JSON.stringify({
  prefixRanges: [],
  addressSuffix: '',
  directSourcePrefixRanges: [],
  sourceType: 'ANY',
  sourcePrefixRanges: [],
  sourcePorts: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
});

interface NamedFilter {
  name: string;
  typedConfig?: Any;
  disabled?: boolean;
}

/** A terminal filter is the last one, and the last one is terminal. Filters of unknown type are refused elsewhere. */
function checkOrder(
  context: CheckContext,
  filters: readonly NamedFilter[],
  path: Path,
  chain: string,
  canonical: (typeName: string) => { name: string; terminal: boolean },
): void {
  filters.forEach((filter, i) => {
    if (filter.typedConfig === undefined) return;
    const { name, terminal } = canonical(filter.typedConfig.typeName);
    const last = i === filters.length - 1;
    if (terminal === last) return;
    const text = terminal
      ? `Error: terminal filter named ${filter.name} of type ${name} must be the last filter in a ${chain} filter chain.`
      : `Error: non-terminal filter named ${filter.name} of type ${name} is the last filter in a ${chain} filter chain.`;
    context.problems.error(
      [...path, i],
      text,
      '',
      terminal ? '' : chain === 'http' ? 'end the list with envoy.filters.http.router' : '',
    );
  });
}

function httpName(filter: string): { name: string; terminal: boolean } {
  const terminal = TERMINAL_HTTP.get(filter);
  return {
    name: terminal ?? `envoy.filters.http.${filter.split('.')[4] ?? filter}`,
    terminal: terminal !== undefined,
  };
}

/** Checks by message type. */
export function listenerChecks(context: CheckContext): TypeChecks {
  const http = (filters: readonly HttpFilter[], path: Path): void =>
    checkOrder(context, filters, path, 'http', httpName);
  return {
    'envoy.config.listener.v3.Listener': (listener: Listener, path) => {
      checkAddress(context, listener.address?.socketAddress, [...path, 'address']);
      listener.additionalAddresses.forEach(({ address }, i) => {
        checkAddress(context, address?.socketAddress, [...path, 'additional_addresses', i, 'address']);
      });
      checkChains(context, listener, path);
    },
    'envoy.config.listener.v3.FilterChainMatch': ({ serverNames }: FilterChainMatch, path) => {
      checkServerNames(context, serverNames, [...path, 'server_names']);
    },
    'envoy.config.core.v3.CidrRange': ({ addressPrefix, prefixLen }: CidrRange, path) => {
      const version = isIP(addressPrefix);
      if (version !== 0 && (prefixLen ?? 0) <= (version === 4 ? 32 : 128)) return;
      const text = `invalid ip/mask combo '${addressPrefix}/${prefixLen ?? 0}' (format is <ip>/<# mask bits>)`;
      context.problems.error(path, text);
    },
    'envoy.config.bootstrap.v3.Admin': (
      { address }: { address?: { socketAddress?: SocketAddress } },
      path,
    ) => {
      checkAddress(context, address?.socketAddress, [...path, 'address']);
    },
    'envoy.config.listener.v3.FilterChain': (chain: FilterChain, path) => {
      checkOrder(context, chain.filters as readonly Filter[], [...path, 'filters'], 'network', typeName => ({
        name: networkName(typeName),
        terminal: TERMINAL_NETWORK.has(typeName),
      }));
    },
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': (
      manager: HttpConnectionManager,
      path,
    ) => {
      http(manager.httpFilters, [...path, 'http_filters']);
      const upgrades = new Set<string>();
      manager.upgradeConfigs.forEach(({ upgradeType, filters }, i) => {
        const at = [...path, 'upgrade_configs', i];
        if (upgrades.has(upgradeType.toLowerCase())) {
          context.problems.error(at, `Error: multiple upgrade configs with the same name: '${upgradeType}'`);
        }
        upgrades.add(upgradeType.toLowerCase());
        http(filters, [...path, 'upgrade_configs', i, 'filters']);
      });
    },
  };
}
