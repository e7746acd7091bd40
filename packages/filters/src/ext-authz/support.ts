// What the ext_authz filter implements of its configuration messages.

import type { SupportDeclaration } from '@dragoman/config';
import { grpcServiceFields } from '@dragoman/proxy';

const AUTHZ = 'envoy.extensions.filters.http.ext_authz.v3';

export const extAuthzSupport: SupportDeclaration = {
  extensions: {
    'envoy.filters.http': { [`${AUTHZ}.ExtAuthz`]: ['envoy.filters.http.ext_authz', 'envoy.ext_authz'] },
    'envoy.filters.http.route': { [`${AUTHZ}.ExtAuthzPerRoute`]: [] },
  },
  fields: {
    ...grpcServiceFields,
    [`${AUTHZ}.ExtAuthz`]: [
      'grpc_service',
      'http_service',
      'transport_api_version=V3',
      'failure_mode_allow',
      'failure_mode_allow_header_add',
      'with_request_body',
      'clear_route_cache',
      'status_on_error',
      'validate_mutations',
      'metadata_context_namespaces',
      'route_metadata_context_namespaces',
      'filter_enabled',
      'filter_enabled_metadata',
      'deny_at_disable',
      'include_peer_certificate',
      'include_tls_session',
      'stat_prefix',
      'allowed_headers',
      'disallowed_headers',
      'charge_cluster_response_stats',
      'enable_dynamic_metadata_ingestion',
    ],
    [`${AUTHZ}.BufferSettings`]: '*',
    [`${AUTHZ}.HttpService`]: [
      'server_uri',
      'path_prefix',
      'authorization_request',
      'authorization_response',
    ],
    [`${AUTHZ}.AuthorizationRequest`]: '*',
    [`${AUTHZ}.AuthorizationResponse`]: '*',
    [`${AUTHZ}.ExtAuthzPerRoute`]: '*',
    [`${AUTHZ}.CheckSettings`]: ['context_extensions', 'disable_request_body_buffering', 'with_request_body'],
  },
};
