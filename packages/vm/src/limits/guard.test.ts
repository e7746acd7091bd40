// The numbers of calls, and what a kill does to them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Guard, KILLED } from './guard.ts';
import { KillWordLayout } from './module-rewriter/inserted-code.ts';

const make = () => {
  const guard = new Guard();
  const words = new Int32Array(guard.memory.buffer);
  return { guard, words, kill: () => Atomics.or(words, 0, KILLED) };
};

describe('Guard', () => {
  test('each call has a number of its own and its deadline, and nothing is left of it', () => {
    const { guard, words } = make();
    const seen: number[][] = [];
    for (const deadlineMs of [50, 0, 5000]) {
      guard.enter(deadlineMs);
      seen.push([words[0], words[1]]);
      assert.equal(guard.leave(), false);
      assert.equal(words[0], 0);
    }
    assert.deepEqual(seen, [
      [1, 50],
      [2, 0],
      [3, 5000],
    ]);
  });

  test('a call within a call keeps number and deadline of the outer one', () => {
    const { guard, words } = make();
    guard.enter(50);
    guard.enter(5000);
    assert.deepEqual([words[0], words[1]], [1, 50]);
    assert.equal(guard.leave(), false);
    assert.equal(words[0], 1);
    guard.leave();
    assert.equal(words[0], 0);
  });

  test('a killed call is told, inner and outer, and the next one is not touched', () => {
    const { guard, words, kill } = make();
    guard.enter(50);
    guard.enter(50);
    kill();
    assert.deepEqual([guard.leave(), guard.leave()], [true, true]);
    guard.enter(50);
    assert.equal(words[0], 2);
    assert.equal(guard.leave(), false);
  });

  test('numbers begin anew before they would be negative', () => {
    const guard = new Guard(Guard.createMemory(), 0x7fff_fffe);
    const words = new Int32Array(guard.memory.buffer);
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) {
      guard.enter(1);
      seen.push(words[0]);
      guard.leave();
    }
    assert.deepEqual(seen, [0x7fff_ffff, 1, 2]);
  });

  test('a refused growth counts for the call it happened in', () => {
    const { guard, words } = make();
    guard.enter(50);
    words[KillWordLayout.GrowthRefused / 4] = words[0];
    assert.equal(guard.growthRefused, true);
    guard.leave();
    assert.equal(guard.growthRefused, true);
    guard.enter(50);
    assert.equal(guard.growthRefused, false);
    guard.leave();
  });
});
