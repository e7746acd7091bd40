import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataStatus, HeadersStatus, type HttpFilterType, ResponseFlag } from '@dragoman/proxy';
import { request, response, TestBench } from '../test-stream.ts';
import { faultFilterType } from './fault.ts';

const type = faultFilterType as unknown as HttpFilterType<never, never>;
const always = { numerator: 100, denominator: 'HUNDRED' };
const abort = (settings: Record<string, unknown>) => ({ abort: { percentage: always, ...settings } });
const delay = (settings: Record<string, unknown>) => ({ delay: { percentage: always, ...settings } });

function start(
  config: Record<string, unknown>,
  headers: Record<string, string> = {},
  bench = new TestBench(),
) {
  const requestHeaders = request('/', headers);
  const stream = bench.stream(requestHeaders);
  const filter = bench.instance(type, config).createFilter(stream.asStream);
  assert.ok(filter);
  const status = filter.decodeHeaders?.(stream.asStream, requestHeaders, true);
  return { bench, stream, filter, status };
}

test('an abort answers with its status, flag and details', () => {
  const { bench, stream, filter, status } = start(abort({ http_status: 503 }));
  assert.equal(status, HeadersStatus.StopIteration);
  assert.deepEqual(stream.replies, [
    {
      status: 503,
      body: 'fault filter abort',
      details: 'fault_filter_abort',
      headers: [],
      grpcStatus: undefined,
    },
  ]);
  assert.equal(stream.info.responseFlags, ResponseFlag.FaultInjected);
  assert.equal(bench.counter('http.test.fault.aborts_injected'), 1);
  assert.equal(bench.gauge('http.test.fault.active_faults'), 1);
  filter.onDestroy?.(stream.asStream);
  assert.equal(bench.gauge('http.test.fault.active_faults'), 0);
});

test('a gRPC abort is 200 with the status beside', () => {
  const { stream } = start(abort({ grpc_status: 5 }));
  assert.deepEqual([stream.replies[0].status, stream.replies[0].grpcStatus], [200, 5]);
});

test('percentage 0 never, absent never', () => {
  assert.equal(
    start({ abort: { http_status: 503, percentage: { numerator: 0 } } }).status,
    HeadersStatus.Continue,
  );
  assert.equal(start({ abort: { http_status: 503 } }).status, HeadersStatus.Continue);
});

test('a delay holds the request back, then lets it go on or aborts it', () => {
  const { bench, stream, filter, status } = start(delay({ fixed_delay: '0.15s' }));
  assert.equal(status, HeadersStatus.StopIteration);
  assert.equal(
    filter.decodeData?.(stream.asStream, { bytes: Buffer.from('x') }, true),
    DataStatus.StopIterationAndWatermark,
  );
  bench.clock.advance(149);
  assert.equal(stream.decodingContinued, 0);
  bench.clock.advance(1);
  assert.equal(stream.decodingContinued, 1);
  assert.equal(stream.info.responseFlags, ResponseFlag.DelayInjected);
  assert.equal(bench.counter('http.test.fault.delays_injected'), 1);

  const both = start({ ...delay({ fixed_delay: '0.1s' }), ...abort({ http_status: 400 }) });
  assert.equal(both.stream.replies.length, 0);
  both.bench.clock.advance(100);
  assert.equal(both.stream.replies[0].status, 400);
  assert.equal(both.stream.decodingContinued, 0);
});

test('a stream that ends during its delay is left alone', () => {
  const { bench, stream, filter } = start(delay({ fixed_delay: '0.1s' }));
  filter.onDestroy?.(stream.asStream);
  bench.clock.advance(1000);
  assert.equal(stream.decodingContinued, 0);
});

