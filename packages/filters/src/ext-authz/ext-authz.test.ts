import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBytes, encodeMessage } from '@dragoman/config';
import { BodyBuffer, type RequestHeaders } from '@dragoman/http';
import {
  type AsyncRequest,
  type AsyncResponse,
  DataStatus,
  HeadersStatus,
  type HttpFilterType,
  ResponseFlag,
} from '@dragoman/proxy';
import { TestGrpcClient } from '../test-grpc.ts';
import { decoded, lines, request, response, TestBench, type TestStream } from '../test-stream.ts';
import { extAuthzFilterType } from './ext-authz.ts';
import { changedQuery } from './query-changes.ts';

const type = extAuthzFilterType as unknown as HttpFilterType<never, never>;
const RESPONSE = 'envoy.service.auth.v3.CheckResponse';

interface Call {
  readonly cluster: string;
  readonly request: AsyncRequest;
  readonly onDone: (response: AsyncResponse) => void;
  cancelled: boolean;
}

/** A bench with one cluster "authz", asked by the test's own client. */
class AuthzBench extends TestBench {
  readonly calls: Call[] = [];
  readonly charged: number[] = [];
  readonly grpc = new TestGrpcClient('authz');

  constructor() {
    super();
    const send = (cluster: string, sent: AsyncRequest, onDone: Call['onDone']) => {
      if (cluster !== 'authz') return null;
      const call: Call = { cluster, request: sent, onDone, cancelled: false };
      this.calls.push(call);
      return { cancel: () => (call.cancelled = true) };
    };
    const app = { responses: { chargeResponse: (status: number) => this.charged.push(status) } };
    Object.assign(this.context, {
      asyncClient: { send, start: this.grpc.start },
      clusters: new Map([['app', app]]),
    });
  }

  answer(status: number, headers: Record<string, string | string[]> = {}, body = ''): void {
    this.calls
      .at(-1)
      ?.onDone({ headers: response(status, headers), body: Buffer.from(body), trailers: null, local: false });
  }

  answerGrpc(json: object): void {
    this.grpc.last.send(encodeMessage(RESPONSE, decoded(RESPONSE, json)));
    this.grpc.last.end();
  }
}

const http = (service: object = {}, filter: object = {}): object => ({
  http_service: { server_uri: { uri: 'http://authz', cluster: 'authz', timeout: '1s' }, ...service },
  ...filter,
});
const grpc = (filter: object = {}): object => ({
  grpc_service: { envoy_grpc: { cluster_name: 'authz' }, timeout: '0.5s' },
  transport_api_version: 'V3',
  ...filter,
});

function start(
  config: object,
  headers: RequestHeaders = request('/a?b=c'),
  routes: object[] = [],
  endStream = true,
) {
  const bench = new AuthzBench();
  const stream = bench.stream(headers, ...routes.map(route => bench.routeConfig(type, route)));
  Object.assign(stream, {
    decodingBuffer: null,
    clearRouteCache: () => Object.assign(stream, { cleared: true }),
  });
  const filter = bench.instance(type, config).createFilter(stream.asStream)!;
  const status = filter.decodeHeaders?.(stream.asStream, headers, endStream);
  return { bench, stream: stream as TestStream & { cleared?: boolean }, filter, status, headers };
}

