import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FilterContext, HeadersStatus, type HttpFilterType, ResponseFlag } from '@dragoman/proxy';
import { decoded, lines, request, response, TestBench } from '../test-stream.ts';
import { localRateLimitFilterType } from './local-rate-limit.ts';
import { LOCAL_RATE_LIMIT_TYPE, prepareLocalRateLimits } from './shared-buckets.ts';

const type = localRateLimitFilterType as unknown as HttpFilterType<never, never>;
const always = { default_value: { numerator: 100 } };
const never = { default_value: { numerator: 0 } };
const limit = (tokens: number, settings: Record<string, unknown> = {}) => ({
  stat_prefix: 'limiter',
  token_bucket: { max_tokens: tokens, tokens_per_fill: tokens, fill_interval: '3600s' },
  filter_enabled: always,
  filter_enforced: always,
  ...settings,
});

/** Runs several requests through one filter; what became of each. */
function run(config: Record<string, unknown>, count: number, bench = new TestBench()) {
  const instance = bench.instance(type, config);
  return Array.from({ length: count }, () => {
    const headers = request('/');
    const stream = bench.stream(headers);
    const filter = instance.createFilter(stream.asStream);
    const status = filter?.decodeHeaders?.(stream.asStream, headers, true);
    const responseHeaders = response(200);
    filter?.encodeHeaders?.(stream.asStream, responseHeaders, true);
    return {
      bench,
      stream,
      passed: status === HeadersStatus.Continue,
      reply: stream.replies[0],
      request: lines(headers),
      response: lines(responseHeaders),
    };
  });
}

test('an empty bucket answers 429', () => {
  const config = limit(2, { response_headers_to_add: [{ header: { key: 'x-limited', value: 'yes' } }] });
  const [, second, third] = run(config, 3);
  assert.equal(second.passed, true);
  assert.deepEqual(third.reply, {
    status: 429,
    body: 'local_rate_limited',
    details: 'local_rate_limited',
    headers: [['x-limited', 'yes']],
    grpcStatus: undefined,
  });
  assert.equal(third.stream.info.responseFlags, ResponseFlag.RateLimited);
  const counts = ['enabled', 'ok', 'rate_limited', 'enforced'].map(name =>
    third.bench.counter(`limiter.http_local_rate_limit.${name}`),
  );
  assert.deepEqual(counts, [3, 2, 1, 1]);
});

test('another status, not below 400; RESOURCE_EXHAUSTED for gRPC; the limit in headers', () => {
  const custom = { status: { code: 'ServiceUnavailable' }, enable_x_ratelimit_headers: 'DRAFT_VERSION_03' };
  const [first, second] = run(limit(1, { ...custom, rate_limited_as_resource_exhausted: true }), 2);
  assert.deepEqual([second.reply.status, second.reply.grpcStatus], [503, 8]);
  assert.deepEqual(first.response.slice(0, 2), ['x-ratelimit-limit: 1', 'x-ratelimit-remaining: 0']);
  assert.match(first.response[2], /^x-ratelimit-reset: (3600|3599)$/);
  assert.equal(run(limit(1, { status: { code: 'OK' } }), 2)[1].reply.status, 429);
});

test('without being enabled nothing happens; without being enforced requests pass with a mark', () => {
  assert.equal(run(limit(1, { filter_enabled: never }), 3)[2].passed, true);
  assert.equal(run({ stat_prefix: 'limiter' }, 3)[2].passed, true);
  const header = { header: { key: 'x-would-limit', value: 'yes' } };
  const shadow = limit(1, { filter_enforced: never, request_headers_to_add_when_not_enforced: [header] });
  const [first, second] = run(shadow, 2);
  assert.deepEqual([first.request, second.request], [[], ['x-would-limit: yes']]);
  assert.equal(second.passed, true);
});

test('workers draw from the buckets the main thread has prepared; equal configurations have their own', () => {
  const config = decoded(LOCAL_RATE_LIMIT_TYPE, limit(1));
  const any = { typeUrl: '', typeName: LOCAL_RATE_LIMIT_TYPE, value: config };
  const attachments = prepareLocalRateLimits({ filters: [any], routes: [{ perFilter: { name: any } }] });
  const passed = (bench: TestBench): boolean[] => [1, 2].map(() => run(limit(1), 1, bench)[0].passed);
  const worker = (): TestBench => {
    const bench = new TestBench();
    Object.assign(bench.context, { attachments: new Map(attachments) } satisfies Partial<FilterContext>);
    return bench;
  };
  assert.deepEqual(passed(worker()), [true, true], 'two filters, two buckets');
  assert.deepEqual(passed(worker()), [false, false], 'another worker finds both empty');
});

test('a bucket for each connection', () => {
  const bench = new TestBench();
  const instance = bench.instance(type, limit(1, { local_rate_limit_per_downstream_connection: true }));
  const ask = (connection: object): boolean => {
    const headers = request('/');
    const stream = bench.stream(headers);
    Object.assign(stream, { connection });
    return instance.createFilter(stream.asStream)?.decodeHeaders?.(stream.asStream, headers, true) === 0;
  };
  const [one, two] = [{}, {}];
  assert.deepEqual([ask(one), ask(one), ask(two)], [true, false, true]);
});
