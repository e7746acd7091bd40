import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HashPolicy } from './hash-policy.ts';
import { parseRetryGrpcOn, parseRetryOn, RetryOn, RetryPolicy } from './retry-policy.ts';
import { RuntimeFraction } from './runtime-fraction.ts';
import { decoded, formatInput, request } from './test-fixture.ts';

test('retry conditions are bits; unknown ones are passed over', () => {
  assert.equal(parseRetryOn('5xx, reset,nonsense'), RetryOn.FiveXx | RetryOn.Reset);
  assert.equal(parseRetryOn('cancelled'), 0);
  assert.equal(parseRetryGrpcOn('cancelled,unavailable'), RetryOn.GrpcCancelled | RetryOn.GrpcUnavailable);
});

test('retry policy: defaults and what is configured', () => {
  const plain = new RetryPolicy(decoded('envoy.config.route.v3.RetryPolicy', { retry_on: '5xx,cancelled' }));
  assert.equal(plain.retryOn, RetryOn.FiveXx | RetryOn.GrpcCancelled);
  assert.deepEqual(
    [plain.numRetries, plain.perTryTimeoutMs, plain.backOffBaseMs, plain.backOffMaxMs],
    [1, 0, 25, 250],
  );
  const full = new RetryPolicy(
    decoded('envoy.config.route.v3.RetryPolicy', {
      num_retries: 0,
      per_try_timeout: '0.15s',
      retry_back_off: { base_interval: '0.005s', max_interval: '0.01s' },
      rate_limited_retry_back_off: { reset_headers: [{ name: 'Retry-After', format: 'SECONDS' }] },
      retry_host_predicate: [
        {
          name: 'envoy.retry_host_predicates.previous_hosts',
          typed_config: {
            '@type':
              'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
          },
        },
      ],
    }),
  );
  assert.deepEqual(
    [full.numRetries, full.perTryTimeoutMs, full.backOffBaseMs, full.backOffMaxMs],
    [0, 150, 5, 10],
  );
  assert.deepEqual(full.resetHeaders, [{ name: 'retry-after', format: 'SECONDS' }]);
  assert.equal(full.avoidPreviousHosts, true);
});

function hash(policies: unknown[], headers: Record<string, string | string[]>, path = '/') {
  const target = { hasHash: false, hashHigh: 0, hashLow: 0 };
  const input = formatInput({ info: { downstreamRemoteAddress: '1.2.3.4' } });
  const policy = new HashPolicy(
    policies.map(config => decoded('envoy.config.route.v3.RouteAction.HashPolicy', config)),
  );
  const cookie = policy.compute(request(path, headers), input.info, target);
  return { ...target, cookie };
}

test('hash policies: header, query, address; none without a source', () => {
  const header = [{ header: { header_name: 'X-Key' } }];
  assert.equal(hash(header, {}).hasHash, false);
  const one = hash(header, { 'x-key': 'a' });
  assert.equal(one.hasHash, true);
  assert.deepEqual(hash(header, { 'x-key': 'a' }), one);
  assert.notDeepEqual(hash(header, { 'x-key': 'b' }), one);
  // XXH64 of "a" with seed 0 is d24ec4f1a98c6e5b.
  assert.deepEqual([one.hashHigh, one.hashLow], [0xd24ec4f1, 0xa98c6e5b]);
  assert.deepEqual(hash([{ query_parameter: { name: 'k' } }], {}, '/?k=a').hashLow, one.hashLow);
  assert.equal(hash([{ connection_properties: { source_ip: true } }], {}).hasHash, true);
  assert.deepEqual(hash(header, { 'x-key': ['a', 'b'] }), hash(header, { 'x-key': ['b', 'a'] }));
});

test('policies are combined until a terminal one has a hash', () => {
  const a = { header: { header_name: 'a' } };
  const b = { header: { header_name: 'b' } };
  const both = hash([a, b], { a: '1', b: '2' });
  assert.notDeepEqual(both, hash([b, a], { a: '1', b: '2' }));
  assert.deepEqual(hash([{ ...a, terminal: true }, b], { a: '1', b: '2' }), hash([a], { a: '1' }));
  assert.deepEqual(hash([{ ...a, terminal: true }, b], { b: '2' }), hash([b], { b: '2' }));
});

test('a cookie is generated only with a ttl', () => {
  const cookie = (settings: object) => [{ cookie: { name: 'session', path: '/here', ...settings } }];
  const generated = hash(cookie({ ttl: '60s' }), {});
  assert.match(generated.cookie ?? '', /^session="[0-9a-f]{16}"; Max-Age=60; Path=\/here; HttpOnly$/);
  assert.equal(generated.hasHash, true);
  assert.match(
    hash(cookie({ ttl: '0s', attributes: [{ name: 'SameSite', value: 'Strict' }] }), {}).cookie ?? '',
    /^session="[0-9a-f]{16}"; Path=\/here; SameSite=Strict; HttpOnly$/,
  );
  assert.deepEqual([hash(cookie({}), {}).cookie, hash(cookie({}), {}).hasHash], [null, false]);
  const value = /"(.*)"/.exec(generated.cookie ?? '')?.[1];
  const again = hash(cookie({ ttl: '60s' }), { cookie: `x=y; session=${value}` });
  assert.equal(again.cookie, null);
  assert.equal(again.hashLow, generated.hashLow);
});

test('fractions and their runtime overrides', () => {
  const values = new Map<string, unknown>();
  const runtime = { get: (key: string) => values.get(key) };
  const fraction = new RuntimeFraction({ numerator: 25, denominator: 'HUNDRED' }, 'key', runtime);
  assert.deepEqual(
    [fraction.includes(24), fraction.includes(25), fraction.includes(124)],
    [true, false, true],
  );
  values.set('key', 50);
  assert.deepEqual([fraction.includes(49), fraction.includes(50)], [true, false]);
  values.set('key', { numerator: 1, denominator: 'MILLION' });
  assert.deepEqual([fraction.includes(1_000_000), fraction.includes(1)], [true, false]);
});
