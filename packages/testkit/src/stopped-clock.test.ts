// The clock that other tests trust: order, nesting and cancelling of its timers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoppedClock } from './stopped-clock.ts';

test('timers fire in order, each at its own time, also those started by others', () => {
  const clock = new StoppedClock();
  const start = clock.nowMs();
  const seen: [string, number][] = [];
  clock.after(20, () => seen.push(['b', clock.nowMs() - start]));
  clock.after(10, () => {
    seen.push(['a', clock.nowMs() - start]);
    clock.after(5, () => seen.push(['nested', clock.nowMs() - start]));
  });
  clock.advance(30);
  assert.deepEqual(seen, [
    ['a', 10],
    ['nested', 15],
    ['b', 20],
  ]);
  assert.equal(clock.nowMs() - start, 30);
});

test('a cancelled timer does not fire, and what runs can be seen', () => {
  const clock = new StoppedClock();
  const cancel = clock.after(5, () => assert.fail('cancelled'));
  clock.after(7, () => {});
  assert.deepEqual(clock.pending, [5, 7]);
  cancel();
  clock.advance(6);
  assert.deepEqual(clock.pending, [1]);
});
