import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatInput, lines, request, response, routes, routeTable } from './test-fixture.ts';

const add = (key: string, value: string, append_action?: string) => ({
  header: { key, value },
  ...(append_action && { append_action }),
});
const ACTIONS = [
  'APPEND_IF_EXISTS_OR_ADD',
  'ADD_IF_ABSENT',
  'OVERWRITE_IF_EXISTS_OR_ADD',
  'OVERWRITE_IF_EXISTS',
];
const NAMES = ['x-append', 'x-absent', 'x-overwrite', 'x-exists'];

function finalized(
  table: ReturnType<typeof routes>,
  headers: ReturnType<typeof request>,
  keepOriginal = true,
): string[] {
  const input = formatInput({ requestHeaders: headers });
  table.match(headers, input)?.finalizeRequestHeaders(headers, input, keepOriginal);
  return lines(headers);
}

test('append actions: overwriting ones first, then adding ones, in order', () => {
  const table = routes({
    match: { prefix: '/' },
    route: { cluster: 'app' },
    request_headers_to_add: ACTIONS.map((action, i) => add(NAMES[i], 'new', action)),
  });
  assert.deepEqual(finalized(table, request('/')), ['x-overwrite: new', 'x-append: new', 'x-absent: new']);
  const old = Object.fromEntries(NAMES.map(name => [name, 'old']));
  assert.deepEqual(finalized(table, request('/', old)), [
    'x-append: old',
    'x-absent: old',
    'x-overwrite: new',
    'x-exists: new',
    'x-append: new',
  ]);
});

test('empty values are dropped unless kept; mixed ones keep the rest', () => {
  const table = routes({
    match: { prefix: '/' },
    route: { cluster: 'app' },
    request_headers_to_add: [
      add('x-dropped', '%REQ(x-none)%'),
      { header: { key: 'x-kept', value: '' }, keep_empty_value: true },
      add('x-mixed', 'a%REQ(x-none)%b'),
      add('x-percent', '100%%'),
    ],
  });
  assert.deepEqual(finalized(table, request('/')), ['x-kept: ', 'x-mixed: ab', 'x-percent: 100%']);
});

test('a value that cannot be a header value is dropped', () => {
  const table = routes({
    match: { prefix: '/' },
    route: { cluster: 'app' },
    request_headers_to_add: [add('x-copy', '%DYNAMIC_METADATA(ns:key)%')],
  });
  const headers = request('/');
  const input = formatInput({ requestHeaders: headers });
  input.info.setDynamicMetadata('ns', 'key', 'a\r\nevil: 1');
  table.match(headers, input)?.finalizeRequestHeaders(headers, input);
  assert.deepEqual(lines(headers), []);
});

function levels(mostSpecificWins: boolean) {
  const level = (name: string) => [add('x-level', name), add('x-wins', name, 'OVERWRITE_IF_EXISTS_OR_ADD')];
  return routeTable({
    request_headers_to_add: level('table'),
    most_specific_header_mutations_wins: mostSpecificWins,
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        request_headers_to_add: [...level('vhost'), add('x-gone', 'added by the vhost')],
        routes: [
          {
            match: { prefix: '/' },
            route: { cluster: 'app' },
            request_headers_to_add: level('route'),
            request_headers_to_remove: ['X-Gone'],
          },
        ],
      },
    ],
  });
}

test('levels: the least specific runs last, unless the most specific shall win', () => {
  assert.deepEqual(finalized(levels(false), request('/', { 'x-gone': 'from the client' })), [
    'x-level: route',
    'x-level: vhost',
    'x-gone: added by the vhost',
    'x-wins: table',
    'x-level: table',
  ]);
  assert.deepEqual(finalized(levels(true), request('/', { 'x-gone': 'from the client' })), [
    'x-level: table',
    'x-level: vhost',
    'x-wins: route',
    'x-level: route',
  ]);
});

test('response headers', () => {
  const table = routes({
    match: { prefix: '/' },
    direct_response: { status: 200 },
    response_headers_to_add: [
      add('x-local', 'yes'),
      add('Content-Type', 'text/html', 'OVERWRITE_IF_EXISTS_OR_ADD'),
    ],
    response_headers_to_remove: ['server'],
  });
  const headers = response(200, { server: 'x' });
  table
    .match(request('/'), formatInput())
    ?.finalizeResponseHeaders(headers, formatInput({ responseHeaders: headers }));
  assert.deepEqual(lines(headers), ['content-type: text/html', 'x-local: yes']);
});

test('pseudo headers and Host may not be changed', () => {
  const route = (settings: object) => ({ match: { prefix: '/' }, route: { cluster: 'a' }, ...settings });
  assert.throws(
    () => routes(route({ request_headers_to_add: [add(':path', '/')] })),
    /:-prefixed or host headers may not be modified/,
  );
  assert.throws(
    () => routes(route({ request_headers_to_remove: ['Host'] })),
    /:-prefixed or host headers may not be removed/,
  );
});

