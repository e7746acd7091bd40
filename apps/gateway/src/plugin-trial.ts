// Trial starts of plugins on the main thread, for --mode validate: under a watchdog, so that a plugin that does not end is
// found out instead of never ending the check.

import { Guard, WatchdogThread } from '@dragoman/vm';

/** Runs `trial` with a guard that is looked after until it has ended. */
export async function underWatchdog<T>(trial: (guard: Guard) => Promise<T>): Promise<T> {
  const watchdog = new WatchdogThread();
  const guard = new Guard();
  watchdog.watch(0, guard.memory);
  try {
    return await trial(guard);
  } finally {
    await watchdog.close();
  }
}
