// Tests of the stat lanes and their table.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { bucketLowerBound, bucketOf, bucketWidth } from './histogram-buckets.ts';
import { DEFAULT_BOUNDS } from './histogram-snapshot.ts';
import { LANE_OVERFLOW_STAT, StatLane } from './stat-lane.ts';
import { StatTable } from './stat-table.ts';

function laneAndTable(options?: { slotCapacity?: number; logBytes?: number }) {
  const memory = StatLane.create(options);
  const table = new StatTable();
  return { lane: new StatLane(memory), table, id: table.addLane(memory) };
}

test('counters of two lanes are summed under one name', () => {
  const table = new StatTable();
  const lanes = [StatLane.create(), StatLane.create()].map(memory => {
    table.addLane(memory);
    return new StatLane(memory);
  });
  lanes[0].counter('only.first');
  for (const lane of lanes) lane.add(lane.counter('both'), 3);
  lanes[1].inc(lanes[1].counter('both'));
  assert.deepEqual(
    [...table.snapshot().counters],
    [
      ['both', 7],
      ['only.first', 0],
    ],
  );
});

test('a second writer of the same lane is refused', () => {
  const memory = StatLane.create();
  new StatLane(memory);
  assert.throws(() => new StatLane(memory), { code: 'ERR_DRAGOMAN_STAT_LANE_OWNED' });
});

test('a gauge shows whether it was ever written, even with 0', () => {
  const { lane, table } = laneAndTable();
  lane.gauge('never');
  const active = lane.gauge('active');
  lane.gaugeInc(active);
  lane.gaugeDec(active);
  lane.gaugeSet(lane.gauge('zero'), 0);
  lane.gaugeSet(lane.gauge('seven'), 7);
  assert.deepEqual(Object.fromEntries(table.snapshot().gauges), {
    active: { value: 0, used: true },
    never: { value: 0, used: false },
    seven: { value: 7, used: true },
    zero: { value: 0, used: true },
  });
});

test('a name cannot have two types', () => {
  const { lane } = laneAndTable();
  lane.counter('x');
  assert.throws(() => lane.gauge('x'), { code: 'ERR_DRAGOMAN_STAT_KIND' });
});

test('internal names are readable but not listed', () => {
  const { lane, table } = laneAndTable();
  lane.inc(lane.counter('@host.app.127.0.0.1:80.rq_total'));
  assert.equal(table.snapshot().counters.size, 0);
  assert.equal(table.value('@host.app.127.0.0.1:80.rq_total'), 1);
  assert.equal(table.value('absent'), undefined);
});

test('the table shows only what it accepts', () => {
  const memory = StatLane.create();
  const table = new StatTable({ accepts: name => name !== 'hidden' });
  table.addLane(memory);
  const lane = new StatLane(memory);
  lane.counter('hidden');
  lane.counter('shown');
  assert.deepEqual([...table.snapshot().counters.keys()], ['shown']);
});

test('reset_counters leaves gauges alone and keeps counters used', () => {
  const { lane, table } = laneAndTable();
  const counter = lane.counter('c');
  lane.inc(counter);
  lane.gaugeInc(lane.gauge('g'));
  table.resetCounters();
  assert.deepEqual(
    table.rows().map(row => [row.name, row.value, row.used]),
    [
      ['c', 0, true],
      ['g', 1, true],
    ],
  );
  lane.inc(counter);
  assert.equal(table.value('c'), 1);
});

test('a retired lane leaves its counts and takes its gauges along', () => {
  const { lane, table, id } = laneAndTable();
  lane.add(lane.counter('c'), 5);
  lane.gaugeInc(lane.gauge('g'));
  const histogram = lane.histogram('h', 'ms');
  lane.record(histogram, 12);
  table.retireLane(id);
  const memory = StatLane.create();
  table.addLane(memory);
  const next = new StatLane(memory);
  next.inc(next.counter('c'));
  next.record(next.histogram('h', 'ms'), 99);
  table.flush();
  const { counters, gauges, histograms } = table.snapshot();
  assert.equal(counters.get('c'), 6);
  assert.equal(gauges.size, 0);
  assert.equal(histograms.get('h')!.cumulative.count, 2);
  assert.equal(histograms.get('h')!.cumulative.sum, 111);
  assert.throws(() => table.retireLane(id), { code: 'ERR_DRAGOMAN_STAT_LANE_UNKNOWN' });
});

test('a full lane counts what it leaves out and keeps working', () => {
  const { lane, table } = laneAndTable({ slotCapacity: 1010 });
  for (let i = 0; i < 20; i++) lane.inc(lane.counter(`c${i}`));
  lane.record(lane.histogram('h', 'ms'), 1000);
  const { counters, histograms } = table.snapshot();
  assert.equal(counters.get(LANE_OVERFLOW_STAT), 14);
  assert.equal(counters.size, 8);
  assert.ok([...counters].every(([name, value]) => name === LANE_OVERFLOW_STAT || value === 1));
  assert.equal(histograms.size, 0);
});

