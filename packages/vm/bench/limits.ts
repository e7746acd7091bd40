// Price of the limits of time and memory: requests through plugins compiled as they are and compiled as limited, in turns,
// on one thread with a watchdog over it. Each plugin gets as much of a request as it has callbacks for.
// Run: node packages/vm/bench/limits.ts plugin.wasm[:root id[:configuration]] ...

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  compileModuleSync,
  Guard,
  HeaderList,
  LocalStream,
  localHost,
  type RootContext,
  Vm,
  WatchdogThread,
} from '../src/index.ts';

const EXAMPLE = fileURLToPath(new URL('../../../examples/plugins/c-header/c-header.wasm', import.meta.url));
const ROUNDS = 25;
const ROUND_MS = 20;
const WARM_UP_MS = 400;
const BODY = JSON.stringify({ items: Array.from({ length: 50 }, (_, id) => ({ id, name: `item ${id}` })) });

const watchdog = new WatchdogThread();
const guard = new Guard();
watchdog.watch(0, guard.memory);

function start(path: string, limited: boolean): RootContext {
  const [file, rootId = '', configuration = ''] = path.split(':');
  const module = compileModuleSync(readFileSync(file), { limited });
  const vm = Vm.start(module, { ...localHost(), guard });
  return vm.startRoot({ name: basename(file), rootId, configuration: Buffer.from(configuration) });
}

function request(root: RootContext): void {
  const stream = new LocalStream(root);
  stream.request(
    HeaderList.from({ ':method': 'POST', ':path': '/', ':authority': 'example.org', 'user-agent': 'bench' }),
    BODY,
  );
  stream.response(HeaderList.from({ ':status': '200', 'content-type': 'application/json' }), BODY);
  stream.end();
  if (root.vm.failure !== null) throw new Error(`the plugin died: ${root.vm.failure.reason}`);
}

/** Microseconds per request. */
function measure(root: RootContext, forMs: number): number {
  const startMs = performance.now();
  let requests = 0;
  while (performance.now() - startMs < forMs) {
    for (let i = 0; i < 10; i++) request(root);
    requests += 10;
  }
  return ((performance.now() - startMs) * 1000) / requests;
}

function priceOfArming(): number {
  const COUNT = 1_000_000;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const startMs = performance.now();
    for (let i = 0; i < COUNT; i++) {
      guard.enter(50);
      guard.leave();
    }
    best = Math.min(best, ((performance.now() - startMs) * 1e6) / COUNT);
  }
  return best;
}

console.log(`enter and leave of a guard: ${priceOfArming().toFixed(1)} ns`);
console.log('plugin                        as it is, us   limited, us   more');
const plugins = process.argv.length > 2 ? process.argv.slice(2) : [EXAMPLE];
for (const path of plugins) {
  const roots = [start(path, false), start(path, true)] as const;
  for (const root of roots) measure(root, WARM_UP_MS);
  const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < ROUNDS; round++)
    for (const which of [0, 1] as const) best[which] = Math.min(best[which], measure(roots[which], ROUND_MS));
  const [plain, limited] = best as [number, number];
  const name = basename(path.split(':')[0]).padEnd(28);
  const more = `${((limited / plain - 1) * 100).toFixed(1)} %`;
  console.log(
    `${name} ${plain.toFixed(2).padStart(13)} ${limited.toFixed(2).padStart(13)} ${more.padStart(8)}`,
  );
}
await watchdog.close();
