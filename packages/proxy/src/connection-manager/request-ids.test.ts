// Tests of the request ids.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestIds } from './request-ids.ts';

test('an id is a version 4 UUID in lower case', () => {
  const ids = new RequestIds();
  for (let i = 0; i < 1000; i++)
    assert.match(ids.next(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('ids do not repeat, within a generator or between two', () => {
  const seen = new Set<string>();
  for (const ids of [new RequestIds(), new RequestIds()])
    for (let i = 0; i < 50_000; i++) seen.add(ids.next());
  assert.equal(seen.size, 100_000);
});

test('all free bits take both values', () => {
  const ids = new RequestIds(Uint32Array.of(1, 2, 3, 4));
  const ones = new Array<number>(32).fill(0);
  for (let i = 0; i < 2000; i++) {
    const digits = ids.next().replaceAll('-', '');
    for (let d = 0; d < 32; d++) ones[d] += Number.parseInt(digits[d], 16) & 1;
  }
  for (const [d, count] of ones.entries())
    if (d !== 12) assert.ok(count > 850 && count < 1150, `digit ${d}: ${count}`);
});
