// Deadlines in time that only the test moves.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Guard } from './guard.ts';
import { WATCH_INTERVAL_MS, Watchdog, type WatchdogOptions } from './watchdog.ts';

/** A watchdog that is called exactly when it wants to be. */
class Watch {
  readonly guard = new Guard();
  readonly killed: number[] = [];
  readonly stuck: number[] = [];
  readonly watchdog: Watchdog;
  nowMs = 1000;

  constructor(options: WatchdogOptions = {}) {
    this.watchdog = new Watchdog({
      onKill: () => this.killed.push(this.nowMs),
      onStuck: () => this.stuck.push(this.nowMs),
      ...options,
    });
    this.watchdog.watch(7, this.guard.memory);
  }

  runFor(milliseconds: number): void {
    const endMs = this.nowMs + milliseconds;
    while (this.nowMs < endMs) this.nowMs += this.watchdog.poll(this.nowMs);
  }
}

describe('Watchdog', () => {
  test('a call is killed after its deadline, and no later than one interval after', () => {
    for (const deadlineMs of [1, 4, 50, 5000]) {
      const watch = new Watch();
      watch.runFor(100);
      const startMs = watch.nowMs;
      watch.guard.enter(deadlineMs);
      watch.runFor(2 * deadlineMs + 30);
      assert.equal(watch.guard.leave(), true);
      const tookMs = watch.killed[0] - startMs;
      assert.ok(tookMs >= deadlineMs && tookMs <= deadlineMs + WATCH_INTERVAL_MS, `${deadlineMs}: ${tookMs}`);
    }
  });

  test('a call that has ended in time is left alone, and so is the one after it', () => {
    const watch = new Watch();
    for (let i = 0; i < 20; i++) {
      watch.guard.enter(50);
      watch.runFor(40);
      assert.equal(watch.guard.leave(), false);
    }
    assert.deepEqual(watch.killed, []);
  });

  test('a call without deadline may run for ever', () => {
    const watch = new Watch();
    watch.guard.enter(0);
    watch.runFor(100_000);
    assert.equal(watch.guard.leave(), false);
  });

  test('time in which the watchdog itself did not run does not count', () => {
    const watch = new Watch();
    watch.watchdog.poll(0);
    watch.guard.enter(50);
    watch.watchdog.poll(10);
    watch.watchdog.poll(60_000);
    assert.deepEqual(watch.killed, []);
    watch.nowMs = 60_000;
    watch.runFor(60);
    assert.equal(watch.killed.length, 1);
  });

  test('a killed call that does not end is reported, once', () => {
    const watch = new Watch({ stuckAfterMs: 1000 });
    watch.guard.enter(50);
    watch.runFor(900);
    assert.deepEqual(watch.stuck, []);
    watch.runFor(5000);
    assert.equal(watch.stuck.length, 1);
    watch.guard.leave();
    watch.guard.enter(50);
    watch.runFor(5000);
    assert.equal(watch.stuck.length, 2);
  });

  test('a thread that waits for a processor has twice the time, an endless call no more', () => {
    for (const [share, atLeastMs, atMostMs] of [
      [1, 50, 70],
      [0.75, 60, 90],
      [0, 90, 120],
    ]) {
      let startMs = 0;
      const watch: Watch = new Watch({ cpuTimeMs: () => share * (watch.nowMs - startMs) });
      startMs = watch.nowMs;
      watch.guard.enter(50);
      watch.runFor(200);
      const tookMs = watch.killed[0] - startMs;
      assert.ok(tookMs >= atLeastMs && tookMs <= atMostMs, `${share}: ${tookMs}`);
    }
  });

  test('a guard that is no longer watched is left alone', () => {
    const watch = new Watch();
    watch.guard.enter(50);
    watch.watchdog.unwatch(7);
    watch.runFor(200);
    assert.equal(watch.guard.leave(), false);
  });

  test('an endless call does not hide another one', () => {
    const watch = new Watch();
    const other = new Guard();
    watch.watchdog.watch(8, other.memory);
    watch.guard.enter(0);
    other.enter(20);
    watch.runFor(60);
    assert.deepEqual([watch.guard.leave(), other.leave()], [false, true]);
  });
});
