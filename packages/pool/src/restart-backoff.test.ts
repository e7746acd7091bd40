// The waits of a worker that dies once, of one in a crash loop, and of one that has settled in between.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RestartBackoff } from './restart-backoff.ts';

test('one death is replaced at once', () => {
  assert.equal(new RestartBackoff().delayMs(100), 0);
});

test('a worker that keeps dying young waits longer each time, up to ten seconds', () => {
  const backoff = new RestartBackoff();
  const delays = Array.from({ length: 9 }, () => backoff.delayMs(100));
  assert.deepEqual(delays, [0, 250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
});

test('a worker that has lived long enough begins anew', () => {
  const backoff = new RestartBackoff();
  for (let i = 0; i < 5; i++) backoff.delayMs(100);
  assert.equal(backoff.delayMs(60_000), 0);
  assert.equal(backoff.delayMs(100), 250);
});
