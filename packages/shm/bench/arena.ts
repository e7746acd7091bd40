// Price of shared data and token bucket calls without contention, beside a Map of this thread's own.
// Run: node packages/shm/bench/arena.ts

import { Arena, SharedDataStore, SharedQueueStore, TokenBucket } from '../src/index.ts';

const ROUNDS = 200_000;
const arena = new Arena(Arena.create(), 1);
const data = new SharedDataStore(arena);
const queues = new SharedQueueStore(arena);
const bucket = new TokenBucket(
  TokenBucket.create({ maxTokens: 1e9, tokensPerFill: 1, fillIntervalMs: 1e6 }, 0),
);
const keys = Array.from({ length: 100 }, (_, i) => `key-${i}`);
const value = Buffer.alloc(64, 1);
const map = new Map(keys.map(key => [key, { value: Buffer.from(value), cas: 1 }]));
for (const key of keys) data.set('vm', key, value, 0);
const token = queues.register('vm', 'q');

const candidates: Record<string, (round: number) => void> = {
  'SharedDataStore.get': round => void data.get('vm', keys[round % 100]),
  'SharedDataStore.set': round => void data.set('vm', keys[round % 100], value, 0),
  'SharedQueueStore enqueue+dequeue': () => {
    queues.enqueue(token, value);
    queues.dequeue(token);
  },
  'TokenBucket.consume': round => void bucket.consume(1, round & 1023),
  'Map get and copy': round => void Buffer.from(map.get(keys[round % 100])!.value),
};

for (const [name, run] of Object.entries(candidates)) {
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < 5; repeat++) {
    const start = process.hrtime.bigint();
    for (let round = 0; round < ROUNDS; round++) run(round);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / ROUNDS);
  }
  console.log(`${name.padEnd(34)} ${best.toFixed(0)} ns`);
}
