// Price of the stat lane's hot calls beside the obvious rivals: a Map of numbers and Atomics.
// Run: node packages/shm/bench/stats.ts

import { StatLane } from '../src/index.ts';

const ROUNDS = 20_000_000;
const lane = new StatLane(StatLane.create());
const counters = Int32Array.from({ length: 10 }, (_, i) => lane.counter(`cluster.app.counter_${i}`));
const histogram = lane.histogram('cluster.app.upstream_rq_time', 'ms');
const names = Array.from({ length: 10 }, (_, i) => `cluster.app.counter_${i}`);
const map = new Map(names.map(name => [name, 0]));
const atomics = new Int32Array(new SharedArrayBuffer(64));

const candidates: Record<string, (rounds: number) => void> = {
  'StatLane.inc'(rounds) {
    for (let i = 0; i < rounds; i++) lane.inc(counters[i % 10]);
  },
  'StatLane.record'(rounds) {
    for (let i = 0; i < rounds; i++) lane.record(histogram, i & 1023);
  },
  'Map of numbers'(rounds) {
    for (let i = 0; i < rounds; i++) map.set(names[i % 10], map.get(names[i % 10])! + 1);
  },
  'Atomics.add'(rounds) {
    for (let i = 0; i < rounds; i++) Atomics.add(atomics, i % 10, 1);
  },
};

for (const [name, run] of Object.entries(candidates)) {
  run(100_000);
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < 5; repeat++) {
    const start = process.hrtime.bigint();
    run(ROUNDS / 10);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / (ROUNDS / 10));
  }
  console.log(`${name.padEnd(18)} ${best.toFixed(2)} ns`);
}
