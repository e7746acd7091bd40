// The program of the watchdog's thread: looks at the guards all the time, and hears from the main thread which there are.

import { parentPort } from 'node:worker_threads';
import { Watchdog } from './watchdog.ts';

/** From the main thread. */
export type WatchdogMessage =
  | { readonly type: 'watch'; readonly id: number; readonly memory: WebAssembly.Memory }
  | { readonly type: 'unwatch'; readonly id: number };

/** To the main thread. */
export interface StuckMessage {
  readonly stuck: number;
}

const port = parentPort!;
const watchdog = new Watchdog({
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
