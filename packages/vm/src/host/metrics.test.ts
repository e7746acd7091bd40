import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MetricType, Status } from '@dragoman/abi';
import { type Fixture, inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';

function withMetrics() {
  const fixture: Fixture = startStream();
  const { puppet } = fixture;
  const during = <Result>(inside: () => Result): Result => {
    let result: Result | undefined;
    inRequestHeaders(fixture, requestHeaders(), () => {
      result = inside();
      return 0;
    });
    return result as Result;
  };
  const define = (type: number, name: string) =>
    during(() => {
      const status = puppet.call('proxy_define_metric', type, name, puppet.slot(0));
      return status === 0 ? puppet.u32(0) : -status;
    });
  const increment = (id: number, offset: bigint) =>
    during(() => puppet.call('proxy_increment_metric', id, offset));
  const record = (id: number, value: bigint) => during(() => puppet.call('proxy_record_metric', id, value));
  const get = (id: number) =>
    during(() => {
      const status = puppet.call('proxy_get_metric', id, puppet.slot(0));
      return status === 0 ? puppet.u64(0) : -status;
    });
  return { fixture, define, increment, record, get };
}

describe('metrics', () => {
  test('S87: a counter takes positive offsets only, and record adds', () => {
    const { define, increment, record, get } = withMetrics();
    const id = define(MetricType.Counter, 'c');
    assert.deepEqual(
      [increment(id, 2n), increment(id, 0n), increment(id, -1n), record(id, 3n)],
      [0, 2, 2, 0],
    );
    assert.equal(get(id), 5n);
  });

  test('S87: a gauge goes up and down, and record sets', () => {
    const { define, increment, record, get } = withMetrics();
    const id = define(MetricType.Gauge, 'g');
    assert.deepEqual([increment(id, 5n), increment(id, -7n)], [0, 0]);
    assert.equal(get(id), 2n ** 64n - 2n);
    assert.equal(record(id, 40n), 0);
    assert.equal(get(id), 40n);
  });

  test('S87: a histogram records and does nothing else', () => {
    const { fixture, define, increment, record, get } = withMetrics();
    const id = define(MetricType.Histogram, 'h');
    assert.deepEqual(
      [record(id, 10n), increment(id, 1n), get(id)],
      [0, Status.BadArgument, -Status.BadArgument],
    );
    assert.equal(fixture.host.metrics.all[0]?.recorded, 1);
  });

  test('S87: unknown ids are NOT_FOUND, of no kind BAD_ARGUMENT; type 3 cannot be defined', () => {
    const { define, increment, record, get } = withMetrics();
    assert.deepEqual([increment(4000, 1n), record(4000, 1n), get(4000)], [1, 1, -1]);
    assert.deepEqual([increment(4003, 1n), get(4003)], [2, -2]);
    assert.equal(define(3, 'x'), -Status.BadArgument);
  });

  test('S88: one name defined twice is two ids of one statistic', () => {
    const { fixture, define, increment, get } = withMetrics();
    const first = define(MetricType.Counter, 'c');
    const second = define(MetricType.Counter, 'c');
    assert.notEqual(first, second);
    increment(first, 1n);
    increment(second, 1n);
    assert.deepEqual([get(first), get(second)], [2n, 2n]);
    assert.deepEqual(
      fixture.host.metrics.all.map(({ name }) => name),
      ['c'],
    );
  });

  test('S32: bad pointers', () => {
    const { fixture } = withMetrics();
    const seen: number[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      seen.push(fixture.puppet.call('proxy_define_metric', 0, -16, 32, 16));
      seen.push(fixture.puppet.call('proxy_define_metric', 0, 'm', -16));
      seen.push(fixture.puppet.call('proxy_get_metric', 4, -16));
      return 0;
    });
    assert.deepEqual(seen, [6, 6, 6]);
  });

  test('a guest cannot define metrics without end', () => {
    const { fixture } = withMetrics();
    let last = -1;
    inRequestHeaders(fixture, requestHeaders(), () => {
      for (let i = 0; i <= 10_000; i++) last = fixture.puppet.call('proxy_define_metric', 0, 'same name', 16);
      return 0;
    });
    assert.equal(last, Status.InternalFailure);
  });
});
