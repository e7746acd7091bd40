// Files that may change while the proxy runs. Their folders are watched, and their contents compared once things have settled.

import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from '@dragoman/base';

/** Files that belong together are written one after the other: so long after the last change they are looked at. */
const SETTLE_MS = 100;

export class FileWatch {
  readonly #files: readonly string[];
  readonly #logger: Logger;
  readonly #onChange: (changed: readonly string[]) => void;
  readonly #watchers: FSWatcher[] = [];
  #timer: NodeJS.Timeout | null = null;
  /** By file. */
  #fingerprints: ReadonlyMap<string, string>;

  /** Folders and not files are watched: a file that is replaced by another, or a folder of links, would be lost. */
  constructor(files: Iterable<string>, logger: Logger, onChange: (changed: readonly string[]) => void) {
    this.#files = [...files];
    this.#logger = logger;
    this.#onChange = onChange;
    this.#fingerprints = this.#read();
    for (const folder of new Set(this.#files.map(file => dirname(file)))) this.#watch(folder);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
  }

  #watch(folder: string): void {
    const giveUp = (error: Error): void =>
      this.#logger.log('warning', 'config', `changes of files in ${folder} are not seen: ${error.message}`);
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
    const before = this.#fingerprints;
    this.#fingerprints = this.#read();
    const changed = this.#files.filter(file => before.get(file) !== this.#fingerprints.get(file));
    if (changed.length > 0) this.#onChange(changed);
  }

  /** What stands for the contents of each file; a file that is away for a moment has a change of its own. */
  #read(): Map<string, string> {
    return new Map(this.#files.map(file => [file, fingerprintOf(file)]));
  }
}

function fingerprintOf(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return 'absent';
  }
}
