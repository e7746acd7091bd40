import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Guard } from './guard.ts';
import { KillWordLayout } from './module-rewriter/inserted-code.ts';
import { nativeThreadId, threadCpuTimeMs } from './thread-cpu-time.ts';

const linux = { skip: process.platform !== 'linux' };

test('a thread that works has CPU time, one that sleeps has none', linux, () => {
  const id = nativeThreadId();
  assert.ok(id > 0);
  const worked = (during: () => void): number => {
    const before = threadCpuTimeMs(id)!;
    during();
    return threadCpuTimeMs(id)! - before;
  };
  const sleep = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  const work = () => {
    for (const endMs = performance.now() + 50; performance.now() < endMs; );
  };
  const [asleep, atWork] = [worked(sleep), worked(work)];
  assert.ok(asleep < 25, `${asleep} ms asleep`);
  assert.ok(atWork > asleep && atWork <= 60, `${atWork} ms at work`);
});

test('a guard says which thread it is on', linux, () => {
  const words = new Int32Array(new Guard().memory.buffer);
  assert.equal(words[KillWordLayout.ThreadId / 4], nativeThreadId());
});

test('of a thread that is not there nothing is known', () => {
  assert.equal(threadCpuTimeMs(0), null);
  assert.equal(threadCpuTimeMs(2 ** 30), null);
});
