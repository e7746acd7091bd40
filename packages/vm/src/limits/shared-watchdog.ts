// The watchdog of embedders: one for all plugins that a program loads, started with the first and ended with the last, so
// that nobody has to hand it around. A proxy has its own, with replies to what it reports.

import { WatchdogThread } from './watchdog-thread.ts';

let watchdog: WatchdogThread | null = null;
let watched = 0;
let nextId = 0;

/** Watches a guard by its memory; the result ends that. */
export function watchGuard(memory: WebAssembly.Memory): () => void {
  watchdog ??= new WatchdogThread();
  const id = nextId++;
  watchdog.watch(id, memory);
  watched++;
  let ended = false;
  return () => {
    if (ended) return;
    ended = true;
    watchdog?.unwatch(id);
    if (--watched > 0) return;
    void watchdog?.close();
    watchdog = null;
  };
}
