// Where the log goes: standard error, or the file of --log-path, which SIGUSR1 opens anew after a rotation.

import { closeSync, openSync } from 'node:fs';
import { DragomanError } from '@dragoman/base';

const STANDARD_ERROR = 2;

export class LogFile {
  readonly #path: string | undefined;
  #fd: number;

  /** Throws ERR_DRAGOMAN_LOG_PATH when the file cannot be opened. */
  constructor(path: string | undefined) {
    this.#path = path;
    this.#fd = path === undefined ? STANDARD_ERROR : open(path);
  }

  get fd(): number {
    return this.#fd;
  }

  /**
   * Opens the path again and gives the function that closes the old descriptor, to be called once nobody writes to it;
   * null where there is no file.
   */
  reopen(): (() => void) | null {
    if (this.#path === undefined) return null;
    const old = this.#fd;
    this.#fd = open(this.#path);
    return () => closeSync(old);
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'a');
  } catch (cause) {
    const { message } = cause as Error;
    throw new DragomanError('LOG_PATH', `--log-path ${path}: ${message}`, { cause });
  }
}