test('HTTP: what the service is asked, and 200 lets the request go on', () => {
  const service = {
    path_prefix: '/check',
    authorization_request: {
      allowed_headers: { patterns: [{ prefix: 'x-a' }] },
      headers_to_add: [{ key: 'X-Token', value: 't' }],
    },
    authorization_response: {
      allowed_upstream_headers: { patterns: [{ exact: 'x-user' }] },
      allowed_upstream_headers_to_append: { patterns: [{ exact: 'x-a1' }] },
      allowed_client_headers_on_success: { patterns: [{ exact: 'x-back' }] },
      dynamic_metadata_from_headers: { patterns: [{ exact: 'x-meta' }] },
    },
  };
  const headers = request('/a?b=c', {
    'x-a1': ['1', '2'],
    authorization: 'me',
    'x-user': 'forged',
    'x-drop': 'y',
    'content-length': '7',
  });
  const { bench, stream, filter, status } = start(http(service, { clear_route_cache: true }), headers);
  assert.equal(status, HeadersStatus.StopAllIterationAndWatermark);
  const sent = bench.calls[0].request;
  assert.deepEqual(
    [sent.headers.method, sent.headers.path, sent.headers.authority, sent.timeoutMs, sent.body],
    ['GET', '/check/a?b=c', 'proxy.test', 1000, null],
  );
  assert.deepEqual(lines(sent.headers), [
    'content-length: 0',
    'x-a1: 1,2',
    'authorization: me',
    'x-token: t',
  ]);
  bench.answer(200, {
    'x-user': 'alice',
    'x-a1': '3',
    'x-back': 'b',
    'x-meta': 'm',
    'x-other': 'o',
    'x-envoy-auth-headers-to-remove': 'x-drop, host',
  });
  assert.deepEqual([stream.decodingContinued, stream.cleared], [1, true]);
  assert.deepEqual(lines(headers), [
    'x-a1: 1',
    'x-a1: 2',
    'authorization: me',
    'x-user: alice',
    'content-length: 7',
    'x-a1: 3',
  ]);
  assert.equal(headers.authority, 'proxy.test');
  assert.deepEqual({ ...stream.info.dynamicMetadata?.['envoy.filters.http.ext_authz'] }, { 'x-meta': 'm' });
  const answer = response(200);
  filter.encodeHeaders?.(stream.asStream, answer, true);
  assert.deepEqual(lines(answer), ['x-back: b']);
  assert.deepEqual(
    [bench.counter('http.test.ext_authz.ok'), bench.counter('cluster.app.ext_authz.ok')],
    [1, 1],
  );
});

test('HTTP: a refusal is passed on, with all headers or those that are allowed', () => {
  const answer = { 'set-cookie': ['a=1', 'b=2'], location: '/login', 'transfer-encoding': 'chunked' };
  const all = start(http());
  all.bench.answer(401, answer, 'no');
  assert.deepEqual(all.stream.replies, [
    {
      status: 401,
      body: 'no',
      details: 'ext_authz_denied',
      headers: [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['location', '/login'],
      ],
      grpcStatus: undefined,
    },
  ]);
  assert.equal(all.stream.info.responseFlags, ResponseFlag.UnauthorizedExternalService);
  assert.deepEqual([all.bench.counter('http.test.ext_authz.denied'), all.bench.charged], [1, [401]]);
  const allowed = { authorization_response: { allowed_client_headers: { patterns: [{ exact: 'x-why' }] } } };
  const some = start(http(allowed));
  some.bench.answer(302, { ...answer, 'x-why': 'because' });
  assert.deepEqual(some.stream.replies[0].headers, [
    ['location', '/login'],
    ['x-why', 'because'],
  ]);
});

test('errors refuse with 403 or the configured status, or let pass with failure_mode_allow', () => {
  const refused = start(http());
  refused.bench.answer(503);
  assert.deepEqual(
    [refused.stream.replies[0].status, refused.stream.replies[0].body, refused.stream.replies[0].details],
    [403, '', 'ext_authz_error'],
  );
  const other = start(http({}, { status_on_error: { code: 'BadGateway' } }));
  other.bench.answer(500);
  assert.equal(other.stream.replies[0].status, 502);
  const open = { failure_mode_allow: true, failure_mode_allow_header_add: true };
  const allowed = start(http({}, open));
  allowed.bench.answer(500);
  assert.deepEqual(
    [allowed.stream.decodingContinued, lines(allowed.headers)],
    [1, ['x-envoy-auth-failure-mode-allowed: true']],
  );
  const nobody = { server_uri: { uri: 'http://x', cluster: 'missing', timeout: '1s' } };
  assert.equal(start(http(nobody, open)).status, HeadersStatus.Continue);
  const closed = start(http(nobody));
  assert.deepEqual([closed.stream.replies.length, closed.bench.counter('http.test.ext_authz.error')], [1, 1]);
});

