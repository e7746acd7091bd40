// A million short callbacks, once under the watchdog with the deadline of requests, once with a thread that shoots at random
// at whatever call it sees: none may die that was not meant.
// Run: node packages/vm/bench/short-callbacks.ts [calls]

import { readFileSync } from 'node:fs';
import {
  compileModuleSync,
  DEFAULT_DEADLINES,
  Guard,
  HeaderList,
  LocalStream,
  localHost,
  Vm,
  WatchdogThread,
} from '../src/index.ts';
import { randomFire } from '../src/limits/testing/random-fire.ts';

const PLUGIN = new URL('../../../examples/plugins/c-header/c-header.wasm', import.meta.url);
const calls = Number(process.argv[2] ?? 1_000_000);

const fire = await randomFire(calls);
console.log(
  `under random fire: ${fire.calls} calls, ${fire.shots} shots, ${fire.killed} hit, ${fire.wrong} wrong`,
);

const watchdog = new WatchdogThread();
const guard = new Guard();
watchdog.watch(0, guard.memory);
const vm = Vm.start(compileModuleSync(readFileSync(PLUGIN), { limited: true }), { ...localHost(), guard });
const root = vm.startRoot({ name: 'c-header', rootId: '', configuration: Buffer.alloc(0) });
let requests = 0;
for (; requests < calls && vm.failure === null; requests++) {
  const stream = new LocalStream(root);
  stream.request(HeaderList.from({ ':method': 'GET', ':path': '/', ':authority': 'a' }));
  stream.response(HeaderList.from({ ':status': '200' }));
  stream.end();
  if (requests % 10_000 === 0) await new Promise(resolve => setImmediate(resolve));
}
const { requestMs } = DEFAULT_DEADLINES;
console.log(
  `under a watchdog with ${requestMs} ms: ${requests} requests, ${vm.failure?.reason ?? 'none died'}`,
);
await watchdog.close();
process.exitCode = fire.wrong === 0 && vm.failure === null ? 0 : 1;
