import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StreamInfo } from '../filter-chain/stream-info.ts';
import { RouteAction } from './route.ts';
import { formatInput, lines, named, request, routeName, routes, routeTable } from './test-fixture.ts';

const to = (cluster: string, action: Record<string, unknown> = {}) => ({ route: { cluster, ...action } });

function host(name: string, ...domains: string[]): Record<string, unknown> {
  return { name, domains, routes: [named(name, { prefix: '/' })] };
}

const HOSTS = [
  host('exact', 'exact.test', 'Mixed.Test'),
  host('exact with port', 'port.test:8080'),
  host('suffix *.test', '*.test'),
  host('suffix *.long.test', '*.long.test'),
  host('suffix -dash', '*-dash.test'),
  host('prefix pre.*', 'pre.*'),
  host('prefix pre.long.*', 'pre.long.*'),
];

/** Recorded from Envoy; '' is no virtual host. */
const DOMAINS: Record<string, string> = {
  'exact.test': 'exact',
  'EXACT.TEST': 'exact',
  'exact.test:80': '',
  'exact.test.': '',
  'mixed.test': 'exact',
  'port.test:8080': 'exact with port',
  'port.test': 'suffix *.test',
  'a.test': 'suffix *.test',
  'a.long.test': 'suffix *.long.test',
  'long.test': 'suffix *.test',
  '.test': '',
  test: '',
  'a-dash.test': 'suffix -dash',
  '-dash.test': 'suffix *.test',
  'pre.x': 'prefix pre.*',
  'pre.': '',
  'pre.long.x': 'prefix pre.long.*',
  'pre.long.test': 'suffix *.long.test',
  other: '',
  'pre.x:90': 'prefix pre.*',
};

test('domains: exact, suffix, prefix, the longest first', () => {
  const strict = routeTable({ virtual_hosts: HOSTS });
  const open = routeTable({ virtual_hosts: [...HOSTS, host('any', '*')] });
  for (const [authority, expected] of Object.entries(DOMAINS)) {
    assert.equal(routeName(strict, request('/', { ':authority': authority })), expected, authority);
    assert.equal(routeName(open, request('/', { ':authority': authority })), expected || 'any', authority);
  }
});

test('ignore_port_in_host_matching', () => {
  const table = routeTable({ virtual_hosts: HOSTS, ignore_port_in_host_matching: true });
  assert.equal(routeName(table, request('/', { ':authority': 'exact.test:80' })), 'exact');
  assert.equal(routeName(table, request('/', { ':authority': 'port.test:8080' })), 'suffix *.test');
  const six = routeTable({ virtual_hosts: [host('six', '[::1]')], ignore_port_in_host_matching: true });
  assert.equal(routeName(six, request('/', { ':authority': '[::1]:80' })), 'six');
  assert.equal(routeName(six, request('/', { ':authority': '[::1]' })), 'six');
});

test('a domain can be taken once', () => {
  const twice = [host('a', 'x.test'), host('b', 'X.test')];
  assert.throws(
    () => routeTable({ virtual_hosts: twice }),
    /Duplicate entry of domain X\.test in route routes/,
  );
  assert.throws(
    () => routeTable({ virtual_hosts: [host('a', '*'), host('b', '*')] }),
    /Only a single wildcard domain is permitted in route routes/,
  );
});

test('path conditions; the first route that matches wins', () => {
  const table = routes(
    named('connect', { connect_matcher: {} }),
    named('exact', { path: '/exact' }),
    named('case', { path: '/CaSe', case_sensitive: false }),
    named('regex', { safe_regex: { regex: '/r/[0-9]+' } }),
    named('separated', { path_separated_prefix: '/sep' }),
    named('prefix /p', { prefix: '/p' }),
    named('prefix /pp', { prefix: '/pp' }),
    named('prefix /I', { prefix: '/I', case_sensitive: false }),
    named('grpc', { prefix: '/g', grpc: {} }),
  );
  const expected: Record<string, string> = {
    '/exact': 'exact',
    '/exact/': '',
    '/exact?q=1': 'exact',
    '/Exact': '',
    '/case': 'case',
    '/r/12': 'regex',
    '/r/12?x=y': 'regex',
    '/r/12a': '',
    '/sep': 'separated',
    '/sep/a': 'separated',
    '/sepa': '',
    '/sep?x': 'separated',
    '/pp': 'prefix /p',
    '/P': '',
    '/ixx': 'prefix /I',
    '/g': '',
    '?q': '',
  };
  for (const [path, name] of Object.entries(expected))
    assert.equal(routeName(table, request(path)), name, path);
  assert.equal(routeName(table, request('/g', { 'content-type': 'application/grpc+proto' })), 'grpc');
  assert.equal(routeName(table, request('/g', { 'content-type': 'application/grpc-web' })), '');
  assert.equal(routeName(table, request('', { ':method': 'CONNECT' })), 'connect');
});

