// Files that access logs are written to: appended, buffered, flushed by a timer or when enough has gathered. One writer
// per path and worker; a failed write is counted and never reaches a request.

import { closeSync, openSync, write, writeSync } from 'node:fs';
import { DragomanError, type Logger, silentLogger } from '@dragoman/base';
import type { StatLane } from '@dragoman/shm';

/** A write begins at once when this much has gathered (Envoy: 64 KiB). */
const FLUSH_BYTES = 64 * 1024;
/** What a stuck disk may make us hold back per file; further lines are dropped and counted as failed. */
const LIMIT_BYTES = 16 * 1024 * 1024;

/** Slots of `filesystem.*`. */
class FilesystemStats {
  readonly lane: StatLane;
  readonly writeBuffered: number;
  readonly writeCompleted: number;
  readonly writeFailed: number;
  readonly flushedByTimer: number;
  readonly reopenFailed: number;
  readonly writeTotalBuffered: number;

  constructor(lane: StatLane) {
    this.lane = lane;
    this.writeBuffered = lane.counter('filesystem.write_buffered');
    this.writeCompleted = lane.counter('filesystem.write_completed');
    this.writeFailed = lane.counter('filesystem.write_failed');
    this.flushedByTimer = lane.counter('filesystem.flushed_by_timer');
    this.reopenFailed = lane.counter('filesystem.reopen_failed');
    this.writeTotalBuffered = lane.gauge('filesystem.write_total_buffered');
  }
}

/** Standard output and error are the process's own descriptors: they may be sockets or pipes, which open() refuses. */
const STANDARD_STREAMS: Readonly<Record<string, number>> = { '/dev/stdout': 1, '/dev/stderr': 2 };

export class LogFile {
  readonly path: string;
  readonly #stats: FilesystemStats;
  #descriptor: number;
  readonly #owned: boolean;
  /** Lines that wait, as one byte string. */
  #text = '';
  /** What is being written now. */
  #writing: Buffer | null = null;
  #written = 0;
  #reopenAsked = false;
  #closed = false;
  readonly #logger: Logger;
  #failing = false;

  constructor(path: string, stats: FilesystemStats, logger: Logger) {
    this.#logger = logger;
    this.path = path;
    this.#stats = stats;
    this.#owned = STANDARD_STREAMS[path] === undefined;
    this.#descriptor = this.#owned ? openLog(path) : STANDARD_STREAMS[path];
  }

  /** Takes a byte string; line ends are the caller's. */
  write(text: string): void {
    const { lane } = this.#stats;
    if (this.#closed || this.#text.length + text.length > LIMIT_BYTES) {
      lane.inc(this.#stats.writeFailed);
      return;
    }
    this.#text += text;
    lane.inc(this.#stats.writeBuffered);
    lane.gaugeAdd(this.#stats.writeTotalBuffered, text.length);
    if (this.#text.length >= FLUSH_BYTES) this.flush();
  }

  /** True when lines wait. */
  get pending(): boolean {
    return this.#text !== '';
  }

  /** True when nothing waits and nothing is being written. */
  get idle(): boolean {
    return this.#text === '' && this.#writing === null;
  }

  /** Begins to write what has gathered, unless a write is under way: then that one goes on with it. */
  flush(): void {
    if (this.#writing !== null || this.#closed) return;
    if (this.#reopenAsked) this.#reopen();
    if (this.#text === '') return;
    this.#writing = Buffer.from(this.#text, 'latin1');
    this.#text = '';
    this.#written = 0;
    this.#writeRest();
  }

  /** The file is opened anew before the next write: log rotation has moved it. */
  reopen(): void {
    if (this.#owned) this.#reopenAsked = true;
    this.flush();
  }

  /** Writes what is left, at once, and lets go of the file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const rest =
      this.#writing === null ? this.#text : this.#writing.toString('latin1', this.#written) + this.#text;
    this.#stats.lane.gaugeSub(this.#stats.writeTotalBuffered, rest.length);
    this.#text = '';
    this.#writing = null;
    try {
      if (rest !== '') writeSync(this.#descriptor, Buffer.from(rest, 'latin1'));
      if (this.#owned) closeSync(this.#descriptor);
    } catch {
      this.#stats.lane.inc(this.#stats.writeFailed);
    }
  }

  #writeRest(): void {
    const bytes = this.#writing;
    if (bytes === null) return;
    write(this.#descriptor, bytes, this.#written, bytes.length - this.#written, null, this.#onWritten);
  }

  readonly #onWritten = (error: NodeJS.ErrnoException | null, count: number): void => {
    const bytes = this.#writing;
    if (bytes === null) return;
    const { lane } = this.#stats;
    if (error !== null && error.code !== 'EAGAIN') {
      lane.inc(this.#stats.writeFailed);
      this.#written = bytes.length;
      this.#onFailure(error);
    } else if (error === null) {
      this.#written += count;
      this.#failing = false;
      lane.inc(this.#stats.writeCompleted);
    }
    if (this.#written < bytes.length) {
      this.#writeRest();
      return;
    }
    lane.gaugeSub(this.#stats.writeTotalBuffered, bytes.length);
    this.#writing = null;
    if (this.#text.length >= FLUSH_BYTES || this.#reopenAsked) this.flush();
  };

  #onFailure(error: NodeJS.ErrnoException): void {
    if (this.#failing) return;
    this.#failing = true;
    this.#logger.log('error', 'file', `access log ${this.path}: ${error.message}; lines are lost`);
  }

  #reopen(): void {
    this.#reopenAsked = false;
    try {
      const next = openLog(this.path);
      closeSync(this.#descriptor);
      this.#descriptor = next;
    } catch {
      this.#stats.lane.inc(this.#stats.reopenFailed);
    }
  }
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o644);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    throw new DragomanError('ACCESS_LOG', `unable to open file '${path}': ${code}`, { cause });
  }
}

export interface LogFilesOptions {
  readonly lane: StatLane;
  /** How long lines may wait in memory (`--file-flush-interval-msec`). */
  readonly flushIntervalMs: number;
  /** Hears of a file that cannot be written, once per file until a write succeeds. */
  readonly logger?: Logger;
}

/** All log files of one worker. */
export class LogFiles {
  readonly #stats: FilesystemStats;
  readonly #files = new Map<string, LogFile>();
  readonly #timer: NodeJS.Timeout;
  readonly #logger: Logger;

  constructor(options: LogFilesOptions) {
    this.#stats = new FilesystemStats(options.lane);
    this.#logger = options.logger ?? silentLogger;
    this.#timer = setInterval(() => this.#flushByTimer(), options.flushIntervalMs);
    this.#timer.unref();
  }

  /** The writer of a path, opened on first use; @throws DragomanError ACCESS_LOG when it cannot be opened. */
  open(path: string): LogFile {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = new LogFile(path, this.#stats, this.#logger);
      this.#files.set(path, file);
    }
    return file;
  }

  flush(): void {
    for (const file of this.#files.values()) file.flush();
  }

  /** After log rotation (SIGUSR1, /reopen_logs). */
  reopen(): void {
    for (const file of this.#files.values()) file.reopen();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  #flushByTimer(): void {
    for (const file of this.#files.values()) {
      if (!file.pending) continue;
      this.#stats.lane.inc(this.#stats.flushedByTimer);
      file.flush();
    }
  }
}
