// The pool with real threads: requests and events, workers that fail, die, hang and are replaced.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { EchoData } from './testing/echo-worker.ts';
import { type PoolOptions, WorkerPool } from './worker-pool.ts';

const ECHO = new URL('./testing/echo-worker.ts', import.meta.url);

let pool: WorkerPool<EchoData>;
let memory: SharedArrayBuffer;
let released: number[];
/** Resolves of promises that wait for a callback of the pool, by "name index". */
let waiting: Map<string, (value: unknown) => void>;

const next = (name: string): Promise<unknown> => new Promise(resolve => waiting.set(name, resolve));
const happened = (name: string, value: unknown) => waiting.get(name)?.(value);

/** A clock's `after` that waits for nothing but the event loop. */
function atOnce(_delayMs: number, run: () => void): () => void {
  setImmediate(run);
  return () => {};
}

/** Whether the answer still comes before the end is not said. */
function die(workerIndex: number): void {
  pool.ask(workerIndex, 'die').catch(() => {});
}

function open(overrides: Partial<PoolOptions<EchoData>> = {}): WorkerPool<EchoData> {
  pool = new WorkerPool({
    entry: ECHO,
    concurrency: 2,
    createData: () => ({ memory }),
    releaseData: index => released.push(index),
    onEvent: (index, name, payload) => happened(`${name} ${index}`, payload),
    onReplaced: index => happened(`replaced ${index}`, null),
    onDeath: (index, reason, delayMs) => happened(`death ${index}`, { reason: reason.message, delayMs }),
    ...overrides,
  });
  return pool;
}

beforeEach(() => {
  memory = new SharedArrayBuffer(16);
  released = [];
  waiting = new Map();
});
afterEach(() => pool.close());

test('each worker answers for itself and shares the memory it was given', async () => {
  open();
  assert.deepEqual(await pool.ask(0, 'who'), { workerIndex: 0, generation: 0 });
  assert.deepEqual(await pool.ask(1, 'who'), { workerIndex: 1, generation: 0 });
  await pool.ask(1, 'count');
  assert.equal(await pool.ask(1, 'count'), 2);
  assert.deepEqual([...new Int32Array(memory)], [0, 2, 0, 0]);
});

test('what a handler throws reaches the asker with its code, and the worker goes on', async () => {
  open();
  await assert.rejects(pool.ask(0, 'fail'), {
    code: 'ERR_DRAGOMAN_LISTENER_BIND',
    message: 'listener_0: address in use',
  });
  await assert.rejects(pool.ask(0, 'nonsense'), { code: 'ERR_DRAGOMAN_WORKER_REQUEST' });
  assert.equal(await pool.ask(0, 'echo', 'still here'), 'still here');
});

test('askAll collects successes and failures in order', async () => {
  open();
  const answers = await pool.askAll<{ workerIndex: number }>('who');
  assert.deepEqual(
    answers.map(answer => answer.status === 'fulfilled' && answer.value.workerIndex),
    [0, 1],
  );
});

test('events arrive with the index of their worker', async () => {
  open();
  const told = next('told 1');
  await pool.ask(1, 'tell', 'a plugin says hello');
  assert.equal(await told, 'a plugin says hello');
});

test('timers of an idle worker fire', async () => {
  open();
  assert.equal(await pool.ask(0, 'timer'), 'fired');
});

test('a worker that dies is replaced while the other serves', async () => {
  open();
  const [death, replaced] = [next('death 0'), next('replaced 0')];
  die(0);
  assert.deepEqual(await death, { reason: 'died as asked', delayMs: 0 });
  assert.equal(await pool.ask(1, 'echo', 'serving'), 'serving');
  await replaced;
  assert.deepEqual(released, [0]);
  assert.equal(pool.restarts, 1);
  assert.deepEqual(await pool.ask(0, 'who'), { workerIndex: 0, generation: 1 });
});

test('a hanging worker is ended by terminate, and its askers learn of it', async () => {
  open();
  const [hanging, replaced] = [next('hanging 0'), next('replaced 0')];
  const asked = assert.rejects(pool.ask(0, 'hang'), { code: 'ERR_DRAGOMAN_WORKER_DIED' });
  await hanging;
  pool.terminate(0);
  await asked;
  await replaced;
  assert.deepEqual(await pool.ask(0, 'who'), { workerIndex: 0, generation: 1 });
});

test('a program that cannot start is tried again after a growing wait, with its reason told', async () => {
  const delays: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const reasons = new Set<string>();
  open({
    concurrency: 1,
    entry: new URL('./testing/failing-worker.ts', import.meta.url),
    clock: { nowMs: () => 0, wallMs: () => 0, after: atOnce },
    onDeath(_index, reason, delayMs) {
      reasons.add(reason.message);
      if (delays.push(delayMs) === 3) resolve();
    },
  });
  await promise;
  assert.deepEqual(delays, [0, 250, 500]);
  assert.deepEqual([...reasons], ['no such plugin']);
});

test('an empty place rejects requests at once', async () => {
  open({ clock: { nowMs: () => 0, wallMs: () => 0, after: () => () => {} } });
  const death = next('death 0');
  die(0);
  await death;
  assert.equal(pool.isAlive(0), false);
  await assert.rejects(pool.ask(0, 'echo'), { code: 'ERR_DRAGOMAN_WORKER_DIED' });
});