test('switched off: by fraction, by route, by metadata; deny_at_disable refuses', () => {
  const off = { filter_enabled: { default_value: { numerator: 0 } } };
  const disabled = start(http({}, off));
  assert.deepEqual(
    [disabled.status, disabled.bench.counter('http.test.ext_authz.disabled')],
    [HeadersStatus.Continue, 1],
  );
  const denied = start(http({}, { ...off, deny_at_disable: { default_value: true, runtime_key: 'd' } }));
  assert.deepEqual(
    [denied.stream.replies[0].status, denied.stream.replies[0].details],
    [403, 'ext_authz_error'],
  );
  assert.equal(start(http(), undefined, [{ disabled: true }]).status, HeadersStatus.Continue);
  const metadata = {
    filter_enabled_metadata: { filter: 'f', path: [{ key: 'k' }], value: { present_match: true } },
  };
  assert.equal(start(http({}, metadata)).status, HeadersStatus.Continue);
});

test('a stream that ends cancels its question', () => {
  const { bench, filter, stream } = start(http());
  filter.onDestroy?.(stream.asStream);
  assert.equal(bench.calls[0].cancelled, true);
});

test('bodies: whole, in part, refused when too long', () => {
  const body = (settings: object) => http({}, { with_request_body: settings });
  const feed = (config: object, pieces: string[], routes: object[] = []) => {
    const run = start(config, request('/'), routes, false);
    const held = new BodyBuffer();
    Object.assign(run.stream, { decodingBuffer: held });
    const statuses = pieces.map((piece, i) => {
      const bytes = Buffer.from(piece);
      const status = run.filter.decodeData?.(run.stream.asStream, { bytes }, i === pieces.length - 1);
      if (status === DataStatus.StopIterationAndBuffer) held.append(bytes);
      return status;
    });
    return { ...run, statuses, sent: run.bench.calls[0]?.request };
  };
  const whole = feed(body({ max_request_bytes: 10 }), ['abc', 'def']);
  assert.deepEqual([whole.status, String(whole.sent.body)], [HeadersStatus.StopIteration, 'abcdef']);
  assert.deepEqual(lines(whole.sent.headers), ['content-length: 6', 'x-envoy-auth-partial-body: false']);
  assert.deepEqual(whole.statuses, [DataStatus.StopIterationAndBuffer, DataStatus.StopIterationAndWatermark]);
  assert.equal(whole.stream.decode.limitBytes, 10);
  const part = feed(body({ max_request_bytes: 4, allow_partial_message: true }), ['abc', 'def', 'ghi']);
  assert.deepEqual(
    [String(part.sent.body), part.sent.headers.get('x-envoy-auth-partial-body')],
    ['abcd', 'true'],
  );
  assert.equal(part.bench.calls.length, 1);
  assert.equal(feed(body({ max_request_bytes: 4 }), ['abc', 'def']).sent, undefined);
  const skipped = feed(
    body({ max_request_bytes: 4 }),
    [],
    [{ check_settings: { disable_request_body_buffering: true } }],
  );
  assert.equal(skipped.sent.body, null);
});

test('gRPC: what the service is told', () => {
  const { bench, stream } = start(
    grpc({ metadata_context_namespaces: ['ns'] }),
    request('/a?b=c', { 'x-a': ['1', '2'], 'x-envoy-downstream-service-cluster': 'front' }),
    [
      { check_settings: { context_extensions: { a: 'host', b: 'host' } } },
      { check_settings: { context_extensions: { b: 'route' } } },
    ],
  );
  const { headers, messages, timeoutMs, halfClosed } = bench.grpc.last;
  assert.deepEqual(
    [headers.method, headers.path, headers.authority, timeoutMs],
    ['POST', '/envoy.service.auth.v3.Authorization/Check', 'authz', 500],
  );
  assert.deepEqual(lines(headers), ['te: trailers', 'grpc-timeout: 500m', 'content-type: application/grpc']);
  assert.deepEqual([messages.length, halfClosed], [1, true]);
  const { attributes } = decodeBytes('envoy.service.auth.v3.CheckRequest', messages[0]!);
  assert.deepEqual(attributes?.contextExtensions, { a: 'host', b: 'route' });
  assert.equal(attributes?.source?.service, 'front');
  assert.equal(attributes?.source?.address?.socketAddress?.portValue, 5000);
  const told = attributes?.request?.http;
  assert.deepEqual(
    [told?.method, told?.path, told?.host, told?.scheme],
    ['GET', '/a?b=c', 'proxy.test', 'http'],
  );
  assert.deepEqual(told?.headers, {
    ':authority': 'proxy.test',
    ':path': '/a?b=c',
    ':method': 'GET',
    ':scheme': 'http',
    'x-a': '1,2',
    'x-envoy-downstream-service-cluster': 'front',
  });
  assert.equal(stream.replies.length, 0);
});

