import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadersStatus, type HttpFilterType } from '@dragoman/proxy';
import { lines, request, response, TestBench } from '../test-stream.ts';
import { corsFilterType } from './cors.ts';

const type = corsFilterType as unknown as HttpFilterType<never, never>;
const FULL = {
  allow_origin_string_match: [
    { exact: 'https://a.test' },
    { safe_regex: { regex: 'https://.*\\.b\\.test' } },
  ],
  allow_methods: 'GET, POST',
  allow_headers: 'x-a, x-b',
  expose_headers: 'x-e',
  max_age: '600',
  allow_credentials: true,
};

function run(policies: Record<string, unknown>[], method: string, headers: Record<string, string>) {
  const bench = new TestBench();
  const requestHeaders = request('/', { ':method': method, ...headers });
  const stream = bench.stream(requestHeaders, ...policies.map(policy => bench.routeConfig(type, policy)));
  const filter = bench.instance(type, {}).createFilter(stream.asStream);
  const status = filter?.decodeHeaders?.(stream.asStream, requestHeaders, true);
  const responseHeaders = response(200);
  filter?.encodeHeaders?.(stream.asStream, responseHeaders, true);
  return { bench, status, reply: stream.replies[0], response: lines(responseHeaders) };
}

const PREFLIGHT = { origin: 'https://x.b.test', 'access-control-request-method': 'POST' };

test('a preflight of an allowed origin is answered', () => {
  const { status, reply, bench } = run([FULL], 'OPTIONS', PREFLIGHT);
  assert.equal(status, HeadersStatus.StopIteration);
  assert.deepEqual(reply, {
    status: 200,
    body: '',
    details: 'cors_response',
    grpcStatus: undefined,
    headers: [
      ['access-control-allow-origin', 'https://x.b.test'],
      ['access-control-allow-credentials', 'true'],
      ['access-control-allow-methods', 'GET, POST'],
      ['access-control-allow-headers', 'x-a, x-b'],
      ['access-control-max-age', '600'],
    ],
  });
  assert.equal(bench.counter('http.test.cors.origin_valid'), 1);
});

test('other origins: preflights pass on, or are answered without permission', () => {
  const evil = { ...PREFLIGHT, origin: 'https://evil.test' };
  const passed = run([FULL], 'OPTIONS', evil);
  assert.equal(passed.status, HeadersStatus.Continue);
  assert.equal(passed.bench.counter('http.test.cors.origin_invalid'), 1);
  const answered = run([{ ...FULL, forward_not_matching_preflights: false }], 'OPTIONS', evil);
  assert.deepEqual([answered.reply.status, answered.reply.headers], [200, []]);
});

test('responses tell allowed origins that they may be read', () => {
  assert.deepEqual(run([FULL], 'GET', { origin: 'https://a.test' }).response, [
    'access-control-allow-origin: https://a.test',
    'access-control-allow-credentials: true',
    'access-control-expose-headers: x-e',
  ]);
  assert.deepEqual(run([FULL], 'GET', { origin: 'https://evil.test' }).response, []);
  assert.deepEqual(run([FULL], 'GET', {}).response, []);
  assert.deepEqual(run([], 'GET', { origin: 'https://a.test' }).response, []);
});

test('a shadow policy only counts', () => {
  const shadow = {
    ...FULL,
    filter_enabled: { default_value: { numerator: 0 } },
    shadow_enabled: { default_value: { numerator: 100 } },
  };
  const {
    bench,
    response: headers,
    status,
  } = run([shadow], 'OPTIONS', { ...PREFLIGHT, origin: 'https://a.test' });
  assert.equal(status, HeadersStatus.Continue);
  assert.deepEqual(headers, []);
  assert.equal(bench.counter('http.test.cors.origin_valid'), 1);
});

test('what the most specific policy leaves open, the next one says', () => {
  const own = { allow_methods: 'PUT' };
  const { reply } = run([FULL, own], 'OPTIONS', PREFLIGHT);
  assert.deepEqual(
    reply.headers.find(([name]) => name === 'access-control-allow-methods'),
    ['access-control-allow-methods', 'PUT'],
  );
});

test('private networks and "*" for headers', () => {
  const policy = { ...FULL, allow_headers: '*', allow_private_network_access: true };
  const asked = {
    ...PREFLIGHT,
    'access-control-request-headers': 'x-own',
    'access-control-request-private-network': 'true',
  };
  const names = new Map(run([policy], 'OPTIONS', asked).reply.headers);
  assert.equal(names.get('access-control-allow-headers'), 'x-own');
  assert.equal(names.get('access-control-allow-private-network'), 'true');
});
