// Tests of the shared token bucket.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { TokenBucket } from './token-bucket.ts';

test('fills by whole intervals, up to the maximum', () => {
  const bucket = new TokenBucket(
    TokenBucket.create({ maxTokens: 3, tokensPerFill: 2, fillIntervalMs: 100 }, 1000),
  );
  assert.deepEqual(
    [1, 1, 1, 1].map(count => bucket.consume(count, 1000)),
    [true, true, true, false],
  );
  assert.equal(bucket.remaining(1099), 0);
  assert.equal(bucket.nextFillMs(1099), 1);
  assert.equal(bucket.remaining(1100), 2);
  assert.equal(bucket.consume(3, 1150), false);
  assert.equal(bucket.remaining(5000), 3);
  assert.equal(bucket.remaining(4000), 3);
});

test('never more than the maximum plus the fills', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ count: fc.integer({ min: 1, max: 5 }), ms: fc.nat(50) })), steps => {
      const bucket = new TokenBucket(
        TokenBucket.create({ maxTokens: 4, tokensPerFill: 1, fillIntervalMs: 10 }, 0),
      );
      let nowMs = 0;
      let taken = 0;
      for (const { count, ms } of steps) {
        nowMs += ms;
        if (bucket.consume(count, nowMs)) taken += count;
        assert.ok(taken <= 4 + Math.floor(nowMs / 10));
      }
    }),
  );
});

test('threads together take what there is and no more', async () => {
  const memory = TokenBucket.create({ maxTokens: 10_000, tokensPerFill: 1, fillIntervalMs: 1e9 }, 0);
  const source = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { TokenBucket } = await import(${JSON.stringify(new URL('./token-bucket.ts', import.meta.url).href)});
    const bucket = new TokenBucket(workerData);
    let taken = 0;
    for (let i = 0; i < 8000; i++) if (bucket.consume(1, 1)) taken++;
    parentPort.postMessage(taken);`;
  const taken = await Promise.all(
    [0, 1].map(
      () =>
        new Promise<number>((resolve, reject) => {
          const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
          new Worker(url, { workerData: memory }).once('message', resolve).once('error', reject);
        }),
    ),
  );
  assert.equal(taken[0] + taken[1], 10_000);
});

test('nonsense is refused', () => {
  for (const wrong of [
    { maxTokens: 0 },
    { tokensPerFill: 0 },
    { fillIntervalMs: 0 },
    { maxTokens: Number.NaN },
  ])
    assert.throws(
      () => TokenBucket.create({ maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1, ...wrong }, 0),
      {
        code: 'ERR_DRAGOMAN_TOKEN_BUCKET',
      },
    );
});
