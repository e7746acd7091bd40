import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { type Clock, silentLogger, systemClock } from '@dragoman/base';
import type { RemoteDataSource } from '@dragoman/config';
import { ResponseHeaders } from '@dragoman/http';
import type { AsyncRequest } from '@dragoman/proxy';
import { StatLane, StatTable } from '@dragoman/shm';
import { RemoteCode } from './remote-code.ts';

const CODE = Buffer.from('code');
const SHA256 = createHash('sha256').update(CODE).digest('hex');
const source = (fields: object = {}): RemoteDataSource => ({
  sha256: SHA256,
  httpUri: { uri: 'http://code.test:81/p.wasm?v=1', cluster: 'code', timeout: 500 },
  ...fields,
});

/** A cluster "code" that gives these answers in turn; waits end at once. */
function remote(...answers: [status: number, body: Buffer | string][]) {
  const requests: AsyncRequest[] = [];
  const delays: number[] = [];
  let nowMs = 0;
  const clock: Clock = {
    ...systemClock,
    nowMs: () => nowMs,
    after: (delayMs, callback) => {
      delays.push(delayMs);
      setImmediate(callback);
      return () => {};
    },
  };
  const memory = StatLane.create();
  const table = new StatTable();
  table.addLane(memory);
  const code = new RemoteCode({
    lane: new StatLane(memory),
    clock,
    logger: silentLogger,
    random: () => 0.5,
    send: async (cluster, request) => {
      if (cluster !== 'code') return undefined;
      requests.push(request);
      const [status, body] = answers.shift()!;
      const headers = ResponseHeaders.fromPairs([':status', String(status)]);
      return { headers, body: Buffer.from(body as string), trailers: null, local: false };
    },
  });
  const stat = (name: string) => {
    table.refresh();
    return table.value(`wasm.remote_load_${name}`);
  };
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { code, requests, delays, stat, pass };
}

describe('remote code', () => {
  test('is asked for with the host and path of its address, and kept under its sha256', async () => {
    const { code, requests, stat } = remote([200, CODE]);
    assert.deepEqual(await code.load(source()), CODE);
    assert.deepEqual(await code.load(source({ sha256: SHA256.toUpperCase() })), CODE);
    const { headers, timeoutMs } = requests[0]!;
    assert.deepEqual(
      [headers.method, headers.authority, headers.path, timeoutMs, requests.length],
      ['GET', 'code.test:81', '/p.wasm?v=1', 500, 1],
    );
    assert.deepEqual([stat('cache_misses'), stat('cache_hits'), stat('fetch_successes')], [1, 1, 1]);
  });

  test('is tried once more by default, and as often as retry_policy says with growing waits', async () => {
    const once = remote([503, 'busy'], [200, CODE]);
    assert.deepEqual(await once.code.load(source()), CODE);
    assert.deepEqual(once.delays, [500]);
    const often = remote([503, ''], [503, ''], [503, ''], [200, CODE]);
    const retryPolicy = { numRetries: 3, retryBackOff: { baseInterval: 100, maxInterval: 300 } };
    assert.deepEqual(await often.code.load(source({ retryPolicy })), CODE);
    assert.deepEqual(often.delays, [50, 100, 150]);
  });

  test('with another sha256 is an error that names both', async () => {
    const { code, stat } = remote([200, 'other'], [200, 'other']);
    const other = createHash('sha256').update('other').digest('hex');
    await assert.rejects(
      code.load(source()),
      new RegExp(`sha256 ${other}, the configuration says ${SHA256}`),
    );
    assert.deepEqual([stat('fetch_failures'), stat('cache_entries')], [1, 1]);
  });

  test('a failure is remembered for ten seconds', async () => {
    const { code, pass, stat } = remote([404, ''], [404, ''], [200, CODE]);
    await assert.rejects(code.load(source()), /2 attempts: it was answered with 404/);
    await assert.rejects(code.load(source()));
    assert.equal(stat('cache_negative_hits'), 1);
    pass(10_000);
    assert.deepEqual(await code.load(source()), CODE);
  });

  test('of a cluster that does not exist', async () => {
    const { code } = remote();
    const httpUri = { uri: 'http://a/', cluster: 'none', timeout: 1 };
    await assert.rejects(code.load(source({ httpUri })), /there is no cluster none/);
  });
});
