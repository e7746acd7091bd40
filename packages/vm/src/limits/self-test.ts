// Tries once, after a start, whether this engine lets an endless loop be stopped: the checks are plain loads, and an engine
// is free to move these out of a loop. V8 does not; another version could. Runs beside the proxy's own threads.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Guard } from './guard.ts';
import { rewriteModule } from './module-rewriter/module-rewriter.ts';
import type { WatchdogThread } from './watchdog-thread.ts';

/** What the scratch thread is given. */
export interface SelfTestData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly deadlineMs: number;
}

/** Exit code of a thread that came out of the loop in the way it should. */
export const STOPPED_EXIT_CODE = 17;

/** Id of the scratch thread's guard; workers have theirs from 0 up. */
const SCRATCH_ID = -1;
const DEADLINE_MS = 20;
/** A machine under load starts a thread in a second. */
const PATIENCE_MS = 10_000;
const EXTENSION = import.meta.filename.slice(-3);

/** `(func (export "spin") (loop (br 0)))` */
const ENDLESS_LOOP = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x07, 0x08, 0x01, 0x04, 0x73, 0x70, 0x69, 0x6e, 0x00, 0x00],
  ...[0x0a, 0x09, 0x01, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b],
]);

/** True when an endless loop in a scratch thread was stopped by `watchdog`; the thread is gone in either case. */
export async function stopsEndlessLoops(watchdog: WatchdogThread): Promise<boolean> {
  const memory = Guard.createMemory();
  const data: SelfTestData = {
    module: new WebAssembly.Module(rewriteModule(ENDLESS_LOOP).bytes),
    memory,
    deadlineMs: DEADLINE_MS,
  };
  watchdog.watch(SCRATCH_ID, memory);
  const worker = new Worker(new URL(`./self-test-program${EXTENSION}`, import.meta.url), {
    name: 'limits self-test',
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  });
  worker.unref();
  const patience = setTimeout(() => void worker.terminate(), PATIENCE_MS).unref();
  try {
    const [code] = (await once(worker, 'exit')) as [number];
    return code === STOPPED_EXIT_CODE;
  } catch {
    // The thread could not even start.
    return false;
  } finally {
    clearTimeout(patience);
    watchdog.unwatch(SCRATCH_ID);
  }
}
