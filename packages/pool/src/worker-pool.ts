// The main thread's hold on its workers: one Piscina pool, one endless task per thread, a line to each. A worker that
// dies is replaced while the others serve. What the workers do is the business of the program they are given.

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { type Clock, DragomanError, type Logger, silentLogger, systemClock } from '@dragoman/base';
import { Piscina } from 'piscina';
import type { Event, Reply, Request, ServeTask } from './messages.ts';
import { RestartBackoff } from './restart-backoff.ts';

export interface PoolOptions<Data> {
  /**
   * Module of the worker program: `export default function (channel: WorkerChannel): void | Promise<void>`.
   * It calls `channel.serve` and returns; the thread goes on living.
   */
  readonly entry: URL;
  /** Number of threads; fixed for the pool's life. */
  readonly concurrency: number;
  /** What a new thread gets (structured clone; shared buffers are shared). Called again for a replacement. */
  createData(workerIndex: number): Data;
  /** A thread is gone: its claims on shared memory are to be released. Called once for every createData. */
  releaseData?(workerIndex: number, data: Data): void;
  onEvent?(workerIndex: number, name: string, payload: unknown): void;
  /** A replacement has started and wants its configuration. */
  onReplaced?(workerIndex: number): void;
  /** A worker died; a replacement starts `delayMs` from now. */
  onDeath?(workerIndex: number, reason: Error, delayMs: number): void;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One thread's place in the pool; outlives the threads that fill it. */
class Seat<Data> {
  readonly backoff = new RestartBackoff();
  readonly pending = new Map<number, Pending>();
  generation = 0;
  /** Null while the place is empty. */
  port: MessagePort | null = null;
  data: Data | null = null;
  killer: AbortController | null = null;
  startedMs = 0;
}

/** Threads with a line to each. All methods are for the thread that made the pool. */
export class WorkerPool<Data = unknown> {
  readonly #options: PoolOptions<Data>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #piscina: Piscina;
  readonly #seats: Seat<Data>[];
  readonly #cancelRestarts = new Set<() => void>();
  #nextId = 1;
  #closing = false;
  #restarts = 0;

  /** Starts the threads; requests may be sent at once. */
  constructor(options: PoolOptions<Data>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    const extension = import.meta.filename.slice(-3);
    this.#piscina = new Piscina({
      filename: new URL(`./serve-task${extension}`, import.meta.url).href,
      minThreads: options.concurrency,
      maxThreads: options.concurrency,
      // 'sync' would block the thread between tasks, and its timers and sockets with it.
      atomics: 'disabled',
      recordTiming: false,
    });
    // Threads that die without a task are replaced by Piscina; without a listener the event would end the process.
    this.#piscina.on('error', error => this.#logger.log('error', 'main', `worker thread: ${String(error)}`));
    this.#seats = Array.from({ length: options.concurrency }, () => new Seat<Data>());
    for (let index = 0; index < options.concurrency; index++) this.#start(index);
  }

  get concurrency(): number {
    return this.#seats.length;
  }

  /** Workers replaced since the pool began. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Whether a thread holds this place now (it may still be starting). */
  isAlive(workerIndex: number): boolean {
    return this.#seats[workerIndex]!.port !== null;
  }

  /**
   * Asks one worker. Rejects with what its handler threw, or with ERR_DRAGOMAN_WORKER_DIED when the worker dies
   * before it has answered or its place is empty.
   */
  ask<Result>(workerIndex: number, name: string, payload: unknown = null): Promise<Result> {
    const seat = this.#seats[workerIndex]!;
    const port = seat.port;
    if (port === null) return Promise.reject(diedError(workerIndex));
    const id = this.#nextId++;
    return new Promise<Result>((resolve, reject) => {
      seat.pending.set(id, { resolve: resolve as Pending['resolve'], reject });
      port.postMessage({ type: 'request', id, name, payload } satisfies Request);
    });
  }

  /** Asks all workers that are alive; the results in order of the index, rejected ones as errors. */
  askAll<Result>(name: string, payload: unknown = null): Promise<PromiseSettledResult<Result>[]> {
    const alive = this.#seats.keys().filter(index => this.isAlive(index));
    return Promise.allSettled(alive.map(index => this.ask<Result>(index, name, payload)).toArray());
  }

  /** Ends one thread at once, whatever it is doing; a new one takes its place. */
  terminate(workerIndex: number): void {
    this.#seats[workerIndex]!.killer?.abort();
  }

  /** Ends all threads. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const cancel of this.#cancelRestarts) cancel();
    await this.#piscina.destroy();
  }

  #start(workerIndex: number): void {
    const seat = this.#seats[workerIndex]!;
    const { port1, port2 } = new MessageChannel();
    const data = this.#options.createData(workerIndex);
    const task: ServeTask = {
      entry: this.#options.entry.href,
      port: port2,
      workerIndex,
      generation: seat.generation++,
      data,
    };
    seat.port = port1;
    seat.data = data;
    seat.killer = new AbortController();
    seat.startedMs = this.#clock.nowMs();
    port1.on('message', (message: Reply | Event) => this.#receive(workerIndex, message));
    // The thread itself keeps the process alive.
    port1.unref();
    this.#piscina
      // Piscina's declarations derive the list's type from an older postMessage.
      .run(task, { transferList: [port2] as never, signal: seat.killer.signal })
      .catch((reason: Error) => this.#buried(workerIndex, reason));
  }

  #receive(workerIndex: number, message: Reply | Event): void {
    if (message.type === 'event') {
      this.#options.onEvent?.(workerIndex, message.name, message.payload);
      return;
    }
    const { pending } = this.#seats[workerIndex]!;
    const asker = pending.get(message.id);
    pending.delete(message.id);
    if (message.error === null) asker?.resolve(message.result);
    else asker?.reject(new DragomanError(message.error.code, message.error.message));
  }

  #buried(workerIndex: number, reason: Error): void {
    const seat = this.#seats[workerIndex]!;
    seat.port?.close();
    seat.port = null;
    this.#options.releaseData?.(workerIndex, seat.data as Data);
    seat.data = null;
    for (const { reject } of seat.pending.values()) reject(diedError(workerIndex, reason));
    seat.pending.clear();
    if (this.#closing) return;
    const delayMs = seat.backoff.delayMs(this.#clock.nowMs() - seat.startedMs);
    this.#options.onDeath?.(workerIndex, reason, delayMs);
    const cancel = this.#clock.after(delayMs, () => {
      this.#cancelRestarts.delete(cancel);
      this.#restarts++;
      this.#start(workerIndex);
      this.#options.onReplaced?.(workerIndex);
    });
    this.#cancelRestarts.add(cancel);
  }
}

function diedError(workerIndex: number, cause?: Error): DragomanError {
  const why = cause === undefined ? 'its place is empty' : cause.message;
  return new DragomanError('WORKER_DIED', `worker ${workerIndex}: ${why}`, { cause });
}
