// What is accepted of clusters with this folder's declaration, and which mistakes are named.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadBootstrap } from '@dragoman/config';
import { clusterManagerSupport } from './cluster-support.ts';

const ENDPOINT = { endpoint: { address: { socket_address: { address: '10.0.0.1', port_value: 80 } } } };
const ASSIGNMENT = { load_assignment: { cluster_name: 'app', endpoints: [{ lb_endpoints: [ENDPOINT] }] } };
const POLICIES = 'type.googleapis.com/envoy.extensions.load_balancing_policies';

/** Messages about a bootstrap with this one cluster. */
function mistakes(cluster: object): string[] {
  const bootstrap = { static_resources: { clusters: [{ name: 'app', ...cluster }] } };
  const { errors } = loadBootstrap(
    { configYaml: JSON.stringify(bootstrap) },
    { unknownFields: 'error', support: [clusterManagerSupport] },
  );
  return errors.map(error => `${error.path}: ${error.message}`);
}

const policy = (type: string, config: object = {}) => ({
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: { name: 'any', typed_config: { '@type': `${POLICIES}.${type}`, ...config } },
      },
    ],
  },
});

test('what is implemented is accepted', () => {
  const check = { timeout: '1s', interval: '1s', unhealthy_threshold: 2, healthy_threshold: 1 };
  const accepted = [
    {
      health_checks: [
        { ...check, http_health_check: { path: '/', expected_statuses: [{ start: 200, end: 300 }] } },
      ],
    },
    { health_checks: [{ ...check, tcp_health_check: { send: { text: '0a' }, receive: [{ text: '0B' }] } }] },
    { health_checks: [{ ...check, grpc_health_check: { service_name: 'a' } }] },
    { outlier_detection: { consecutive_5xx: 3, always_eject_one_host: true } },
    { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 103 } },
    {
      lb_policy: 'RING_HASH',
      common_lb_config: { consistent_hashing_lb_config: { hash_balance_factor: 150 } },
    },
    { common_lb_config: { locality_weighted_lb_config: {} } },
    { common_lb_config: { zone_aware_lb_config: { fail_traffic_on_panic: true } } },
    { round_robin_lb_config: { slow_start_config: { slow_start_window: '60s' } } },
    { lb_subset_config: { fallback_policy: 'ANY_ENDPOINT', subset_selectors: [{ keys: ['a'] }] } },
    policy('least_request.v3.LeastRequest', { choice_count: 3 }),
    policy('maglev.v3.Maglev', { table_size: 103 }),
    policy('wrr_locality.v3.WrrLocality', {
      endpoint_picking_policy: policy('round_robin.v3.RoundRobin').load_balancing_policy,
    }),
    { dns_resolvers: [{ socket_address: { address: '10.0.0.53', port_value: 53 } }] },
  ];
  for (const cluster of accepted)
    assert.deepEqual(mistakes({ ...ASSIGNMENT, ...cluster }), [], JSON.stringify(cluster));
});

test('an ORIGINAL_DST cluster takes its destination from a header only', () => {
  const cluster = { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' };
  assert.deepEqual(mistakes({ ...cluster, original_dst_lb_config: { use_http_header: true } }), []);
  assert.match(mistakes(cluster).join(), /original_dst_lb_config: .* cannot be read/);
  const robin = { ...cluster, lb_policy: 'ROUND_ROBIN', original_dst_lb_config: { use_http_header: true } };
  assert.match(mistakes(robin).join(), /Only 'CLUSTER_PROVIDED' is allowed/);
});

test('mistakes are named with their path', () => {
  const check = { timeout: '1s', interval: '1s', unhealthy_threshold: 2, healthy_threshold: 1 };
  const cases: [object, RegExp][] = [
    [{ lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 100 } }, /table_size: .*prime/],
    [
      { lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: 9, maximum_ring_size: 8 } },
      /minimum_ring_size \(9\) > /,
    ],
    [{ lb_policy: 'CLUSTER_PROVIDED' }, /lb_policy: .*CLUSTER_PROVIDED/],
    [
      { health_checks: [{ ...check, tcp_health_check: { send: { text: 'xy' } } }] },
      /tcp_health_check: invalid hex/,
    ],
    [
      {
        health_checks: [
          { ...check, http_health_check: { path: '/', expected_statuses: [{ start: 300, end: 200 }] } },
        ],
      },
      /expected_statuses: Invalid http status range/,
    ],
    [
      {
        health_checks: [
          { ...check, tcp_health_check: {} },
          { ...check, tcp_health_check: {} },
        ],
      },
      /Multiple health checks/,
    ],
    [
      {
        lb_subset_config: {
          subset_selectors: [{ keys: ['a'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['b'] }],
        },
      },
      /fallback_keys_subset: /,
    ],
  ];
  for (const [cluster, expected] of cases)
    assert.match(mistakes({ ...ASSIGNMENT, ...cluster }).join('\n'), expected, JSON.stringify(cluster));
});
