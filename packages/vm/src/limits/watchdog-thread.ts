// The main thread's hold on the watchdog's thread. A watchdog that dies is replaced: without one, a plugin in an endless
// loop would hold its worker for ever.

import { Worker } from 'node:worker_threads';
import type { StuckMessage, WatchdogData, WatchdogMessage } from './watchdog-program.ts';

export interface WatchdogThreadOptions {
  /** The thread of this guard does not come out of a call that was told to end: it has to be replaced. */
  onStuck?(id: number): void;
  /** The watchdog's thread died; another one has been started. */
  onDeath?(reason: Error): void;
  /** How long a call may go on after it was told to end; 1 s by default. */
  readonly stuckAfterMs?: number;
}

const EXTENSION = import.meta.filename.slice(-3);

/** Starts the thread when the first guard is to be watched. It does not keep the process alive. */
export class WatchdogThread {
  readonly #options: WatchdogThreadOptions;
  readonly #memories = new Map<number, WebAssembly.Memory>();
  #worker: Worker | null = null;
  #closed = false;

  constructor(options: WatchdogThreadOptions = {}) {
    this.#options = options;
  }

  /** Watches a guard by its memory. An id that was used before stands for the new guard from now on. */
  watch(id: number, memory: WebAssembly.Memory): void {
    this.#memories.set(id, memory);
    if (this.#worker === null) this.#start();
    else this.#post({ type: 'watch', id, memory });
  }

  unwatch(id: number): void {
    if (this.#memories.delete(id)) this.#post({ type: 'unwatch', id });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  #start(): void {
    const worker = new Worker(new URL(`./watchdog-program${EXTENSION}`, import.meta.url), {
      name: 'watchdog',
      workerData: { stuckAfterMs: this.#options.stuckAfterMs } satisfies WatchdogData,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    });
    worker.unref();
    worker.on('message', ({ stuck }: StuckMessage) => this.#options.onStuck?.(stuck));
    let reason = new Error('the watchdog has ended');
    worker.on('error', error => {
      reason = error as Error;
    });
    worker.on('exit', () => {
      if (this.#closed) return;
      this.#start();
      this.#options.onDeath?.(reason);
    });
    this.#worker = worker;
    for (const [id, memory] of this.#memories) this.#post({ type: 'watch', id, memory });
  }

  #post(message: WatchdogMessage): void {
    this.#worker?.postMessage(message);
  }
}
