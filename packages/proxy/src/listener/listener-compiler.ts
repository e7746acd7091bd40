// Compiles one listener: its filter chains with their transport sockets and last network filters, what chooses between them,
// and what looks at connections before. Runs on each worker when a snapshot arrives.

import { DragomanError } from '@dragoman/base';
import type {
  DownstreamTlsContext,
  FilterChain,
  HttpConnectionManager,
  Listener,
  ProxyProtocol,
  TcpProxy,
  TransportSocket,
} from '@dragoman/config';
import { compileAccessLogs } from '../access-log/access-log.ts';
import { type AccessLogSink, accessLogExtension } from '../access-log/access-log-type.ts';
import type { ConnectionHandler } from '../downstream/connection-owner.ts';
import { compileListenerFilters, PROXY_PROTOCOL } from '../listener-filter/listener-filters.ts';
import { withNetworkFilters } from '../network-filter/network-filter-compiler.ts';
import { SNI_CLUSTER, TCP_PROXY, TcpProxyHandler } from '../tcp-proxy/tcp-proxy-handler.ts';
import { DownstreamTls } from '../tls/downstream-tls.ts';
import { SslStats } from '../tls/ssl-stats.ts';
import type { StaticSecrets } from '../tls/tls-secrets.ts';
import { TICKET_KEY_ATTACHMENT } from '../tls/tls-support.ts';
import {
  type ChainContext,
  compileConnectionManager,
  filterContext,
  HTTP_CONNECTION_MANAGER,
} from './filter-chain-compiler.ts';
import { FilterChainMatcher } from './filter-chain-match.ts';
import { HttpConnectionHandler } from './http-connection-handler.ts';
import { ListenerChains, type NetworkChain } from './network-chain.ts';

export const DOWNSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
export const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';

export interface ListenerContext extends ChainContext {
  readonly secrets: StaticSecrets;
}

/** @throws DragomanError naming what cannot be had: a file, a filter, a secret. */
export function compileListener(config: Listener, given: ListenerContext): ListenerChains {
  if (config.filterChains.length === 0 && config.defaultFilterChain === undefined)
    throw new DragomanError(
      'NO_FILTER_CHAIN',
      `error adding listener '${config.name}': no filter chains specified`,
    );
  const sinks: AccessLogSink[] = [];
  const context = withAccessLogTypes(config, given, sinks);
  const { worker } = context;
  const compile = (chain: FilterChain): NetworkChain => ({
    name: chain.name,
    tls: compileTransportSocket(chain, config, context),
    handler: withNetworkFilters(
      compileHandler(chain, config, context),
      chain,
      config,
      context.networkFilterTypes,
      filterName => filterContext(context, config, filterName, ''),
    ),
  });
  const chains = config.filterChains.map(chain => ({
    match: chain.filterChainMatch,
    chain: compile(chain),
  }));
  const defaultChain = config.defaultFilterChain === undefined ? null : compile(config.defaultFilterChain);
  const matcher = new FilterChainMatcher(chains, defaultChain);
  const filters = compileListenerFilters(withProxyProtocol(config), matcher.needsClientHello, worker.lane);
  const all = chains.map(({ chain }) => chain);
  return new ListenerChains(
    defaultChain === null ? all : [...all, defaultChain],
    matcher,
    filters,
    compileAccessLogs(config.accessLog, context.accessLogs),
    worker.timers,
    sinks,
  );
}

/** The same, with access logs of the types that other packages bring; their sinks are added to `sinks`. */
function withAccessLogTypes(
  config: Listener,
  context: ListenerContext,
  sinks: AccessLogSink[],
): ListenerContext {
  const contextOf = (name: string) => filterContext(context, config, name, '');
  const extension = accessLogExtension(context.accessLogTypes, contextOf, sinks);
  return { ...context, accessLogs: { ...context.accessLogs, extension } };
}

/** The deprecated `use_proxy_proto` of a filter chain stands for the listener filter. */
function withProxyProtocol(config: Listener): Listener {
  const wanted = config.filterChains[0]?.useProxyProto === true;
  const present = config.listenerFilters.some(filter => filter.typedConfig?.typeName === PROXY_PROTOCOL);
  if (!wanted || present) return config;
  const value = { ...NO_PROXY_PROTOCOL };
  const typedConfig = { typeUrl: `type.googleapis.com/${PROXY_PROTOCOL}`, typeName: PROXY_PROTOCOL, value };
  const filter = { name: 'envoy.filters.listener.proxy_protocol', typedConfig };
  return { ...config, listenerFilters: [filter, ...config.listenerFilters] };
}

const NO_PROXY_PROTOCOL: ProxyProtocol = {
  rules: [],
  allowRequestsWithoutProxyProtocol: false,
  disallowedVersions: [],
  statPrefix: '',
  tlvLocation: 'DYNAMIC_METADATA',
};

function compileTransportSocket(
  chain: FilterChain,
  config: Listener,
  context: ListenerContext,
): DownstreamTls | null {
  const tls = downstreamTlsOf(chain.transportSocket, config.name);
  if (tls === null) return null;
  return new DownstreamTls({
    config: tls,
    secrets: context.secrets,
    stats: new SslStats(context.worker.lane, context.listenerStatPrefix),
    ticketKey: ticketKeyOf(context.attachments.get(TICKET_KEY_ATTACHMENT)),
    handshakeTimeoutMs: chain.transportSocketConnectTimeout ?? 0,
  });
}

/** A structured clone of a Buffer is a plain Uint8Array. */
function ticketKeyOf(attachment: unknown): Buffer | null {
  return attachment instanceof Uint8Array ? Buffer.from(attachment) : null;
}

/** The TLS context of a transport socket; null for plaintext. */
export function downstreamTlsOf(
  socket: TransportSocket | undefined,
  listenerName: string,
): DownstreamTlsContext | null {
  if (socket?.typedConfig === undefined) return null;
  const { typeName, value } = socket.typedConfig;
  if (typeName === DOWNSTREAM_TLS) return value as DownstreamTlsContext;
  if (typeName === RAW_BUFFER) return null;
  throw new DragomanError(
    'TRANSPORT_SOCKET',
    `listener ${listenerName}: transport_socket ${socket.name}: ${typeName} is not known here`,
  );
}

function compileHandler(chain: FilterChain, config: Listener, context: ListenerContext): ConnectionHandler {
  const filter = chain.filters[chain.filters.length - 1];
  const typeName = filter?.typedConfig?.typeName;
  switch (typeName) {
    case HTTP_CONNECTION_MANAGER: {
      const manager = filter.typedConfig!.value as HttpConnectionManager;
      return new HttpConnectionHandler(
        compileConnectionManager(manager, config, context, chain.name),
        manager.http2ProtocolOptions,
      );
    }
    case TCP_PROXY: {
      const proxy = filter.typedConfig!.value as TcpProxy;
      const sniCluster = chain.filters.some(({ typedConfig }) => typedConfig?.typeName === SNI_CLUSTER);
      const accessLogs = compileAccessLogs(proxy.accessLog, context.accessLogs);
      return new TcpProxyHandler(proxy, context.worker, context.pools, accessLogs, sniCluster);
    }
    default:
      throw new DragomanError(
        'NETWORK_FILTER',
        `listener ${config.name}: the last network filter is ${typeName ?? 'missing'}, which is not known here`,
      );
  }
}
