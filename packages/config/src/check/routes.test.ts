import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorsOf, load } from '../../fixtures/sample.ts';

const ROUTE = 'HCM.route_config.virtual_hosts[0].routes[0]';

test('a cluster that does not exist is refused wherever a route names one', () => {
  assert.deepEqual(
    errorsOf(({ route }) => {
      route.route.cluster = 'b';
    }),
    [`${ROUTE}.route.cluster: route: unknown cluster 'b'`],
  );
  assert.deepEqual(
    errorsOf(({ route }) => {
      route.route = { weighted_clusters: { clusters: [{ name: 'b', weight: 1 }] } };
    }),
    [`${ROUTE}.route.weighted_clusters.clusters[0].name: route: unknown weighted cluster 'b'`],
  );
  assert.deepEqual(
    errorsOf(({ route }) => {
      route.route.request_mirror_policies = [{ cluster: 'b' }];
    }),
    [`${ROUTE}.route.request_mirror_policies[0].cluster: route: unknown shadow cluster 'b'`],
  );
});

test('the nearest cluster name is suggested, and validate_clusters false lets any name pass', () => {
  const { errors } = load(({ route, cluster }) => {
    cluster.name = 'service';
    route.route.cluster = 'servise';
  });
  assert.equal(errors[0]!.hint, 'did you mean service?');
  assert.deepEqual(
    errorsOf(({ routes, route }) => {
      routes.validate_clusters = false;
      route.route.cluster = 'b';
    }),
    [],
  );
});

test('domains are unique without regard to case, with one *', () => {
  const hosts = (...domains: string[]) =>
    errorsOf(({ routes, host }) => {
      routes.virtual_hosts = domains.map(domain => ({ ...host, domains: [domain] }));
    });
  assert.deepEqual(hosts('a', 'b', '*'), []);
  assert.match(
    hosts('a', 'A')[0]!,
    /virtual_hosts\[1\]\.domains\[0\]: Only unique values for domains are permitted\. Duplicate entry of domain a in route routes$/,
  );
  assert.match(hosts('*', '*')[0]!, /Only a single wildcard domain is permitted in route routes$/);
});

test('header lists may not touch pseudo headers and Host', () => {
  for (const level of ['routes', 'host', 'route'] as const) {
    const errors = errorsOf(parts => {
      parts[level].request_headers_to_add = [{ header: { key: 'Host', value: 'x' } }];
      parts[level].response_headers_to_remove = [':status'];
    });
    assert.equal(errors.length, 2, level);
    assert.match(errors[0]!, /:-prefixed or host headers may not be modified$/);
    assert.match(errors[1]!, /:-prefixed or host headers may not be removed$/);
  }
});

test('weights: the sum counts, names and headers exclude each other', () => {
  const weighted = (...clusters: object[]) =>
    errorsOf(({ route }) => {
      route.route = { weighted_clusters: { clusters } };
    });
  assert.deepEqual(weighted({ name: 'a', weight: 1 }, { name: 'a' }), []);
  assert.match(
    weighted({ name: 'a', weight: 0 })[0]!,
    /Sum of weights in the weighted_cluster must be greater than 0\.$/,
  );
  assert.match(
    weighted({ name: 'a', weight: 4294967295 }, { name: 'a', weight: 1 })[0]!,
    /exceeds 4294967295$/,
  );
  assert.match(
    weighted({ name: 'a', cluster_header: 'x-c', weight: 1 })[0]!,
    /Only one of name or cluster_header/,
  );
  assert.match(weighted({ weight: 1 })[0]!, /At least one of name or cluster_header/);
});

test('direct response bodies have a limit that the table can raise', () => {
  const body = (size: number, limit?: number) =>
    errorsOf(({ routes, route }) => {
      delete route.route;
      route.direct_response = { status: 200, body: { inline_string: 'x'.repeat(size) } };
      if (limit !== undefined) routes.max_direct_response_body_size_bytes = limit;
    });
  assert.deepEqual(body(4096), []);
  assert.deepEqual(body(4097), [
    `${ROUTE}.direct_response.body: response body size is 4097 bytes; maximum is 4096`,
  ]);
  assert.deepEqual(body(4097, 5000), []);
});

test('one path rewrite, one configuration per upgrade, ordered back-off', () => {
  const route = (fields: object) =>
    errorsOf(parts => {
      Object.assign(parts.route.route, fields);
    });
  assert.match(
    route({ prefix_rewrite: '/x', regex_rewrite: { pattern: { regex: 'a' }, substitution: 'b' } })[0]!,
    /Specify only one of prefix_rewrite/,
  );
  assert.match(
    route({ upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'WebSocket' }] })[0]!,
    /Duplicate upgrade WebSocket$/,
  );
  assert.match(
    route({ retry_policy: { retry_back_off: { base_interval: '2s', max_interval: '1s' } } })[0]!,
    /max_interval must be greater/,
  );
  assert.deepEqual(
    route({ retry_policy: { retry_back_off: { base_interval: '1s', max_interval: '2s' } } }),
    [],
  );
});

test('a FilterConfig says something', () => {
  const perRoute = (config: object) =>
    errorsOf(({ route }) => {
      route.typed_per_filter_config = { x: { '@type': 't/envoy.config.route.v3.FilterConfig', ...config } };
    });
  assert.match(
    perRoute({})[0]!,
    /typed_per_filter_config\.x: Empty route\/virtual host per filter configuration for one filter$/,
  );
  assert.deepEqual(perRoute({ disabled: true }), []);
  assert.deepEqual(
    perRoute({ config: { '@type': 't/envoy.extensions.filters.http.fault.v3.HTTPFault' } }),
    [],
  );
});
