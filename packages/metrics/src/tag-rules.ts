// Envoy's default rules for turning parts of stat names into tags, in Envoy's order: the order of the labels
// follows from it. Only data; the extractor interprets it.

/** A rule by regex: group 1 is cut out of the name, group 2 is the value. */
export interface RegexRule {
  readonly tag: string;
  readonly regex: string;
  /** A value that is not to be taken as a tag. */
  readonly except?: string;
}

/** A rule by tokens: `$` is the tag, `*` any token, `**` any number of them. */
export interface TokenRule {
  readonly tag: string;
  readonly tokens: string;
}

const VALUE = '[^\\.]+';
const ADDRESS = '(?:(?:\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}|\\[[a-fA-F_\\d]+\\])_\\d+)';
const TLS_SCOPE = '(?:listener|cluster)\\..*?';
const CIPHER = '[\\w-]+';

export const REGEX_RULES: readonly RegexRule[] = [
  { tag: 'envoy.response_code', regex: '_rq(_(\\d{3}))$' },
  { tag: 'envoy.response_code_class', regex: '_rq_((\\d))xx$' },
  {
    tag: 'envoy.dynamo_partition_id',
    regex: `^http\\.${VALUE}\\.dynamodb\\.table\\.${VALUE}\\.capacity\\.${VALUE}(\\.__partition_id=(\\w{7}))$`,
  },
  {
    tag: 'envoy.dynamo_operation',
    regex: `^http\\.${VALUE}\\.dynamodb.(?:operation|table\\.${VALUE}\\.capacity)(\\.(${VALUE}))(?:\\.|$)`,
  },
  { tag: 'envoy.dynamo_table', regex: `^http\\.${VALUE}\\.dynamodb.(?:table|error)\\.((${VALUE})\\.)` },
  { tag: 'envoy.ssl_cipher', regex: `^listener\\..*?\\.ssl\\.ciphers(\\.(${CIPHER}))$` },
  { tag: 'envoy.ssl_curve', regex: `^${TLS_SCOPE}\\.ssl\\.curves(\\.(${CIPHER}))$` },
  { tag: 'envoy.ssl_sigalg', regex: `^${TLS_SCOPE}\\.ssl\\.sigalgs(\\.(${CIPHER}))$` },
  { tag: 'envoy.ssl_version', regex: `^${TLS_SCOPE}\\.ssl\\.versions(\\.(TLSv\\d\\.\\d))$` },
  { tag: 'envoy.tls_certificate', regex: `^${TLS_SCOPE}\\.ssl\\.certificate\\.((${VALUE})\\.)` },
  { tag: 'cipher_suite', regex: `^cluster\\.${VALUE}\\.ssl\\.ciphers(\\.(${CIPHER}))$` },
  { tag: 'envoy.http_conn_manager_prefix', regex: `^listener\\..*?\\.http\\.((${VALUE})\\.)` },
  {
    tag: 'envoy.worker_id',
    regex: `^(?:listener\\.(?:${ADDRESS}|${VALUE})\\.|server\\.|listener_manager\\.)worker_((\\d+)\\.)`,
  },
  { tag: 'envoy.listener_address', regex: `^listener\\.((${ADDRESS}|${VALUE})\\.)`, except: 'admin' },
  { tag: 'envoy.rds_route_config', regex: `^http\\.${VALUE}\\.rds\\.(([\\w\\-.]+)\\.)\\w+?$` },
  // Of names that Envoy does not have: plugins, by name, which may contain dots.
  { tag: 'dragoman.plugin', regex: '^wasm\\.((.+)\\.)failures\\.\\w+$' },
  { tag: 'dragoman.cause', regex: '^wasm\\..+\\.failures(\\.(\\w+))$' },
  { tag: 'dragoman.plugin', regex: `^dragoman\\.plugin\\.((.+?)\\.)(?:recycled\\.)?\\w+$` },
  { tag: 'dragoman.vm_id', regex: '^dragoman\\.shared_state\\.((.+)\\.)\\w+$' },
  { tag: 'dragoman.cause', regex: '^dragoman\\.plugin\\..+\\.recycled(\\.(\\w+))$' },
];

export const TOKEN_RULES: readonly TokenRule[] = [
  { tag: 'envoy.mongo_callsite', tokens: 'mongo.*.collection.*.callsite.$.query.**' },
  { tag: 'envoy.mongo_collection', tokens: 'mongo.*.collection.$.**.query.*' },
  { tag: 'envoy.mongo_cmd', tokens: 'mongo.*.cmd.$.**' },
  { tag: 'envoy.grpc_bridge_method', tokens: 'cluster.*.grpc.*.$.**' },
  { tag: 'envoy.http_user_agent', tokens: 'http.*.user_agent.$.**' },
  { tag: 'envoy.virtual_cluster', tokens: 'vhost.*.vcluster.$.**' },
  { tag: 'envoy.fault_downstream_cluster', tokens: 'http.*.fault.$.**' },
  { tag: 'envoy.grpc_bridge_service', tokens: 'cluster.*.grpc.$.**' },
  { tag: 'envoy.tcp_prefix', tokens: 'tcp.$.**' },
  { tag: 'envoy.udp_prefix', tokens: 'udp.$.**' },
  { tag: 'envoy.clientssl_prefix', tokens: 'auth.clientssl.$.**' },
  { tag: 'envoy.ratelimit_prefix', tokens: 'ratelimit.$.**' },
  { tag: 'envoy.cluster_name', tokens: 'cluster.$.**' },
  { tag: 'envoy.ext_authz_prefix', tokens: 'cluster.*.ext_authz.$.**' },
  { tag: 'envoy.ext_authz_prefix', tokens: 'http.*.ext_authz.$.**' },
  { tag: 'envoy.http_conn_manager_prefix', tokens: 'http.$.**' },
  { tag: 'envoy.virtual_host', tokens: 'vhost.$.**' },
  { tag: 'envoy.mongo_prefix', tokens: 'mongo.$.**' },
  { tag: 'envoy.route', tokens: 'vhost.*.route.$.**' },
  { tag: 'envoy.thrift_prefix', tokens: 'thrift.$.**' },
  { tag: 'envoy.redis_prefix', tokens: 'redis.$.**' },
  { tag: 'envoy.local_http_ratelimit_prefix', tokens: '$.http_local_rate_limit.**' },
  { tag: 'envoy.local_network_ratelimit_prefix', tokens: 'local_rate_limit.$.**' },
  { tag: 'envoy.local_listener_ratelimit_prefix', tokens: 'listener_local_ratelimit.$.**' },
  { tag: 'envoy.dns_filter_prefix', tokens: 'dns_filter.$.**' },
];
