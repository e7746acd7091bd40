import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomFire } from './testing/random-fire.ts';

test('of a hundred thousand short calls under random fire none dies of a shot at another', async () => {
  const { shots, killed, wrong } = await randomFire(100_000);
  assert.equal(wrong, 0);
  assert.ok(shots > 0 && killed > 0, `${shots} shots, ${killed} hits: nothing was tried`);
  assert.ok(killed <= shots, `${killed} calls died of ${shots} shots`);
});
