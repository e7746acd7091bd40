// The main thread's part in the deadlines of plugins: a watchdog over the guards of all workers. A worker that does not
// come out of a call that was told to end is replaced. What a deadline is, @dragoman/vm knows.

import type { Logger } from '@dragoman/base';
import { stopsEndlessLoops, WatchdogThread } from '@dragoman/vm';
import type { WorkerFleet } from './worker-fleet.ts';

/** Starts the watchdog of a fleet; there is one while there are plugins with limits. */
export class PluginWatch {
  readonly #watchdog: WatchdogThread;
  readonly #logger: Logger;

  constructor(fleet: Pick<WorkerFleet, 'watchGuards' | 'terminate'>, logger: Logger) {
    this.#logger = logger;
    this.#watchdog = new WatchdogThread({
      onStuck: workerIndex => {
        logger.log(
          'critical',
          'wasm',
          `worker ${workerIndex} does not come out of a plugin whose time is over: it is replaced`,
        );
        fleet.terminate(workerIndex);
      },
      onDeath: reason =>
        logger.log('critical', 'wasm', `the plugins' watchdog died and was replaced: ${reason.message}`),
    });
    fleet.watchGuards(this.#watchdog);
  }

  /** Tries the limits on this engine, on a thread of its own. What it finds out is only to be known, not to wait for. */
  async test(): Promise<void> {
    if (await stopsEndlessLoops(this.#watchdog)) {
      this.#logger.log('debug', 'wasm', 'self-test: an endless loop was stopped');
      return;
    }
    this.#logger.log(
      'critical',
      'wasm',
      `this engine (V8 ${process.versions.v8}) does not stop endless loops in plugins: a plugin that does not end costs a worker`,
    );
  }

  async close(): Promise<void> {
    await this.#watchdog.close();
  }
}
