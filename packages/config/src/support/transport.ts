// Support for transport sockets, listener filters and what decides about connections before HTTP: TLS, PROXY protocol.

import type { SupportDeclaration } from './support.ts';

const LISTENER = 'envoy.config.listener.v3';
const TLS = 'envoy.extensions.transport_sockets.tls.v3';
const LISTENER_FILTERS = 'envoy.extensions.filters.listener';
const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';
const UPSTREAM_PROXY_PROTOCOL =
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';
const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const SNI_CLUSTER = 'envoy.extensions.filters.network.sni_cluster.v3.SniCluster';
const COMMON = `${TLS}.CommonTlsContext`;

export const transportSupport: SupportDeclaration = {
  extensions: {
    'envoy.filters.network': {
      [TCP_PROXY]: ['envoy.filters.network.tcp_proxy', 'envoy.tcp_proxy'],
      [SNI_CLUSTER]: ['envoy.filters.network.sni_cluster'],
    },
    'envoy.transport_sockets.downstream': {
      [`${TLS}.DownstreamTlsContext`]: ['envoy.transport_sockets.tls', 'tls'],
      [RAW_BUFFER]: ['envoy.transport_sockets.raw_buffer', 'raw_buffer'],
    },
    'envoy.transport_sockets.upstream': {
      [`${TLS}.UpstreamTlsContext`]: ['envoy.transport_sockets.tls', 'tls'],
      [RAW_BUFFER]: ['envoy.transport_sockets.raw_buffer', 'raw_buffer'],
      [UPSTREAM_PROXY_PROTOCOL]: ['envoy.transport_sockets.upstream_proxy_protocol'],
    },
    'envoy.filters.listener': {
      [`${LISTENER_FILTERS}.tls_inspector.v3.TlsInspector`]: [
        'envoy.filters.listener.tls_inspector',
        'envoy.listener.tls_inspector',
      ],
      [`${LISTENER_FILTERS}.http_inspector.v3.HttpInspector`]: [
        'envoy.filters.listener.http_inspector',
        'envoy.listener.http_inspector',
      ],
      [`${LISTENER_FILTERS}.proxy_protocol.v3.ProxyProtocol`]: [
        'envoy.filters.listener.proxy_protocol',
        'envoy.listener.proxy_protocol',
      ],
    },
  },
  fields: {
    [`${LISTENER}.Listener`]: [
      'listener_filters',
      'listener_filters_timeout',
      'continue_on_listener_filters_timeout',
    ],
    [`${LISTENER}.ListenerFilter`]: ['name', 'typed_config', 'filter_disabled'],
    [`${LISTENER}.ListenerFilterChainMatchPredicate`]: '*',
    [`${LISTENER}.ListenerFilterChainMatchPredicate.MatchSet`]: '*',
    [`${LISTENER}.FilterChain`]: ['transport_socket', 'transport_socket_connect_timeout', 'use_proxy_proto'],
    [`${LISTENER}.FilterChainMatch`]: [
      'destination_port',
      'prefix_ranges',
      'direct_source_prefix_ranges',
      'source_type',
      'source_prefix_ranges',
      'source_ports',
      'server_names',
      'transport_protocol',
      'application_protocols',
    ],
    [TCP_PROXY]: [
      'stat_prefix',
      'cluster',
      'weighted_clusters',
      'metadata_match',
      'idle_timeout',
      'access_log',
      'max_connect_attempts',
      'hash_policy',
      'max_downstream_connection_duration',
      'access_log_flush_interval',
      'flush_access_log_on_connected',
      'access_log_options',
      'upstream_connect_mode=IMMEDIATE',
    ],
    [`${TCP_PROXY}.WeightedCluster`]: '*',
    [`${TCP_PROXY}.WeightedCluster.ClusterWeight`]: '*',
    [`${TCP_PROXY}.TcpAccessLogOptions`]: ['access_log_flush_interval', 'flush_access_log_on_connected'],
    [SNI_CLUSTER]: '*',
    'envoy.type.v3.HashPolicy': ['source_ip'],
    'envoy.type.v3.HashPolicy.SourceIp': '*',
    'envoy.config.bootstrap.v3.Bootstrap.StaticResources': ['secrets'],
    [`${TLS}.Secret`]: ['name', 'tls_certificate', 'validation_context', 'session_ticket_keys'],
    [`${TLS}.SdsSecretConfig`]: ['name'],
    [`${TLS}.DownstreamTlsContext`]: [
      'common_tls_context',
      'require_client_certificate',
      'require_sni',
      'session_ticket_keys',
      'disable_stateless_session_resumption',
      'session_timeout',
      'ocsp_staple_policy=LENIENT_STAPLING',
      'prefer_client_ciphers',
    ],
    [`${TLS}.UpstreamTlsContext`]: [
      'common_tls_context',
      'sni',
      'auto_host_sni',
      'auto_sni_san_validation',
      'max_session_keys',
    ],
    [UPSTREAM_PROXY_PROTOCOL]: '*',
    [`${TLS}.TlsSessionTicketKeys`]: '*',
    [COMMON]: [
      'tls_params',
      'tls_certificates',
      'tls_certificate_sds_secret_configs',
      'validation_context',
      'validation_context_sds_secret_config',
      'combined_validation_context',
      'alpn_protocols',
    ],
    [`${COMMON}.CombinedCertificateValidationContext`]: [
      'default_validation_context',
      'validation_context_sds_secret_config',
    ],
    [`${TLS}.TlsParameters`]: [
      'tls_minimum_protocol_version',
      'tls_maximum_protocol_version',
      'cipher_suites',
      'ecdh_curves',
      'signature_algorithms',
    ],
    [`${TLS}.TlsCertificate`]: ['certificate_chain', 'private_key', 'pkcs12', 'password'],
    [`${TLS}.CertificateValidationContext`]: [
      'trusted_ca',
      'system_root_certs',
      'verify_certificate_spki',
      'verify_certificate_hash',
      'match_typed_subject_alt_names',
      'match_subject_alt_names',
      'crl',
      'allow_expired_certificate',
      'trust_chain_verification',
    ],
    [`${TLS}.CertificateValidationContext.SystemRootCerts`]: '*',
    [`${TLS}.SubjectAltNameMatcher`]: ['san_type=EMAIL,DNS,URI,IP_ADDRESS', 'matcher'],
    [`${LISTENER_FILTERS}.tls_inspector.v3.TlsInspector`]: [
      'max_client_hello_size',
      'close_connection_on_client_hello_parsing_errors',
    ],
    [`${LISTENER_FILTERS}.http_inspector.v3.HttpInspector`]: '*',
    [`${LISTENER_FILTERS}.proxy_protocol.v3.ProxyProtocol`]: [
      'allow_requests_without_proxy_protocol',
      'disallowed_versions',
      'stat_prefix',
    ],
  },
  harmless: {
    [`${TLS}.DownstreamTlsContext`]: {
      disable_stateful_session_resumption: 'sessions are resumed by tickets only',
      full_scan_certs_on_sni_mismatch: 'the certificate is chosen by all names at once',
    },
    [`${TLS}.UpstreamTlsContext`]: {
      allow_renegotiation: 'TLS connections are not renegotiated',
      enforce_rsa_key_usage: 'the TLS library decides about key usage',
    },
    [`${TLS}.TlsCertificate`]: {
      watched_directory: 'certificates are read when the configuration is loaded',
    },
    [`${TLS}.CertificateValidationContext`]: {
      watched_directory: 'certificates are read when the configuration is loaded',
    },
    [`${LISTENER_FILTERS}.tls_inspector.v3.TlsInspector`]: {
      initial_read_buffer_size: 'as much is read as the client sends',
    },
  },
};
