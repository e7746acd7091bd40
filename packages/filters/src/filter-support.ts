// What the filters of this package implement of their configuration messages, for the configuration check: the fields,
// and the names their types go by. The filters whose tables stand with the schema itself are not listed again.

import type { SupportDeclaration } from '@dragoman/config';
import { decompressorSupport } from './decompressor/support.ts';
import { extAuthzSupport } from './ext-authz/support.ts';
import { jwtAuthnSupport } from './jwt-authn/support.ts';

const HTTP = 'envoy.extensions.filters.http';
const RBAC = 'envoy.config.rbac.v3';
const GZIP = 'envoy.extensions.compression.gzip.compressor.v3.Gzip';

const smallFilters: SupportDeclaration = {
  extensions: {
    'envoy.filters.http': {
      [`${HTTP}.buffer.v3.Buffer`]: ['envoy.filters.http.buffer', 'envoy.buffer'],
      [`${HTTP}.cors.v3.Cors`]: ['envoy.filters.http.cors', 'envoy.cors'],
      [`${HTTP}.csrf.v3.CsrfPolicy`]: ['envoy.filters.http.csrf', 'envoy.csrf'],
      [`${HTTP}.rbac.v3.RBAC`]: ['envoy.filters.http.rbac'],
      [`${HTTP}.local_ratelimit.v3.LocalRateLimit`]: ['envoy.filters.http.local_ratelimit'],
      [`${HTTP}.compressor.v3.Compressor`]: ['envoy.filters.http.compressor'],
      [`${HTTP}.header_to_metadata.v3.Config`]: ['envoy.filters.http.header_to_metadata'],
      [`${HTTP}.set_metadata.v3.Config`]: ['envoy.filters.http.set_metadata'],
      [`${HTTP}.health_check.v3.HealthCheck`]: ['envoy.filters.http.health_check', 'envoy.health_check'],
    },
    'envoy.compression.compressor': { [GZIP]: ['envoy.compression.gzip.compressor'] },
    'envoy.filters.http.route': {
      [`${HTTP}.buffer.v3.BufferPerRoute`]: [],
      [`${HTTP}.cors.v3.CorsPolicy`]: [],
      [`${HTTP}.csrf.v3.CsrfPolicy`]: [],
      [`${HTTP}.rbac.v3.RBACPerRoute`]: [],
      [`${HTTP}.local_ratelimit.v3.LocalRateLimit`]: [],
      [`${HTTP}.compressor.v3.CompressorPerRoute`]: [],
      [`${HTTP}.header_to_metadata.v3.Config`]: [],
    },
  },
  fields: {
    [`${HTTP}.buffer.v3.Buffer`]: '*',
    [`${HTTP}.buffer.v3.BufferPerRoute`]: '*',
    [`${HTTP}.cors.v3.Cors`]: '*',
    [`${HTTP}.cors.v3.CorsPolicy`]: '*',
    'envoy.config.route.v3.CorsPolicy': '*',
    [`${HTTP}.csrf.v3.CsrfPolicy`]: '*',
    [`${HTTP}.rbac.v3.RBAC`]: [
      'rules',
      'rules_stat_prefix',
      'shadow_rules',
      'shadow_rules_stat_prefix',
      'track_per_rule_stats=false',
    ],
    [`${HTTP}.rbac.v3.RBACPerRoute`]: '*',
    [`${RBAC}.RBAC`]: ['action', 'policies'],
    [`${RBAC}.Policy`]: ['permissions', 'principals'],
    [`${RBAC}.Permission`]: [
      'and_rules',
      'or_rules',
      'any',
      'header',
      'url_path',
      'destination_ip',
      'destination_port',
      'destination_port_range',
      'metadata',
      'not_rule',
      'requested_server_name',
      'sourced_metadata',
    ],
    [`${RBAC}.Permission.Set`]: '*',
    [`${RBAC}.Principal`]: [
      'and_ids',
      'or_ids',
      'any',
      'authenticated',
      'source_ip',
      'direct_remote_ip',
      'remote_ip',
      'header',
      'url_path',
      'metadata',
      'filter_state',
      'not_id',
      'sourced_metadata',
    ],
    [`${RBAC}.Principal.Set`]: '*',
    [`${RBAC}.Principal.Authenticated`]: '*',
    [`${RBAC}.SourcedMetadata`]: '*',
    [`${HTTP}.local_ratelimit.v3.LocalRateLimit`]: [
      'stat_prefix',
      'status',
      'token_bucket',
      'filter_enabled',
      'filter_enforced',
      'request_headers_to_add_when_not_enforced',
      'response_headers_to_add',
      'stage',
      'local_rate_limit_per_downstream_connection',
      'enable_x_ratelimit_headers',
      'rate_limited_as_resource_exhausted',
      'always_consume_default_token_bucket',
    ],
    [`${HTTP}.compressor.v3.Compressor`]: [
      'content_length',
      'content_type',
      'disable_on_etag_header',
      'remove_accept_encoding_header',
      'runtime_enabled',
      'compressor_library',
      'response_direction_config',
    ],
    [`${HTTP}.compressor.v3.Compressor.CommonDirectionConfig`]: '*',
    [`${HTTP}.compressor.v3.Compressor.ResponseDirectionConfig`]: [
      'common_config',
      'disable_on_etag_header',
      'remove_accept_encoding_header',
      'uncompressible_response_codes',
    ],
    [`${HTTP}.compressor.v3.CompressorPerRoute`]: '*',
    [`${HTTP}.compressor.v3.CompressorOverrides`]: ['response_direction_config'],
    [`${HTTP}.compressor.v3.ResponseDirectionOverrides`]: '*',
    [GZIP]: ['memory_level', 'compression_level', 'compression_strategy', 'window_bits'],
    [`${HTTP}.header_to_metadata.v3.Config`]: '*',
    [`${HTTP}.header_to_metadata.v3.Config.Rule`]: '*',
    [`${HTTP}.header_to_metadata.v3.Config.KeyValuePair`]: '*',
    [`${HTTP}.set_metadata.v3.Config`]: '*',
    [`${HTTP}.set_metadata.v3.Metadata`]: ['metadata_namespace', 'allow_overwrite', 'value'],
    [`${HTTP}.health_check.v3.HealthCheck`]: '*',
    'envoy.type.v3.Percent': '*',
    'envoy.type.v3.TokenBucket': '*',
    'envoy.type.v3.HttpStatus': '*',
    'envoy.type.matcher.v3.PathMatcher': '*',
  },
  harmless: {
    [`${HTTP}.compressor.v3.Compressor`]: { choose_first: 'there is one compressor' },
    [GZIP]: { chunk_size: 'output has the size it has' },
  },
};

/** What all filters of this package support; larger ones keep their tables in their folders. */
export const httpFilterSupport: SupportDeclaration = merged([
  smallFilters,
  decompressorSupport,
  extAuthzSupport,
  jwtAuthnSupport,
]);

function merged(declarations: readonly SupportDeclaration[]): SupportDeclaration {
  const extensions: NonNullable<SupportDeclaration['extensions']> = {};
  for (const declaration of declarations)
    for (const [category, types] of Object.entries(declaration.extensions ?? {}))
      extensions[category] = { ...extensions[category], ...types };
  return {
    extensions,
    fields: Object.assign({}, ...declarations.map(declaration => declaration.fields)),
    harmless: Object.assign({}, ...declarations.map(declaration => declaration.harmless)),
  };
}
