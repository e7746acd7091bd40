// Certificates, keys and trust that change while the proxy runs: a change that makes a whole is handed to the workers. Half
// of one (a new certificate with the old key) waits for the other half.

import type { Logger } from '@dragoman/base';
import type { Bootstrap } from '@dragoman/config';
import { tlsFiles, tlsMistakes } from '@dragoman/proxy';
import type { StatLane } from '@dragoman/shm';
import { FileWatch } from './file-watch.ts';

export interface TlsFileWatchOptions {
  readonly logger: Logger;
  readonly lane: StatLane;
  /** Files have changed, and all contexts can be made of them. */
  onChange(): void;
}

export class TlsFileWatch {
  readonly #bootstrap: Bootstrap;
  readonly #options: TlsFileWatchOptions;
  readonly #watch: FileWatch;
  readonly #updates: number;
  readonly #failures: number;

  constructor(bootstrap: Bootstrap, options: TlsFileWatchOptions) {
    this.#bootstrap = bootstrap;
    this.#options = options;
    this.#updates = options.lane.counter('dragoman.tls_file_updates');
    this.#failures = options.lane.counter('dragoman.tls_file_update_failures');
    this.#watch = new FileWatch(tlsFiles(bootstrap), options.logger, () => this.#onChange());
  }

  close(): void {
    this.#watch.close();
  }

  #onChange(): void {
    const { lane, logger, onChange } = this.#options;
    const mistakes = tlsMistakes(this.#bootstrap);
    if (mistakes.length > 0) {
      lane.inc(this.#failures);
      logger.log('warning', 'config', `changed TLS files are not used: ${mistakes.join('; ')}`);
      return;
    }
    lane.inc(this.#updates);
    logger.log('info', 'config', 'TLS files have changed: new connections use them');
    onChange();
  }
}
