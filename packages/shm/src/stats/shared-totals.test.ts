import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SharedTotals } from './shared-totals.ts';

test('threads meet at the same entry by its name, and no addition is lost', async () => {
  const memory = SharedTotals.create(64);
  const source = `
    import { workerData } from 'node:worker_threads';
    import { SharedTotals } from ${JSON.stringify(new URL('./shared-totals.ts', import.meta.url).href)};
    const totals = new SharedTotals(workerData.memory);
    const entries = ['a', 'b', 'c', 'd'].map(name => totals.entry(name));
    for (let i = 0; i < 5000; i++) for (const entry of entries) totals.add(entry, i % 2 === 0 ? 3 : -1);
  `;
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  const workers = [1, 2, 3].map(() => new Worker(url, { workerData: { memory } }));
  await Promise.all(workers.map(worker => once(worker, 'exit')));
  const totals = new SharedTotals(memory);
  for (const name of ['a', 'b', 'c', 'd']) assert.equal(totals.get(totals.entry(name)), 15_000);
});

test('a value is set whole and answers the one before; negative values and large ones are exact', () => {
  const totals = new SharedTotals(SharedTotals.create(8));
  const entry = totals.entry('gauge');
  assert.equal(totals.exchange(entry, 5), 0);
  assert.equal(totals.exchange(entry, -7), 5);
  totals.add(entry, Number.MAX_SAFE_INTEGER);
  assert.equal(totals.get(entry), Number.MAX_SAFE_INTEGER - 7);
});

test('without room there is no entry, and those there are stay', () => {
  const totals = new SharedTotals(SharedTotals.create(4));
  const names = ['a', 'b', 'c', 'd'];
  const entries = names.map(name => totals.entry(name));
  assert.equal(new Set(entries).size, 4);
  assert.equal(totals.entry('e'), -1);
  assert.deepEqual(
    names.map(name => totals.entry(name)),
    entries,
  );
  assert.throws(() => SharedTotals.create(3), { code: 'ERR_DRAGOMAN_SHARED_TOTALS_SIZE' });
});