test('query parameters are compared undecoded, the first of repeated ones', () => {
  const table = routes(
    named('value', { prefix: '/', query_parameters: [{ name: 'a', string_match: { exact: 'b c' } }] }),
    named('one', { prefix: '/', query_parameters: [{ name: 'a', string_match: { exact: '1' } }] }),
    named('present', { prefix: '/', query_parameters: [{ name: 'p', present_match: true }] }),
  );
  assert.equal(routeName(table, request('/?a=b%20c')), '');
  assert.equal(routeName(table, request('/?a=b c')), 'value');
  assert.equal(routeName(table, request('/?a=1&a=2')), 'one');
  assert.equal(routeName(table, request('/?a=2&a=1')), '');
  assert.equal(routeName(table, request('/?x;a=1')), '');
  assert.equal(routeName(table, request('/?%61=1')), '');
  assert.equal(routeName(table, request('/?p')), 'present');
  assert.equal(routeName(table, request('/?pp=1')), '');
});

test('cookies, dynamic metadata and fractions', () => {
  const table = routes(
    named('cookie', { prefix: '/', cookies: [{ name: 'user', string_match: { exact: 'me' } }] }),
    named('metadata', {
      prefix: '/',
      dynamic_metadata: [{ filter: 'ns', path: [{ key: 'k' }], value: { string_match: { exact: 'v' } } }],
    }),
    named('never', { prefix: '/', runtime_fraction: { default_value: { numerator: 0 } } }),
    named('half', {
      prefix: '/',
      runtime_fraction: { default_value: { numerator: 50, denominator: 'HUNDRED' } },
    }),
  );
  assert.equal(routeName(table, request('/', { cookie: 'a=b; user="me"' })), 'cookie');
  const info = new StreamInfo();
  info.setDynamicMetadata('ns', 'k', 'v');
  assert.equal(routeName(table, request('/'), info), 'metadata');
  const count = Array.from({ length: 400 }, () => routeName(table, request('/'))).filter(
    name => name === 'half',
  ).length;
  assert.ok(count > 100 && count < 300, `${count} of 400`);
});

test('require_tls answers with 301 to https', () => {
  const table = routeTable({
    virtual_hosts: [
      { name: 'all', domains: ['*'], require_tls: 'EXTERNAL_ONLY', routes: [named('x', { prefix: '/' })] },
    ],
  });
  const plain = table.match(request('/a?b', { 'x-forwarded-proto': 'http' }), formatInput());
  assert.equal(plain?.action, RouteAction.Redirect);
  assert.equal(plain?.responseStatus, 301);
  assert.equal(plain?.redirectLocation(request('/a?b')), 'https://proxy.test/a?b');
  assert.equal(routeName(table, request('/', { 'x-forwarded-proto': 'https' })), 'x');
  const internal = new StreamInfo();
  internal.internal = true;
  assert.equal(routeName(table, request('/', { 'x-forwarded-proto': 'http' }), internal), 'x');
});

