// Support for listeners, filter chains and the network filters.

import type { SupportDeclaration } from './support.ts';

const LISTENER = 'envoy.config.listener.v3';
const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

export const listenerSupport: SupportDeclaration = {
  extensions: {
    'envoy.filters.network': {
      [MANAGER]: ['envoy.filters.network.http_connection_manager', 'envoy.http_connection_manager'],
    },
  },
  fields: {
    [`${LISTENER}.Listener`]: [
      'name',
      'address',
      'additional_addresses',
      'stat_prefix',
      'filter_chains',
      'default_filter_chain',
      'per_connection_buffer_limit_bytes',
      'traffic_direction',
      'access_log',
      'drain_type',
      'tcp_keepalive',
      'ignore_global_conn_limit',
      'bypass_overload_manager',
      'bind_to_port=true',
      'use_original_dst=false',
      'metadata',
    ],
    [`${LISTENER}.AdditionalAddress`]: ['address'],
    [`${LISTENER}.FilterChain`]: ['filter_chain_match', 'filters', 'name', 'metadata'],
    [`${LISTENER}.Filter`]: ['name', 'typed_config'],
    [`${LISTENER}.Listener.DeprecatedV1`]: ['bind_to_port=true'],
  },
  harmless: {
    [`${LISTENER}.Listener`]: {
      tcp_fast_open_queue_length: 'per-socket tuning',
      socket_options: 'per-socket tuning',
      tcp_backlog_size: "per-socket tuning: the system's limit is used",
      connection_balance_config: "the kernel balances connections between the workers' sockets",
      max_connections_to_accept_per_socket_event: 'the event loop decides',
      enable_reuse_port: 'each worker has its own socket where the system has SO_REUSEPORT',
      reuse_port: 'each worker has its own socket where the system has SO_REUSEPORT',
      enable_mptcp: 'per-socket tuning',
    },
  },
};
