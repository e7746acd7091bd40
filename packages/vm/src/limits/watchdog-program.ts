// The program of the watchdog's thread: looks at the guards all the time, and hears from the main thread which there are.

import { parentPort, workerData } from 'node:worker_threads';
import { threadCpuTimeMs } from './thread-cpu-time.ts';
import { Watchdog } from './watchdog.ts';

/** What the thread is given. */
export interface WatchdogData {
  readonly stuckAfterMs: number | undefined;
}

/** From the main thread. */
export type WatchdogMessage =
  | { readonly type: 'watch'; readonly id: number; readonly memory: WebAssembly.Memory }
  | { readonly type: 'unwatch'; readonly id: number };

/** To the main thread. */
export interface StuckMessage {
  readonly stuck: number;
}

const port = parentPort!;
const { stuckAfterMs } = workerData as WatchdogData;
const watchdog = new Watchdog({
  ...(stuckAfterMs === undefined ? {} : { stuckAfterMs }),
  cpuTimeMs: threadCpuTimeMs,
  onStuck: id => port.postMessage({ stuck: id } satisfies StuckMessage),
});

port.on('message', (message: WatchdogMessage) => {
  if (message.type === 'watch') watchdog.watch(message.id, message.memory);
  else watchdog.unwatch(message.id);
});

function look(): void {
  setTimeout(look, watchdog.poll(performance.now()));
}
look();