test('gRPC: a yes changes headers, query and response', () => {
  const { bench, stream, filter, headers } = start(
    grpc(),
    request('/a?b=c&d=e', { 'x-old': '1', 'x-gone': '1' }),
  );
  bench.answerGrpc({
    ok_response: {
      headers: [
        { header: { key: 'x-new', value: 'n' } },
        { header: { key: 'x-old', value: '2' }, append: true },
        { header: { key: 'x-none', value: '2' }, append: true },
      ],
      headers_to_remove: ['X-Gone', ':path'],
      query_parameters_to_set: [{ key: 'b', value: 'x y' }],
      query_parameters_to_remove: ['d'],
      response_headers_to_add: [{ header: { key: 'x-r', value: '1' }, append: true }],
    },
    dynamic_metadata: { who: 'alice' },
  });
  assert.deepEqual([stream.decodingContinued, headers.path], [1, '/a?b=x+y']);
  assert.deepEqual(lines(headers), ['x-old: 1', 'x-new: n', 'x-old: 2']);
  const answer = response(200, { 'x-r': '0' });
  filter.encodeHeaders?.(stream.asStream, answer, true);
  assert.deepEqual(lines(answer), ['x-r: 0', 'x-r: 1']);
  assert.deepEqual({ ...stream.info.dynamicMetadata?.['envoy.filters.http.ext_authz'] }, { who: 'alice' });
});

test('gRPC: a no with its own answer, or 403; failures are errors', () => {
  const denied = start(grpc());
  denied.bench.answerGrpc({
    status: { code: 7 },
    denied_response: {
      status: { code: 'Unauthorized' },
      body: 'who?',
      headers: [{ header: { key: 'x-w', value: 'y' } }],
    },
  });
  const { status, body, headers } = denied.stream.replies[0];
  assert.deepEqual([status, body, headers], [401, 'who?', [['x-w', 'y']]]);
  const bare = start(grpc());
  bare.bench.answerGrpc({ status: { code: 16 } });
  assert.equal(bare.stream.replies[0].status, 403);
  for (const fail of [
    ({ grpc }: AuthzBench) => grpc.last.end(14),
    ({ grpc }: AuthzBench) => {
      grpc.last.send(Buffer.from('nonsense'));
      grpc.last.end();
    },
    ({ grpc }: AuthzBench) => grpc.last.fail(),
  ]) {
    const failed = start(grpc());
    fail(failed.bench);
    assert.equal(failed.stream.replies[0].details, 'ext_authz_error');
  }
});

test('validate_mutations: headers that cannot be written refuse the request', () => {
  const { bench, stream } = start(grpc({ validate_mutations: true }));
  bench.answerGrpc({ ok_response: { headers: [{ header: { key: 'x-bad', value: 'a\nb' } }] } });
  assert.deepEqual([stream.replies[0].status, stream.replies[0].details], [500, 'ext_authz_invalid']);
  assert.equal(bench.counter('http.test.ext_authz.invalid'), 1);
});

test('query changes leave a path alone that they are not about', () => {
  assert.equal(changedQuery('/a?b=%2f', [], []), '/a?b=%2f');
  assert.equal(changedQuery('/a', [['k', 'v']], []), '/a?k=v');
  assert.equal(changedQuery('/a?k=v', [], ['k']), '/a');
});