test('weighted clusters: shares, per-cluster headers and filter configuration', () => {
  const table = routes({
    match: { prefix: '/' },
    request_headers_to_add: [{ header: { key: 'x-level', value: 'route' } }],
    route: {
      weighted_clusters: {
        clusters: [
          {
            name: 'a',
            weight: 1,
            request_headers_to_add: [{ header: { key: 'x-level', value: 'weighted' } }],
          },
          { name: 'b', weight: 3 },
          { name: 'never', weight: 0 },
        ],
      },
    },
  });
  const counts: Record<string, number> = { a: 0, b: 0, never: 0 };
  for (let i = 0; i < 400; i++) counts[table.match(request('/'), formatInput())?.cluster ?? '']++;
  assert.ok(counts.a > 50 && counts.a < 150, JSON.stringify(counts));
  assert.equal(counts.never, 0);
  const info = new StreamInfo();
  while (info.random % 4 !== 0) info.reset(0, 0);
  const route = table.match(request('/'), { info });
  assert.equal(route?.cluster, 'a');
  const headers = request('/');
  route?.finalizeRequestHeaders(headers, formatInput({ requestHeaders: headers }));
  assert.deepEqual(lines(headers), ['x-level: weighted', 'x-level: route']);
  assert.equal(table.match(request('/'), { info }), route, 'one stream, one choice');
});

test('weights that sum to 0 are refused', () => {
  assert.throws(
    () =>
      routes({
        match: { prefix: '/' },
        route: { weighted_clusters: { clusters: [{ name: 'a', weight: 0 }] } },
      }),
    /Sum of weights in the weighted_cluster must be greater than 0/,
  );
});

test('filter configuration: most specific, all levels, switches', () => {
  const config = (value: string) => ({ '@type': 'type.googleapis.com/google.protobuf.StringValue', value });
  const table = routeTable({
    typed_per_filter_config: { f: config('table') },
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        typed_per_filter_config: { f: config('host') },
        routes: [
          { ...named('own', { path: '/own' }), typed_per_filter_config: { f: config('route') } },
          {
            ...named('off', { path: '/off' }),
            typed_per_filter_config: {
              f: { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true },
            },
          },
          named('plain', { prefix: '/' }),
        ],
      },
    ],
  });
  assert.equal(table.hasFilterConfigs, true);
  const own = table.match(request('/own'), formatInput());
  assert.deepEqual(own?.filterConfigs('f'), ['table', 'host', 'route']);
  assert.equal(own?.filterConfig('f'), 'route');
  assert.equal(own?.filterDisabled('f'), false);
  assert.equal(table.match(request('/off'), formatInput())?.filterDisabled('f'), true);
  const plain = table.match(request('/x'), formatInput());
  assert.deepEqual(plain?.filterConfigs('f'), ['table', 'host']);
  assert.equal(plain?.filterDisabled('g'), undefined);
});

test('defaults of a forwarding route', () => {
  const route = routes({ match: { prefix: '/' }, ...to('app') }).match(request('/'), formatInput());
  assert.equal(route?.timeoutMs, 15_000);
  assert.equal(route?.idleTimeoutMs, -1);
  assert.equal(route?.maxStreamDurationMs, -1);
  assert.equal(route?.clusterNotFoundStatus, 503);
  assert.equal(route?.retryPolicy, null);
  assert.equal(route?.clusterFor(request('/')), 'app');
});

test('cluster_header takes the first value; none means no cluster', () => {
  const table = routes({ match: { prefix: '/' }, route: { cluster_header: 'X-Cluster' } });
  const route = table.match(request('/'), formatInput());
  assert.equal(route?.clusterFor(request('/', { 'x-cluster': ['a', 'b'] })), 'a');
  assert.equal(route?.clusterFor(request('/')), '');
});

test('a direct response body may not exceed its limit', () => {
  const body = (length: number) => ({
    match: { prefix: '/' },
    direct_response: { status: 200, body: { inline_string: 'x'.repeat(length) } },
  });
  assert.equal(routes(body(4096)).match(request('/'), formatInput())?.directResponseBody.length, 4096);
  assert.throws(() => routes(body(4097)), /response body size is 4097 bytes; maximum is 4096/);
});

test('prefix routes agree with startsWith on any path', () => {
  const path = fc
    .array(fc.constantFrom('a', 'b', '/', '?', '%'), { maxLength: 6 })
    .map(parts => `/${parts.join('')}`);
  fc.assert(
    fc.property(path, path, (prefix, target) => {
      const table = routes(named('yes', { prefix }));
      assert.equal(routeName(table, request(target)) === 'yes', target.split('?')[0].startsWith(prefix));
    }),
  );
});
