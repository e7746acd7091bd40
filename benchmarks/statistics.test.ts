// Tests of the arithmetic behind the benchmark's table.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { difference, median, medianWithin, ratio } from './statistics.ts';

test('median of an odd and of an even number of values', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('a ratio is taken within each round, so a slow round of both does not count', () => {
  assert.equal(medianWithin([10, 40, 10], [20, 80, 20], ratio), 0.5);
  assert.equal(medianWithin([12, 42, 13], [10, 40, 10], difference), 2);
});

test('rounds without a usable figure are left out', () => {
  assert.equal(medianWithin([10, Number.NaN, 30], [10, 10, 10], ratio), 2);
  assert.ok(Number.isNaN(medianWithin([1], [], ratio)));
});
