// A plugin that leaks with every request, a million times: what the process grows by while instances are replaced.
// Run: node packages/filters/bench/leaking-plugin.ts [requests]

import { LeakingPlugin } from '../src/wasm/testing/leaking-plugin.ts';

const MEBIBYTE = 2 ** 20;
const SAMPLES = 10;
const requests = Number(process.argv[2] ?? 1_000_000);
const leaking = new LeakingPlugin({ leakBytes: 4096, memoryMib: 16 });
let errors = 0;
console.log('requests   RSS MiB   instances so far   errors');
for (let sample = 0; sample <= SAMPLES; sample++) {
  const rss = (process.memoryUsage.rss() / MEBIBYTE).toFixed(0);
  const instances = 1 + (leaking.stat('dragoman.plugin.leaking.recycled.memory') ?? 0);
  const done = String(Math.round((sample * requests) / SAMPLES));
  console.log(
    `${done.padStart(8)} ${rss.padStart(9)} ${String(instances).padStart(18)} ${String(errors).padStart(8)}`,
  );
  if (sample === SAMPLES) break;
  for (let i = 0; i < requests / SAMPLES; i++) {
    if (leaking.request() !== 'continue') errors++;
    // Requests of a proxy come from the event loop; memory of instances that are gone is given back there.
    if (i % 1000 === 999) await new Promise(resolve => setImmediate(resolve));
  }
}
process.exitCode = errors === 0 ? 0 : 1;
