// Support for the HTTP filters and their route configurations.

import type { SupportDeclaration } from './support.ts';

const HTTP = 'envoy.extensions.filters.http';
const WASM = 'envoy.extensions.wasm.v3';
const MUTATIONS = 'envoy.config.common.mutation_rules.v3';
const ROUTER = `${HTTP}.router.v3.Router`;
const FAULT = 'envoy.extensions.filters.common.fault.v3';

export const httpFilterSupport: SupportDeclaration = {
  extensions: {
    'envoy.filters.http': {
      [ROUTER]: ['envoy.filters.http.router', 'envoy.router'],
      [`${HTTP}.wasm.v3.Wasm`]: ['envoy.filters.http.wasm', 'envoy.wasm'],
      [`${HTTP}.header_mutation.v3.HeaderMutation`]: ['envoy.filters.http.header_mutation'],
      [`${HTTP}.fault.v3.HTTPFault`]: ['envoy.filters.http.fault', 'envoy.fault'],
    },
    'envoy.filters.http.route': {
      [`${HTTP}.header_mutation.v3.HeaderMutationPerRoute`]: [],
      [`${HTTP}.fault.v3.HTTPFault`]: [],
    },
  },
  fields: {
    [ROUTER]: [
      'start_child_span=false',
      'suppress_envoy_headers',
      'respect_expected_rq_timeout',
      'strict_check_headers',
    ],
    [`${HTTP}.wasm.v3.Wasm`]: '*',
    [`${WASM}.PluginConfig`]: [
      'name',
      'root_id',
      'vm_config',
      'configuration',
      'fail_open',
      'failure_policy',
      'reload_config',
      'capability_restriction_config',
      'allow_on_headers_stop_iteration',
    ],
    [`${WASM}.VmConfig`]: [
      'vm_id',
      'runtime',
      'code',
      'configuration',
      'environment_variables',
      'nack_on_code_cache_miss',
    ],
    [`${WASM}.EnvironmentVariables`]: '*',
    [`${WASM}.CapabilityRestrictionConfig`]: '*',
    [`${WASM}.SanitizationConfig`]: '*',
    [`${WASM}.ReloadConfig`]: '*',
    [`${HTTP}.header_mutation.v3.HeaderMutation`]: '*',
    [`${HTTP}.header_mutation.v3.HeaderMutationPerRoute`]: '*',
    [`${HTTP}.header_mutation.v3.Mutations`]: ['request_mutations', 'response_mutations'],
    [`${MUTATIONS}.HeaderMutation`]: ['remove', 'append', 'remove_on_match'],
    [`${MUTATIONS}.HeaderMutation.RemoveOnMatch`]: '*',
    [`${HTTP}.fault.v3.HTTPFault`]: [
      'delay',
      'abort',
      'upstream_cluster',
      'headers',
      'downstream_nodes',
      'max_active_faults',
      'delay_percent_runtime',
      'abort_percent_runtime',
      'delay_duration_runtime',
      'abort_http_status_runtime',
      'abort_grpc_status_runtime',
      'max_active_faults_runtime',
      'disable_downstream_cluster_stats',
      'filter_metadata',
    ],
    [`${HTTP}.fault.v3.FaultAbort`]: '*',
    [`${HTTP}.fault.v3.FaultAbort.HeaderAbort`]: '*',
    [`${FAULT}.FaultDelay`]: '*',
    [`${FAULT}.FaultDelay.HeaderDelay`]: '*',
  },
  harmless: {
    [ROUTER]: {
      dynamic_stats: 'statistics only',
      suppress_grpc_request_failure_code_stats: 'statistics only',
    },
    [`${WASM}.VmConfig`]: {
      allow_precompiled: 'modules are compiled here, and cached',
    },
  },
};
