import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MetricType } from '@dragoman/abi';
import { SharedTotals, StatLane, StatTable } from '@dragoman/shm';
import { LaneMetrics } from './lane-metrics.ts';

/** The metrics of two workers, and the statistics that the admin interface shows. */
function twoWorkers() {
  const memory = SharedTotals.create(64);
  const table = new StatTable();
  const [first, second] = [1, 2].map(() => {
    const lane = StatLane.create();
    table.addLane(lane);
    return new LaneMetrics(new StatLane(lane), new SharedTotals(memory));
  });
  return { first, second, table };
}

describe('metrics of plugins', () => {
  test('a counter is read as the sum of all workers', () => {
    const { first, second, table } = twoWorkers();
    const here = first.define(MetricType.Counter, 'c');
    const there = second.define(MetricType.Counter, 'c');
    first.add(here, 3);
    second.add(there, 4);
    assert.deepEqual([first.get(here), second.get(there)], [7, 7]);
    assert.equal(table.snapshot().counters.get('wasmcustom.c'), 7);
  });

  test('a gauge has the value that was set last, whoever set it, in the plugin and in the statistics', () => {
    const { first, second, table } = twoWorkers();
    const here = first.define(MetricType.Gauge, 'g');
    const there = second.define(MetricType.Gauge, 'g');
    first.record(here, 10);
    second.record(there, 5);
    assert.deepEqual([first.get(here), second.get(there)], [5, 5]);
    first.add(here, -2);
    second.add(there, 1);
    assert.deepEqual([first.get(here), second.get(there)], [4, 4]);
    assert.deepEqual(table.snapshot().gauges.get('wasmcustom.g'), { value: 4, used: true });
    second.record(there, 0);
    assert.deepEqual(table.snapshot().gauges.get('wasmcustom.g'), { value: 0, used: true });
  });

  test('a gauge set to 0 for the first time shows as used', () => {
    const { first, table } = twoWorkers();
    first.record(first.define(MetricType.Gauge, 'g'), 0);
    assert.deepEqual(table.snapshot().gauges.get('wasmcustom.g'), { value: 0, used: true });
  });

  test('counters and gauges of one name, of which only the first is defined, do not mix', () => {
    const { first } = twoWorkers();
    first.add(first.define(MetricType.Counter, 'x'), 3);
    assert.equal(first.define(MetricType.Gauge, 'x'), -1);
  });

  test('without totals, and without room in them, a plugin reads what its own worker has counted', () => {
    const lane = new StatLane(StatLane.create());
    for (const metrics of [new LaneMetrics(lane), new LaneMetrics(lane, fullTotals())]) {
      const counter = metrics.define(MetricType.Counter, 'c');
      const before = metrics.get(counter);
      metrics.add(counter, 2);
      assert.equal(metrics.get(counter), before + 2);
      const gauge = metrics.define(MetricType.Gauge, 'g');
      metrics.record(gauge, 9);
      metrics.add(gauge, -1);
      assert.equal(metrics.get(gauge), 8);
    }
  });
});

function fullTotals(): SharedTotals {
  const totals = new SharedTotals(SharedTotals.create(1));
  totals.entry('other');
  return totals;
}
