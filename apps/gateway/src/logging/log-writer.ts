// The application's Logger: lines go to a file descriptor at once and from the thread that says them, so that the last
// words of a dying worker are not lost. Access logs are written elsewhere.

import { writeSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { type Clock, type Logger, type LogLevel, systemClock } from '@dragoman/base';
import { LogFormat } from './log-format.ts';
import { LogLevels, type LogLevelTable } from './log-levels.ts';

/** What a thread needs to log like the others; can be posted. */
export interface LogSettings {
  /** 2, or that of the file of --log-path. */
  readonly fd: number;
  readonly format: string;
  readonly formatEscaped: boolean;
  readonly levels: LogLevelTable;
}

/** A pipe whose reader is slow must not stop the proxy: after this many refusals the line is dropped. */
const FULL_PIPE_ATTEMPTS_MAX = 20;

export class LogWriter implements Logger {
  readonly levels: LogLevels;
  readonly #format: LogFormat;
  readonly #settings: LogSettings;
  readonly #clock: Clock;
  #fd: number;

  constructor(settings: LogSettings, clock: Clock = systemClock) {
    this.levels = new LogLevels(settings.levels);
    this.#format = new LogFormat(settings.format, settings.formatEscaped);
    this.#settings = settings;
    this.#clock = clock;
    this.#fd = settings.fd;
  }

  enabled(level: LogLevel, component: string): boolean {
    return this.levels.enabled(level, component);
  }

  log(level: LogLevel, component: string, message: string): void {
    if (!this.levels.enabled(level, component)) return;
    const time = new Date(this.#clock.wallMs());
    this.#write(this.#format.line({ time, level, component, message, threadId }));
  }

  /** Goes on in another file; the old descriptor is the caller's to close. */
  redirect(fd: number): void {
    this.#fd = fd;
  }

  /** For a thread that starts now. */
  get settings(): LogSettings {
    return { ...this.#settings, fd: this.#fd, levels: this.levels.table };
  }

  #write(line: string): void {
    const bytes = Buffer.from(line);
    let written = 0;
    for (let attempt = 0; written < bytes.length && attempt < FULL_PIPE_ATTEMPTS_MAX; attempt++) {
      try {
        written += writeSync(this.#fd, bytes, written);
      } catch (error) {
        // Nobody is left to be told that the log cannot be written.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      }
    }
  }
}