const REWRITES = routes(
  { match: { prefix: '/strip/' }, route: { cluster: 'a', prefix_rewrite: '/' } },
  { match: { path: '/exact' }, route: { cluster: 'a', prefix_rewrite: '/rewritten' } },
  { match: { safe_regex: { regex: '/whole/.*' } }, route: { cluster: 'a', prefix_rewrite: '/new' } },
  {
    match: { prefix: '/regex/' },
    route: {
      cluster: 'a',
      regex_rewrite: { pattern: { regex: '^/regex/([a-z]+)/(\\d+)' }, substitution: '/\\2/\\1' },
    },
  },
  { match: { path_separated_prefix: '/sep' }, route: { cluster: 'a', prefix_rewrite: '/other' } },
  { match: { prefix: '/format' }, route: { cluster: 'a', path_rewrite: '/f/%REQ(x-a)%' } },
);

test('path rewrites keep the query and tell the original path', () => {
  const rewritten = (path: string): string => {
    const headers = request(path, { 'x-a': '1' });
    finalized(REWRITES, headers);
    assert.equal(headers.get('x-envoy-original-path'), path);
    return headers.path;
  };
  assert.equal(rewritten('/strip/a/b?q=1'), '/a/b?q=1');
  assert.equal(rewritten('/exact?q'), '/rewritten?q');
  assert.equal(rewritten('/whole/thing?q=1'), '/new?q=1');
  assert.equal(rewritten('/regex/abc/12/rest?q=/regex/a/1'), '/12/abc/rest?q=/regex/a/1');
  assert.equal(rewritten('/regex/nope'), '/regex/nope');
  assert.equal(rewritten('/sep/x'), '/other/x');
  assert.equal(rewritten('/sep'), '/other');
  assert.equal(rewritten('/format?q'), '/f/1?q');
  const quiet = request('/exact');
  finalized(REWRITES, quiet, false);
  assert.equal(quiet.has('x-envoy-original-path'), false);
});

test('host rewrites', () => {
  const table = routes(
    { match: { prefix: '/literal' }, route: { cluster: 'a', host_rewrite_literal: 'literal.test' } },
    { match: { prefix: '/header' }, route: { cluster: 'a', host_rewrite_header: 'x-host' } },
    {
      match: { prefix: '/path' },
      route: {
        cluster: 'a',
        host_rewrite_path_regex: { pattern: { regex: '^/path/([a-z]+).*' }, substitution: '\\1.test' },
      },
    },
    {
      match: { prefix: '/forwarded' },
      route: { cluster: 'a', host_rewrite_literal: 'literal.test', append_x_forwarded_host: true },
    },
  );
  const rewritten = (path: string, headers: Record<string, string> = {}): [string, ...string[]] => {
    const map = request(path, headers);
    const rest = finalized(table, map).filter(line => !line.startsWith('x-host'));
    return [map.authority, ...rest];
  };
  assert.deepEqual(rewritten('/literal'), ['literal.test', 'x-envoy-original-host: proxy.test']);
  assert.deepEqual(rewritten('/path/abc/x?q'), ['abc.test', 'x-envoy-original-host: proxy.test']);
  assert.deepEqual(rewritten('/header', { 'x-host': 'h.test' }), [
    'h.test',
    'x-envoy-original-host: proxy.test',
  ]);
  assert.deepEqual(rewritten('/header', { 'x-host': '' }), ['proxy.test']);
  assert.deepEqual(rewritten('/header'), ['proxy.test']);
  assert.deepEqual(rewritten('/forwarded', { 'x-forwarded-host': 'earlier.test' }), [
    'literal.test',
    'x-forwarded-host: earlier.test,proxy.test',
    'x-envoy-original-host: proxy.test',
  ]);
});

test('redirect locations', () => {
  const location = (
    redirect: Record<string, unknown>,
    path = '/a/b?q=1',
    authority = 'h:80',
    prefix = '/',
  ): string => {
    const headers = request(path, { ':authority': authority, 'x-forwarded-proto': 'http' });
    return (
      routes({ match: { prefix }, redirect }).match(headers, formatInput())?.redirectLocation(headers) ?? ''
    );
  };
  assert.equal(location({ https_redirect: true }), 'https://h/a/b?q=1');
  assert.equal(location({ https_redirect: true }, '/', 'h:8080'), 'https://h:8080/');
  assert.equal(location({ https_redirect: true, port_redirect: 443 }), 'https://h:443/a/b?q=1');
  assert.equal(location({ host_redirect: 'new.test' }), 'http://new.test/a/b?q=1');
  assert.equal(location({ scheme_redirect: 'ftp' }, '/', 'h:81'), 'ftp://h:81/');
  assert.equal(location({ path_redirect: '/new' }), 'http://h:80/new?q=1');
  assert.equal(location({ path_redirect: '/new?own=1' }), 'http://h:80/new?own=1');
  assert.equal(location({ strip_query: true }), 'http://h:80/a/b');
  assert.equal(location({ prefix_rewrite: '/x' }, '/a/b?q=1', 'h', '/a'), 'http://h/x/b?q=1');
  assert.equal(location({ port_redirect: 81 }, '/', '[::1]:80'), 'http://[::1]:81/');
});
