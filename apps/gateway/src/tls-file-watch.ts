// Certificates, keys and trust that change while the proxy runs: their folders are watched, and a change that makes a whole
// is handed to the workers. Half of one (a new certificate with the old key) waits for the other half.

import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from '@dragoman/base';
import type { Bootstrap } from '@dragoman/config';
import { tlsFiles, tlsMistakes } from '@dragoman/proxy';
import type { StatLane } from '@dragoman/shm';

/** Files that belong together are written one after the other: so long after the last change they are looked at. */
const SETTLE_MS = 100;

export interface TlsFileWatchOptions {
  readonly logger: Logger;
  readonly lane: StatLane;
  /** Files have changed, and all contexts can be made of them. */
  onChange(): void;
}

export class TlsFileWatch {
  readonly #bootstrap: Bootstrap;
  readonly #options: TlsFileWatchOptions;
  readonly #files: readonly string[];
  readonly #watchers: FSWatcher[] = [];
  readonly #updates: number;
  readonly #failures: number;
  #timer: NodeJS.Timeout | null = null;
  #fingerprint: string;

  /** Folders and not files are watched: a file that is replaced by another, or a folder of links, would be lost. */
  constructor(bootstrap: Bootstrap, options: TlsFileWatchOptions) {
    this.#bootstrap = bootstrap;
    this.#options = options;
    this.#files = [...tlsFiles(bootstrap)];
    this.#fingerprint = this.#read();
    this.#updates = options.lane.counter('dragoman.tls_file_updates');
    this.#failures = options.lane.counter('dragoman.tls_file_update_failures');
    for (const folder of new Set(this.#files.map(file => dirname(file)))) this.#watch(folder);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
  }

  #watch(folder: string): void {
    const { logger } = this.#options;
    const giveUp = (error: Error): void =>
      logger.log('warning', 'config', `changes of TLS files in ${folder} are not seen: ${error.message}`);
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#settle());
      watcher.on('error', giveUp);
      this.#watchers.push(watcher);
    } catch (error) {
      giveUp(error as Error);
    }
  }

  #settle(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), SETTLE_MS).unref();
  }

  #look(): void {
    this.#timer = null;
    const fingerprint = this.#read();
    if (fingerprint === this.#fingerprint) return;
    this.#fingerprint = fingerprint;
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

  /** Stands for the contents of all files; a file that is away for a moment is part of it. */
  #read(): string {
    const hash = createHash('sha256');
    for (const file of this.#files) {
      hash.update(`${file}\0`);
      try {
        hash.update(readFileSync(file));
      } catch {
        hash.update('absent');
      }
    }
    return hash.digest('hex');
  }
}
