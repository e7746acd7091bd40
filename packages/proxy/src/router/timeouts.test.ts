// What a request's headers and its route say of its time, and what the upstream is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readGrpcTimeout, writeGrpcTimeout } from '../format/grpc-timeout.ts';
import { request, routes } from '../route/test-fixture.ts';
import { RouterSettings } from './router-settings.ts';
import { requestTimeouts, setTimeoutHeaders } from './timeouts.ts';

const settings = (respectExpectedRqTimeout = false) =>
  new RouterSettings({ respectExpectedRqTimeout, strictCheckHeaders: [] } as never);

function timeouts(route: object, headers: Record<string, string>, respects = false) {
  const table = routes({ match: { prefix: '/' }, route: { cluster: 'app', ...route } });
  const message = request('/', headers);
  const found = table.match(message, { info: {} } as never)!;
  return { ...requestTimeouts(found, message, settings(respects), Number.POSITIVE_INFINITY), message };
}

test('grpc-timeout: eight digits and a unit', () => {
  assert.equal(readGrpcTimeout('1S'), 1000);
  assert.equal(readGrpcTimeout('2M'), 120_000);
  assert.equal(readGrpcTimeout('1H'), 3_600_000);
  assert.equal(readGrpcTimeout('1u'), 1);
  assert.equal(readGrpcTimeout('1500000n'), 2);
  for (const value of [undefined, '', '1', 'S', '-1S', '1s', '123456789m'])
    assert.equal(readGrpcTimeout(value), -1);
  assert.equal(writeGrpcTimeout(1500), '1500m');
  assert.equal(writeGrpcTimeout(100_000_000), '100000S');
});

test('max_grpc_timeout: for gRPC the header counts, less the offset, within the limit', () => {
  const grpc = { 'content-type': 'application/grpc' };
  const route = { max_grpc_timeout: '2s', grpc_timeout_offset: '0.1s' };
  assert.equal(timeouts(route, {}).globalMs, 15_000);
  assert.equal(timeouts(route, grpc).globalMs, 2000);
  assert.equal(timeouts(route, { ...grpc, 'grpc-timeout': '1S' }).globalMs, 900);
  assert.equal(timeouts(route, { ...grpc, 'grpc-timeout': '50m' }).globalMs, 50);
  assert.equal(timeouts(route, { ...grpc, 'grpc-timeout': '9S' }).globalMs, 2000);
  assert.equal(timeouts({ max_grpc_timeout: '0s' }, grpc).globalMs, 0);
  assert.equal(timeouts({ max_stream_duration: {} }, {}).globalMs, 0);
});

test('headers of a trusted client win, and are taken off', () => {
  const headers = {
    'x-envoy-upstream-rq-timeout-ms': '500',
    'x-envoy-upstream-rq-per-try-timeout-ms': '100',
    'x-envoy-upstream-stream-duration-ms': '900',
    'x-envoy-upstream-rq-timeout-alt-response': '1',
    'x-envoy-expected-rq-timeout-ms': '77',
  };
  const { message, ...found } = timeouts({}, headers);
  assert.deepEqual(
    [found.globalMs, found.perTryMs, found.maxDurationMs, found.altResponse],
    [500, 100, 900, true],
  );
  assert.equal(message.has('x-envoy-upstream-rq-timeout-ms'), false);
  assert.equal(message.has('x-envoy-upstream-stream-duration-ms'), false);
  assert.equal(timeouts({}, headers, true).globalMs, 77);
  const longer = { ...headers, 'x-envoy-upstream-rq-per-try-timeout-ms': '600' };
  assert.equal(timeouts({}, longer).perTryMs, 0, 'not shorter than the whole');
  const none = timeouts({}, { 'x-envoy-upstream-rq-timeout-ms': 'x' });
  assert.equal(none.globalMs, 15_000);
});

test('an attempt is told what is left of the whole time, and never that there is no limit', () => {
  const told = (globalMs: number, perTryMs: number, elapsedMs: number) => {
    const message = request('/', {});
    const rest = { suppressEnvoyHeaders: false, tellsGrpcTimeout: true };
    setTimeoutHeaders(message, { globalMs, perTryMs, elapsedMs, ...rest });
    return [message.get('x-envoy-expected-rq-timeout-ms'), message.get('grpc-timeout')];
  };
  assert.deepEqual(told(15_000, 0, 0), ['15000', '15000m']);
  assert.deepEqual(told(15_000, 0, 1000), ['14000', '14000m']);
  assert.deepEqual(told(500, 200, 0), ['200', '200m']);
  assert.deepEqual(told(500, 200, 400), ['100', '100m']);
  assert.deepEqual(told(500, 0, 900), ['1', '1m']);
  assert.deepEqual(told(0, 0, 0), [undefined, undefined]);
});
