// A plugin that loses memory with every request is replaced before it fails, and the process does not grow with it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeakingPlugin } from './testing/leaking-plugin.ts';

test('forty thousand requests that leak 16 KiB each: no error, and no more memory than the cap', () => {
  const leaking = new LeakingPlugin({ leakBytes: 16 * 1024, memoryMib: 4 });
  let most = 0;
  for (let i = 0; i < 40_000; i++) {
    assert.equal(leaking.request(), 'continue');
    most = Math.max(most, leaking.memoryBytes);
  }
  assert.ok(most <= 4 * 2 ** 20, `${most} bytes`);
  // 192 requests fill the three quarters of the cap that are the limit.
  const recycled = leaking.stat('dragoman.plugin.leaking.recycled.memory')!;
  assert.ok(recycled > 150 && recycled < 400, `${recycled} instances`);
  assert.equal(leaking.stat('wasm.leaking.failures.out_of_memory'), undefined);
  assert.equal(leaking.stat('dragoman.plugin.leaking.instances'), 1);
});

test('one that leaks a quarter of the limit with each request has no error either', () => {
  const leaking = new LeakingPlugin({ leakBytes: 2 ** 20, memoryMib: 8 });
  for (let i = 0; i < 100; i++) assert.equal(leaking.request(), 'continue');
  assert.equal(leaking.stat('wasm.leaking.failures.trap'), undefined);
});
