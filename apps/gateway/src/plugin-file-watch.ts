// Plugins whose `.wasm` file changes while the proxy runs: the new code is compiled and tried on the main thread, under a
// watchdog, and handed to the workers when every plugin starts with it. Otherwise everything stays as it is.

import { type Logger, silentLogger } from '@dragoman/base';
import type { Bootstrap } from '@dragoman/config';
import { type CodeByKey, changedCode, pluginCodeFiles, prepareWasmPlugins } from '@dragoman/filters';
import type { StatLane } from '@dragoman/shm';
import { FileWatch } from './file-watch.ts';
import { underWatchdog } from './plugin-trial.ts';

export interface PluginFileWatchOptions {
  readonly logger: Logger;
  readonly lane: StatLane;
  /** What the workers have now. */
  attachments(): ReadonlyMap<string, unknown>;
  /** Code that is other than what the workers have, tried. */
  onChange(codes: CodeByKey): void;
}

export class PluginFileWatch {
  readonly #bootstrap: Bootstrap;
  readonly #options: PluginFileWatchOptions;
  readonly #watch: FileWatch;
  readonly #updates: number;
  readonly #failures: number;
  #trial: Promise<void> = Promise.resolve();

  constructor(bootstrap: Bootstrap, options: PluginFileWatchOptions) {
    this.#bootstrap = bootstrap;
    this.#options = options;
    this.#updates = options.lane.counter('dragoman.wasm_file_updates');
    this.#failures = options.lane.counter('dragoman.wasm_file_update_failures');
    this.#watch = new FileWatch(pluginCodeFiles(bootstrap), options.logger, changed => {
      // One trial after the other: the last one sees the files as they are at the end.
      this.#trial = this.#trial.then(() => this.#tryCode(changed.join(', ')));
    });
  }

  close(): void {
    this.#watch.close();
  }

  async #tryCode(files: string): Promise<void> {
    const { lane, logger, attachments, onChange } = this.#options;
    const previous = attachments();
    const trial = { logger: silentLogger, canary: true, everyStartCounts: true, previous };
    const prepared = await underWatchdog(guard => prepareWasmPlugins(this.#bootstrap, { ...trial, guard }));
    if (prepared.errors.length > 0) {
      lane.inc(this.#failures);
      logger.log('warning', 'wasm', `${files} has changed and is not used: ${prepared.errors.join('; ')}`);
      return;
    }
    const codes = changedCode(prepared.attachments, previous);
    if (codes.size === 0) return;
    lane.inc(this.#updates);
    onChange(codes);
    logger.log('info', 'wasm', `${files} has changed: new requests use it`);
  }
}
