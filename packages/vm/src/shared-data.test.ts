// Both stores of shared data behave in the same way: that of one thread, and that in shared memory.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Status } from '@dragoman/abi';
import { Arena } from '@dragoman/shm';
import { ArenaSharedData } from './arena-state.ts';
import { LocalSharedData } from './shared-data.ts';
import type { SharedData } from './vm-host.ts';

let nowMs = 0;
const stores: Record<string, () => SharedData> = {
  'of one thread': () => new LocalSharedData(() => nowMs),
  'in shared memory': () =>
    new ArenaSharedData(new Arena(Arena.create({ heapBytes: 1 << 16 }), 1), () => nowMs),
};

for (const [name, create] of Object.entries(stores)) {
  describe(`shared data ${name}`, () => {
    test('is deleted, also only while it has a certain cas', () => {
      const data = create();
      data.set('vm', 'key', Buffer.from('a'), 0);
      const { cas } = data.get('vm', 'key')!;
      assert.equal(data.delete('vm', 'key', cas + 1), Status.CasMismatch);
      assert.equal(data.delete('other', 'key', 0), Status.NotFound);
      assert.equal(data.delete('vm', 'key', cas), Status.Ok);
      assert.equal(data.get('vm', 'key'), null);
      assert.equal(data.delete('vm', 'key', 0), Status.NotFound);
    });

    test('tells its keys', () => {
      const data = create();
      for (const key of ['a1', 'a2', 'b']) data.set('vm', key, Buffer.alloc(1), 0);
      assert.deepEqual(data.keys('vm', 'a'), ['a1', 'a2']);
      assert.deepEqual(data.keys('vm', ''), ['a1', 'a2', 'b']);
      assert.deepEqual(data.keys('other', ''), []);
    });

    test('is counted up and down in one step', () => {
      const data = create();
      const first = data.increment('vm', 'n', 3n);
      assert.ok(typeof first === 'object');
      assert.equal(first.value, 3n);
      assert.equal(data.get('vm', 'n')!.cas, first.cas);
      assert.equal((data.increment('vm', 'n', -5n) as { value: bigint }).value, -2n);
      assert.deepEqual(Buffer.from(data.get('vm', 'n')!.value).readBigInt64LE(), -2n);
      data.set('vm', 'text', Buffer.from('abc'), 0);
      assert.equal(data.increment('vm', 'text', 1n), Status.BadArgument);
    });

    test('ends with its time; counting does not begin that anew', () => {
      const data = create();
      data.set('vm', 'short', Buffer.alloc(1), 0, 100);
      data.set('vm', 'long', Buffer.alloc(1), 0);
      data.increment('vm', 'n', 1n, 100);
      nowMs += 99;
      data.increment('vm', 'n', 1n, 100);
      assert.notEqual(data.get('vm', 'short'), null);
      nowMs += 1;
      assert.equal(data.get('vm', 'short'), null);
      assert.deepEqual(data.keys('vm', ''), ['long']);
      assert.equal((data.increment('vm', 'n', 1n) as { value: bigint }).value, 1n);
    });
  });
}