test('names wait while the log is full and come with publish()', () => {
  const { lane, table } = laneAndTable({ logBytes: 256 });
  for (let i = 0; i < 100; i++) lane.inc(lane.counter(`some.longer.name.${i}`));
  let seen = 0;
  for (let round = 0; round < 100 && seen < 100; round++) {
    seen = table.snapshot().counters.size;
    lane.publish();
  }
  assert.equal(seen, 100);
});

test('removed scopes vanish and their slots are used again', () => {
  const { lane, table } = laneAndTable();
  const first = lane.counter('cluster.a.x');
  lane.inc(first);
  lane.gaugeInc(lane.gauge('cluster.a.g'));
  lane.inc(lane.counter('cluster.b.x'));
  lane.removeScope('cluster.a.');
  assert.equal(lane.counter('cluster.c.x'), first);
  assert.deepEqual(Object.fromEntries(table.snapshot().counters), { 'cluster.b.x': 1, 'cluster.c.x': 0 });
  assert.equal(table.snapshot().gauges.size, 0);
});

test('the last text of a readout wins', () => {
  const { lane, table } = laneAndTable();
  lane.textReadout('control_plane.identifier', 'one');
  lane.textReadout('control_plane.identifier', 'zwei ü');
  assert.deepEqual([...table.snapshot().textReadouts], [['control_plane.identifier', 'zwei ü']]);
});

test('every value is inside its bucket', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.nat(5000),
        fc.maxSafeNat().map(n => n % 1e12),
      ),
      value => {
        const bucket = bucketOf(value);
        assert.ok(bucketLowerBound(bucket) <= value);
        assert.ok(value < bucketLowerBound(bucket) + (bucketWidth(bucket) || 1));
      },
    ),
  );
  // The product of a decade and a tenth would be 930.0000000000001.
  assert.equal(bucketLowerBound(bucketOf(930)), 930);
  for (const odd of [-1, Number.NaN, -0.5, 0.9]) assert.equal(bucketOf(odd), 0);
  assert.equal(bucketOf(1e15), bucketOf(Number.MAX_VALUE));
});

test('buckets are adjacent and rising', () => {
  for (let bucket = 11; bucket < 1000; bucket++) {
    const end = bucketLowerBound(bucket - 1) + bucketWidth(bucket - 1);
    assert.ok(Math.abs(bucketLowerBound(bucket) - end) <= end * 1e-12, `bucket ${bucket}`);
  }
});

test('histograms show nothing before a flush, then interval and total', () => {
  const { lane, table } = laneAndTable();
  const histogram = lane.histogram('h', 'ms');
  lane.record(histogram, 1);
  assert.equal(table.snapshot().histograms.get('h')!.used, false);
  table.flush();
  const first = table.snapshot().histograms.get('h')!;
  assert.deepEqual(first.interval.quantiles([0, 0.5, 1]), [1, 1.05, 1.1]);
  lane.record(histogram, 200);
  table.flush();
  const second = table.snapshot().histograms.get('h')!;
  assert.deepEqual(second.interval.quantiles([0, 1]), [200, 210]);
  assert.deepEqual(second.cumulative.quantiles([0, 1]), [1, 210]);
  assert.equal(second.cumulative.sum, 201);
  table.flush();
  const third = table.snapshot().histograms.get('h')!;
  assert.ok(third.interval.quantiles().every(Number.isNaN));
  assert.equal(third.cumulative.count, 2);
});

test('cumulative counts never fall and end with what is below the last bound', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(4_000_000), { maxLength: 50 }), values => {
      const { lane, table } = laneAndTable({ slotCapacity: 4096, logBytes: 1024 });
      const histogram = lane.histogram('h', 'ms');
      for (const value of values) lane.record(histogram, value);
      table.flush();
      const { cumulative } = table.snapshot().histograms.get('h')!;
      const counts = cumulative.cumulativeCounts();
      counts.forEach((count, index) => {
        assert.ok(index === 0 || count >= counts[index - 1]);
        assert.ok(count <= values.filter(value => value <= DEFAULT_BOUNDS[index]).length);
      });
      assert.equal(cumulative.count, values.length);
    }),
    { numRuns: 40 },
  );
});

test('a worker thread writes, the main thread reads without a message', async () => {
  const memory = StatLane.create();
  const table = new StatTable();
  table.addLane(memory);
  const source = `
    const { StatLane } = await import(${JSON.stringify(new URL('./stat-lane.ts', import.meta.url).href)});
    const { workerData } = await import('node:worker_threads');
    const lane = new StatLane(workerData);
    const counter = lane.counter('from.worker');
    for (let i = 0; i < 100000; i++) lane.inc(counter);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: memory,
  });
  await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  assert.equal(table.snapshot().counters.get('from.worker'), 100000);
});