test('faults asked for by headers', () => {
  const config = { ...delay({ header_delay: {} }), ...abort({ header_abort: {} }) };
  assert.equal(start(config).status, HeadersStatus.Continue);
  assert.equal(start(config, { 'x-envoy-fault-abort-request': '418' }).stream.replies[0].status, 418);
  assert.equal(start(config, { 'x-envoy-fault-abort-request': '99' }).status, HeadersStatus.Continue);
  assert.equal(start(config, { 'x-envoy-fault-abort-grpc-request': '7' }).stream.replies[0].grpcStatus, 7);
  const never = { 'x-envoy-fault-abort-request': '418', 'x-envoy-fault-abort-request-percentage': '0' };
  assert.equal(start(config, never).status, HeadersStatus.Continue);
  const delayed = start(config, { 'x-envoy-fault-delay-request': '120' });
  delayed.bench.clock.advance(120);
  assert.equal(delayed.stream.decodingContinued, 1);
});

test('which requests are hit: headers, cluster, downstream node', () => {
  const hit = (settings: Record<string, unknown>, headers: Record<string, string> = {}): boolean =>
    start({ ...abort({ http_status: 503 }), ...settings }, headers).status === HeadersStatus.StopIteration;
  const matching = { headers: [{ name: 'x-fault', present_match: true }] };
  assert.equal(hit(matching), false);
  assert.equal(hit(matching, { 'x-fault': '1' }), true);
  assert.equal(hit({ upstream_cluster: 'other' }), false);
  assert.equal(hit({ upstream_cluster: 'app' }), true);
  assert.equal(hit({ downstream_nodes: ['n1'] }), false);
  assert.equal(hit({ downstream_nodes: ['n1'] }, { 'x-envoy-downstream-service-node': 'n1' }), true);
});

test("a route's fault takes the place of the chain's", () => {
  const bench = new TestBench();
  const requestHeaders = request('/');
  const stream = bench.stream(requestHeaders, bench.routeConfig(type, abort({ http_status: 418 })));
  const filter = bench.instance(type, abort({ http_status: 503 })).createFilter(stream.asStream);
  filter?.decodeHeaders?.(stream.asStream, requestHeaders, true);
  assert.equal(stream.replies[0].status, 418);
});

test('max_active_faults lets further requests pass', () => {
  const bench = new TestBench();
  const instance = bench.instance(type, { ...abort({ http_status: 503 }), max_active_faults: 1 });
  const statuses = [1, 2].map(() => {
    const headers = request('/');
    const stream = bench.stream(headers);
    return instance.createFilter(stream.asStream)?.decodeHeaders?.(stream.asStream, headers, true);
  });
  assert.deepEqual(statuses, [HeadersStatus.StopIteration, HeadersStatus.Continue]);
  assert.equal(bench.counter('http.test.fault.faults_overflow'), 1);
});

test('the runtime overrides percentages and statuses', () => {
  const bench = new TestBench();
  bench.runtime.set('fault.http.abort.abort_percent', 100);
  bench.runtime.set('fault.http.abort.http_status', 429);
  const { stream } = start({ abort: { http_status: 503, percentage: { numerator: 0 } } }, {}, bench);
  assert.equal(stream.replies[0].status, 429);
});

test('clients that name their cluster are counted by it, within bounds', () => {
  const { bench } = start(abort({ http_status: 503 }), { 'x-envoy-downstream-service-cluster': 'front' });
  assert.equal(bench.counter('http.test.fault.front.aborts_injected'), 1);
  start(abort({ http_status: 503 }), { 'x-envoy-downstream-service-cluster': 'a.b\u00e9' }, bench);
  assert.equal(bench.counter('http.test.fault.aborts_injected'), 2);
});

test('a limited response goes on at its pace', () => {
  const { bench, stream, filter } = start({
    response_rate_limit: { fixed_limit: { limit_kbps: 1 }, percentage: always },
  });
  filter.encodeHeaders?.(stream.asStream, response(200), false);
  const frame = (length: number) => ({ bytes: Buffer.alloc(length) });
  assert.equal(filter.encodeData?.(stream.asStream, frame(64), false), DataStatus.Continue);
  assert.equal(filter.encodeData?.(stream.asStream, frame(1024), true), DataStatus.StopIterationAndWatermark);
  bench.clock.advance(990);
  assert.equal(stream.encodingContinued, 0);
  bench.clock.advance(70);
  assert.equal(stream.encodingContinued, 1);
  assert.equal(bench.counter('http.test.fault.response_rl_injected'), 1);
});
