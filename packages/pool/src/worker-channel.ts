// A worker's end of its line to the main thread: requests come in and are answered, events go out. Runs on the
// worker; the other end is in worker-pool.ts.

import type { MessagePort } from 'node:worker_threads';
import { DragomanError } from '@dragoman/base';
import type { Event, Reply, Request, ServeTask } from './messages.ts';

/** Answers one kind of request; what it returns or throws goes back to the asker. */
export type RequestHandler = (payload: never) => unknown;

/** What a worker program is given. */
export class WorkerChannel<Data = unknown> {
  readonly workerIndex: number;
  readonly generation: number;
  readonly data: Data;
  readonly #port: MessagePort;
  #handlers: Record<string, RequestHandler> = {};

  constructor(task: ServeTask) {
    this.workerIndex = task.workerIndex;
    this.generation = task.generation;
    this.data = task.data as Data;
    this.#port = task.port;
  }

  /** Serves requests by name until the thread ends. Requests sent earlier have waited in the port. */
  serve(handlers: Record<string, RequestHandler>): void {
    this.#handlers = handlers;
    this.#port.on('message', (request: Request) => void this.#answer(request));
  }

  /** Tells the main thread something; nothing comes back. */
  emit(name: string, payload: unknown = null): void {
    this.#port.postMessage({ type: 'event', name, payload } satisfies Event);
  }

  async #answer({ id, name, payload }: Request): Promise<void> {
    let reply: Reply;
    try {
      const handler = this.#handlers[name];
      if (handler === undefined) throw new Error(`this worker answers no "${name}"`);
      reply = { type: 'reply', id, result: await handler(payload as never), error: null };
    } catch (error) {
      const { code, message } = coded(error as Error);
      const parts = { code: code.slice('ERR_DRAGOMAN_'.length), message };
      reply = { type: 'reply', id, result: null, error: parts };
    }
    this.#port.postMessage(reply);
  }
}

/** Errors of Node and of plugins have codes of their own or none. */
function coded(error: Error & { code?: string }): Error & { code: string } {
  if (error.code?.startsWith('ERR_DRAGOMAN_')) return error as Error & { code: string };
  return new DragomanError('WORKER_REQUEST', error.message, { cause: error });
}
