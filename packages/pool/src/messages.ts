// What travels over the port between the main thread and one worker. Everything here must survive a structured clone.

import type { MessagePort } from 'node:worker_threads';

/** What the pool hands to a thread: the program to run and what it works with. */
export interface ServeTask {
  /** URL of the module whose default export serves. */
  readonly entry: string;
  readonly port: MessagePort;
  readonly workerIndex: number;
  /** How many threads held this index before: 0 for the first. */
  readonly generation: number;
  /** What the application gave this thread (PoolOptions.createData). */
  readonly data: unknown;
}

export interface Request {
  readonly type: 'request';
  readonly id: number;
  readonly name: string;
  readonly payload: unknown;
}

export interface Reply {
  readonly type: 'reply';
  readonly id: number;
  readonly result: unknown;
  readonly error: ReplyError | null;
}

/** Errors lose their class and their code in a structured clone, so they travel by their parts. */
export interface ReplyError {
  /** Without the prefix ERR_DRAGOMAN_. */
  readonly code: string;
  readonly message: string;
}

export interface Event {
  readonly type: 'event';
  readonly name: string;
  readonly payload: unknown;
}
