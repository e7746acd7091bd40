// Where extensions are plugged in: field to category. The category says which types the proxy has there (the
// `extensions` tables); a field that is no extension point holds an Any that is passed on as it is.

const HTTP_FILTERS = 'envoy.filters.http';
const ROUTE_CONFIGS = 'envoy.filters.http.route';
const ACCESS_LOGGERS = 'envoy.access_loggers';
const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const ROUTE = 'envoy.config.route.v3';

/** `<message>.<field>` to category. The field is an Any, a map of them, or messages with `name` and `typed_config`. */
export const EXTENSION_POINTS: Readonly<Record<string, string>> = {
  'envoy.config.listener.v3.FilterChain.filters': 'envoy.filters.network',
  'envoy.config.listener.v3.Listener.listener_filters': 'envoy.filters.listener',
  'envoy.config.listener.v3.FilterChain.transport_socket': 'envoy.transport_sockets.downstream',
  'envoy.config.listener.v3.Listener.access_log': ACCESS_LOGGERS,
  'envoy.config.bootstrap.v3.Admin.access_log': ACCESS_LOGGERS,
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.access_log': ACCESS_LOGGERS,
  'envoy.extensions.filters.http.router.v3.Router.upstream_log': ACCESS_LOGGERS,
  'envoy.extensions.filters.http.router.v3.Router.upstream_http_filters': 'envoy.filters.http.upstream',
  [`${MANAGER}.http_filters`]: HTTP_FILTERS,
  [`${MANAGER}.UpgradeConfig.filters`]: HTTP_FILTERS,
  [`${MANAGER}.access_log`]: ACCESS_LOGGERS,
  [`${MANAGER}.original_ip_detection_extensions`]: 'envoy.http.original_ip_detection',
  [`${MANAGER}.early_header_mutation_extensions`]: 'envoy.http.early_header_mutation',
  [`${MANAGER}.request_id_extension`]: 'envoy.request_id',
  [`${MANAGER}.typed_header_validation_config`]: 'envoy.http.header_validators',
  [`${MANAGER}.Tracing.provider`]: 'envoy.tracers',
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.stateful_formatter':
    'envoy.http.stateful_header_formatters',
  'envoy.config.core.v3.SubstitutionFormatString.formatters': 'envoy.formatter',
  'envoy.config.core.v3.HealthCheck.custom_health_check': 'envoy.health_checkers',
  'envoy.config.core.v3.HealthCheck.event_logger': 'envoy.health_check.event_sinks',
  'envoy.config.accesslog.v3.AccessLogFilter.extension_filter': 'envoy.access_loggers.extension_filters',
  [`${ROUTE}.RouteConfiguration.typed_per_filter_config`]: ROUTE_CONFIGS,
  [`${ROUTE}.VirtualHost.typed_per_filter_config`]: ROUTE_CONFIGS,
  [`${ROUTE}.Route.typed_per_filter_config`]: ROUTE_CONFIGS,
  [`${ROUTE}.WeightedCluster.ClusterWeight.typed_per_filter_config`]: ROUTE_CONFIGS,
  [`${ROUTE}.FilterConfig.config`]: ROUTE_CONFIGS,
  [`${ROUTE}.RouteMatch.path_match_policy`]: 'envoy.path.match',
  [`${ROUTE}.RouteAction.path_rewrite_policy`]: 'envoy.path.rewrite',
  [`${ROUTE}.RouteAction.early_data_policy`]: 'envoy.route.early_data_policy',
  [`${ROUTE}.RetryPolicy.retry_priority`]: 'envoy.retry_priorities',
  [`${ROUTE}.RetryPolicy.retry_host_predicate`]: 'envoy.retry_host_predicates',
  [`${ROUTE}.RetryPolicy.retry_options_predicates`]: 'envoy.retry_options_predicates',
  [`${ROUTE}.InternalRedirectPolicy.predicates`]: 'envoy.internal_redirect_predicates',
  [`${ROUTE}.RateLimit.Action.extension`]: 'envoy.rate_limit_descriptors',
  [`${ROUTE}.ClusterSpecifierPlugin.extension`]: 'envoy.router.cluster_specifier_plugin',
  'envoy.type.matcher.v3.StringMatcher.custom': 'envoy.string_matcher',
  'envoy.config.cluster.v3.Cluster.transport_socket': 'envoy.transport_sockets.upstream',
  'envoy.config.cluster.v3.Cluster.TransportSocketMatch.transport_socket': 'envoy.transport_sockets.upstream',
  'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport.transport_socket':
    'envoy.transport_sockets.upstream',
  'envoy.config.cluster.v3.Cluster.typed_extension_protocol_options': 'envoy.upstream_options',
  'envoy.config.cluster.v3.Cluster.cluster_type': 'envoy.clusters',
  'envoy.config.cluster.v3.Cluster.filters': 'envoy.filters.upstream_network',
  'envoy.config.cluster.v3.Cluster.upstream_config': 'envoy.upstreams',
  'envoy.config.cluster.v3.Cluster.typed_dns_resolver_config': 'envoy.network.dns_resolver',
  'envoy.config.cluster.v3.LoadBalancingPolicy.Policy.typed_extension_config':
    'envoy.load_balancing_policies',
  [`${OPTIONS}.http_filters`]: 'envoy.filters.http.upstream',
  [`${OPTIONS}.header_validation_config`]: 'envoy.http.header_validators',
  'envoy.config.bootstrap.v3.Bootstrap.bootstrap_extensions': 'envoy.bootstrap',
  'envoy.config.bootstrap.v3.Bootstrap.stats_sinks': 'envoy.stats_sinks',
  'envoy.config.bootstrap.v3.Bootstrap.typed_dns_resolver_config': 'envoy.network.dns_resolver',
  'envoy.config.bootstrap.v3.Bootstrap.default_regex_engine': 'envoy.regex_engines',
  'envoy.config.overload.v3.OverloadManager.resource_monitors': 'envoy.resource_monitors',
  'envoy.config.overload.v3.OverloadAction.typed_config': 'envoy.overload_actions',
  'envoy.config.trace.v3.Tracing.http': 'envoy.tracers',
  'envoy.extensions.filters.http.compressor.v3.Compressor.compressor_library': 'envoy.compression.compressor',
  'envoy.extensions.filters.http.decompressor.v3.Decompressor.decompressor_library':
    'envoy.compression.decompressor',
};

/** Extension points whose Any is not looked into: plugins get it as they find it. */
export const OPAQUE_FIELDS: ReadonlySet<string> = new Set([
  'envoy.extensions.wasm.v3.PluginConfig.configuration',
  'envoy.extensions.wasm.v3.VmConfig.configuration',
]);
