// When changes go out at once, when they wait, and what is counted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoppedClock } from '@dragoman/testkit';
import { NamedLane } from './test-fixture.ts';
import { UpdateMerger } from './update-merger.ts';

function mergerFixture(windowMs: number) {
  const clock = new StoppedClock();
  const lane = new NamedLane();
  const delivered: number[] = [];
  const merger = new UpdateMerger(windowMs, clock, lane.lane, priority => delivered.push(priority));
  const stat = (name: string) => lane.value(`cluster_manager.${name}`);
  return { clock, merger, delivered, stat };
}

test('the first change goes out at once, the next ones together at the end of the window', () => {
  const { clock, merger, delivered, stat } = mergerFixture(1000);
  merger.update(0, true);
  assert.deepEqual(delivered, [0]);
  clock.advance(200);
  merger.update(0, true);
  clock.advance(200);
  merger.update(0, true);
  clock.advance(799);
  assert.deepEqual(delivered, [0]);
  clock.advance(1);
  assert.deepEqual(delivered, [0, 0]);
  assert.equal(stat('cluster_updated'), 1);
  assert.equal(stat('update_out_of_merge_window'), 1);
  assert.equal(stat('cluster_updated_via_merge'), 1);
  clock.advance(1001);
  merger.update(0, true);
  assert.deepEqual(delivered, [0, 0, 0]);
});

test('hosts that come or go are told at once, and take what waits along', () => {
  const { clock, merger, delivered, stat } = mergerFixture(1000);
  merger.update(0, true);
  merger.update(0, true);
  merger.update(0, false);
  assert.deepEqual(delivered, [0, 0]);
  assert.equal(stat('update_merge_cancelled'), 1);
  clock.advance(5000);
  assert.deepEqual(delivered, [0, 0]);
});

test('priorities have windows of their own; a window of 0 is none; closing forgets what waits', () => {
  const { clock, merger, delivered } = mergerFixture(1000);
  merger.update(0, true);
  merger.update(1, true);
  assert.deepEqual(delivered, [0, 1]);
  merger.update(1, true);
  merger.close();
  clock.advance(5000);
  assert.deepEqual(delivered, [0, 1]);
  const none = mergerFixture(0);
  none.merger.update(0, true);
  none.merger.update(0, true);
  assert.deepEqual(none.delivered, [0, 0]);
});
