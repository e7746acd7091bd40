import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadersStatus, type HttpFilterType, ResponseFlag } from '@dragoman/proxy';
import { lines, request, response, TestBench } from '../test-stream.ts';
import { healthCheckFilterType } from './health-check.ts';

const type = healthCheckFilterType as unknown as HttpFilterType<never, never>;
const HEADERS = [{ name: ':path', string_match: { exact: '/healthz' } }];

function bench(clusters: Record<string, number[]> = {}): TestBench {
  const made = new TestBench();
  const get = (name: string) => clusters[name] && { hosts: clusters[name].map(health => ({ health })) };
  Object.assign(made.context, { clusters: { get } });
  return made;
}

function asker(config: Record<string, unknown>, testBench = bench()) {
  const instance = testBench.instance(type, { headers: HEADERS, ...config });
  return (path = '/healthz', draining = false, upstreamStatus = 200) => {
    const headers = request(path);
    const stream = testBench.stream(headers);
    stream.worker.draining = draining;
    const filter = instance.createFilter(stream.asStream);
    const status = filter?.decodeHeaders?.(stream.asStream, headers, true);
    const reply = stream.replies[0];
    const answer = response(reply?.status ?? upstreamStatus);
    filter?.encodeHeaders?.(stream.asStream, answer, true);
    return { passed: status === HeadersStatus.Continue, reply, lines: lines(answer), info: stream.info };
  };
}

test('a health check is answered here, anything else is not', () => {
  const ask = asker({ pass_through_mode: false });
  const check = ask();
  assert.deepEqual([check.reply.status, check.reply.details], [200, 'health_check_ok']);
  assert.deepEqual(check.lines, ['x-envoy-upstream-healthchecked-cluster: front']);
  assert.equal(check.info.healthCheck, true);
  const other = ask('/x');
  assert.deepEqual([other.passed, other.lines, other.info.healthCheck], [true, [], false]);
});

test('while draining: 503, and every answer says so', () => {
  const ask = asker({ pass_through_mode: false });
  const check = ask('/healthz', true);
  assert.deepEqual([check.reply.status, check.reply.details], [503, 'health_check_failed']);
  assert.deepEqual(check.reply.headers, [['x-envoy-immediate-health-check-fail', 'true']]);
  assert.equal(check.info.responseFlags, ResponseFlag.FailedLocalHealthCheck);
  assert.deepEqual(ask('/x', true).lines, ['x-envoy-immediate-health-check-fail: true']);
});

test('clusters have to have enough healthy hosts', () => {
  const config = { pass_through_mode: false, cluster_min_healthy_percentages: { app: { value: 50 } } };
  assert.equal(asker(config, bench({ app: [2, 0] }))().reply.status, 200);
  assert.equal(asker(config, bench({ app: [2, 0, 0] }))().reply.details, 'health_check_cluster_unhealthy');
  assert.equal(asker(config, bench({ app: [] }))().reply.details, 'health_check_cluster_empty');
  assert.equal(asker(config, bench())().reply.details, 'health_check_no_cluster_found');
});

test('passed on, an answer holds for a while', () => {
  const testBench = bench();
  const ask = asker({ pass_through_mode: true, cache_time: '5s' }, testBench);
  assert.equal(ask('/healthz', false, 503).passed, true);
  const cached = ask();
  assert.deepEqual([cached.reply.status, cached.reply.details], [503, 'health_check_cached']);
  testBench.clock.advance(5000);
  assert.equal(ask().passed, true);
});
