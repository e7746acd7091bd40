import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadersStatus, type HttpFilterType } from '@dragoman/proxy';
import { request, TestBench } from '../test-stream.ts';
import { csrfFilterType } from './csrf.ts';

const type = csrfFilterType as unknown as HttpFilterType<never, never>;
const share = (numerator: number) => ({ default_value: { numerator } });

function run(
  headers: Record<string, string>,
  config: Record<string, unknown> = { filter_enabled: share(100) },
) {
  const bench = new TestBench();
  const requestHeaders = request('/', { ':method': 'POST', ':authority': 'h.test:81', ...headers });
  const stream = bench.stream(requestHeaders);
  const status = bench
    .instance(type, config)
    .createFilter(stream.asStream)
    ?.decodeHeaders?.(stream.asStream, requestHeaders, true);
  return { bench, passed: status === HeadersStatus.Continue, reply: stream.replies[0] };
}

test('a changing request has to come from its own site', () => {
  assert.equal(run({ origin: 'http://h.test:81' }).passed, true);
  assert.equal(run({ referer: 'http://h.test:81/page?x' }).passed, true);
  assert.equal(run({ origin: 'null', referer: 'http://h.test:81/' }).passed, true);
  const other = run({ origin: 'http://other.test' });
  assert.deepEqual([other.reply.status, other.reply.body], [403, 'Invalid origin']);
  assert.equal(other.bench.counter('http.test.csrf.request_invalid'), 1);
  const missing = run({});
  assert.equal(missing.reply.details, 'csrf_origin_mismatch');
  assert.equal(missing.bench.counter('http.test.csrf.missing_source_origin'), 1);
});

test('reading is free, and so are additional origins', () => {
  assert.equal(run({ ':method': 'GET', origin: 'http://other.test' }).passed, true);
  const config = { filter_enabled: share(100), additional_origins: [{ suffix: '.test' }] };
  assert.equal(run({ origin: 'http://other.test' }, config).passed, true);
});

test('a shadow only counts', () => {
  const { passed, bench } = run({}, { filter_enabled: share(0), shadow_enabled: share(100) });
  assert.equal(passed, true);
  assert.equal(bench.counter('http.test.csrf.missing_source_origin'), 1);
});
