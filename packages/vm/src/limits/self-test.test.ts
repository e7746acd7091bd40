// The self-test on the engine that runs the tests, with a watchdog and without one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stopsEndlessLoops } from './self-test.ts';
import { WatchdogThread } from './watchdog-thread.ts';

test('an endless loop in a scratch thread is stopped', async () => {
  const watchdog = new WatchdogThread();
  try {
    assert.equal(await stopsEndlessLoops(watchdog), true);
  } finally {
    await watchdog.close();
  }
});

test('a watchdog that dies is replaced, and watches the guards of the one before', async () => {
  const deaths: Error[] = [];
  const watchdog: WatchdogThread = new WatchdogThread({ onDeath: reason => deaths.push(reason) });
  try {
    // A memory that is none makes its program fail.
    watchdog.watch(5, null as never);
    watchdog.unwatch(5);
    assert.equal(await stopsEndlessLoops(watchdog), true);
    assert.equal(deaths.length, 1);
  } finally {
    await watchdog.close();
  }
});
