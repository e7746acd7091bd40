import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataStatus, HeadersStatus, type HttpFilterType } from '@dragoman/proxy';
import { request, TestBench } from '../test-stream.ts';
import { bufferFilterType } from './buffer.ts';

const type = bufferFilterType as unknown as HttpFilterType<never, never>;

function start(perRoute?: Record<string, unknown>, headers: Record<string, string> = {}, endStream = false) {
  const bench = new TestBench();
  const requestHeaders = request('/', headers);
  const routes = perRoute === undefined ? [] : [bench.routeConfig(type, perRoute)];
  const stream = bench.stream(requestHeaders, ...routes);
  const filter = bench.instance(type, { max_request_bytes: 20 }).createFilter(stream.asStream);
  assert.ok(filter);
  const status = filter.decodeHeaders?.(stream.asStream, requestHeaders, endStream);
  const data = (length: number, end: boolean) =>
    filter.decodeData?.(stream.asStream, { bytes: Buffer.alloc(length) }, end);
  return { stream, status, data, requestHeaders, filter };
}

test('the request waits until it is complete, and gets its length', () => {
  const { stream, status, data, requestHeaders } = start();
  assert.equal(status, HeadersStatus.StopIteration);
  assert.equal(stream.decode.limitBytes, 20);
  assert.equal(data(3, false), DataStatus.StopIterationAndBuffer);
  assert.equal(data(3, true), DataStatus.Continue);
  assert.equal(requestHeaders.get('content-length'), '6');
});

test('a length that is there stays; what is over the limit is left to it', () => {
  const known = start(undefined, { 'content-length': '3' });
  known.data(3, true);
  assert.deepEqual(known.requestHeaders.getAll('content-length'), ['3']);
  const long = start();
  assert.equal(long.data(21, true), DataStatus.StopIterationAndBuffer);
  assert.equal(long.requestHeaders.has('content-length'), false);
});

test('trailers complete a request, too', () => {
  const { stream, data, requestHeaders, filter } = start();
  data(5, false);
  filter.decodeTrailers?.(stream.asStream, requestHeaders);
  assert.equal(requestHeaders.get('content-length'), '5');
});

test('per route: another limit, or none', () => {
  assert.equal(start({ buffer: { max_request_bytes: 100 } }).stream.decode.limitBytes, 100);
  const off = start({ disabled: true });
  assert.equal(off.status, HeadersStatus.Continue);
  assert.equal(off.data(50, false), DataStatus.Continue);
  assert.equal(start(undefined, {}, true).status, HeadersStatus.Continue);
});
