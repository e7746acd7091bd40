// Short calls into a guest while another thread shoots at random at whatever call it sees: which calls were hit, and whether
// a call died that nobody had shot at. For tests and benchmarks only.

import { Worker } from 'node:worker_threads';
import { ModuleBuilder, op } from '@dragoman/testkit';
import { Guard } from '../guard.ts';
import { LIMITS_MODULE } from '../module-rewriter/declarations.ts';
import { KILL_WORD_IMPORT, KillWordLayout } from '../module-rewriter/inserted-code.ts';
import { rewriteModule } from '../module-rewriter/module-rewriter.ts';

export interface FireReport {
  readonly calls: number;
  readonly shots: number;
  /** Calls that ended by a shot. */
  readonly killed: number;
  /** Calls that died though nobody had shot at them. */
  readonly wrong: number;
}

/** `(loop (br_if 0 (local.tee 0 (i32.add (local.get 0) (i32.const -1)))))`: as many checks as the argument says. */
function shortLoop(): Uint8Array {
  const module = new ModuleBuilder();
  const countDown = [...op.get(0), ...op.i32(-1), ...op.add, ...op.tee(0), ...op.branchIf(0)];
  module.function('i>', [...op.loop, ...countDown, ...op.end], 'run');
  return module.build();
}

/** What the other thread does: see a call, wait for a moment, shoot at the call it has seen. */
const SHOOTER = `
  import { workerData } from 'node:worker_threads';
  const { words, hits, state, killed, index } = workerData;
  let seed = 1;
  Atomics.store(state, 0, 1);
  Atomics.notify(state, 0);
  while (Atomics.load(state, 0) === 1) {
    const call = Atomics.load(words, index);
    if (call <= 0) continue;
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    for (let wait = seed % 200; wait > 0; wait--) Atomics.load(words, index + 1);
    // Noted first: the call may die of it at once.
    const bit = 1 << (call & 31);
    Atomics.or(hits, call >>> 5, bit);
    if (Atomics.compareExchange(words, index, call, call | killed) === call) Atomics.add(state, 1, 1);
    else Atomics.and(hits, call >>> 5, ~bit);
  }
  Atomics.store(state, 0, 3);
  Atomics.notify(state, 0);`;

export async function randomFire(calls: number): Promise<FireReport> {
  const guard = new Guard();
  const words = new Int32Array(guard.memory.buffer);
  const hits = new Int32Array(new SharedArrayBuffer(4 * ((calls >>> 5) + 2)));
  /** Of the shooter (1: it runs, 2: it is to stop, 3: it has stopped), and the shots. */
  const state = new Int32Array(new SharedArrayBuffer(8));
  const module = new WebAssembly.Module(rewriteModule(shortLoop()).bytes);
  const imports = { [LIMITS_MODULE]: { [KILL_WORD_IMPORT]: guard.memory } };
  const { run } = new WebAssembly.Instance(module, imports).exports as { run: (checks: number) => void };
  const shooter = new Worker(new URL(`data:text/javascript,${encodeURIComponent(SHOOTER)}`), {
    workerData: { words, hits, state, killed: -0x8000_0000, index: KillWordLayout.CallNumber / 4 },
  });
  await Atomics.waitAsync(state, 0, 0).value;
  let killed = 0;
  let wrong = 0;
  for (let call = 1; call <= calls; call++) {
    guard.enter(0);
    let died = false;
    try {
      run(call % 100);
    } catch {
      died = true;
    }
    guard.leave();
    if (!died) continue;
    killed++;
    if ((Atomics.load(hits, call >>> 5) & (1 << (call & 31))) === 0) wrong++;
  }
  Atomics.store(state, 0, 2);
  await Atomics.waitAsync(state, 0, 2).value;
  await shooter.terminate();
  return { calls, shots: state[1], killed, wrong };
}
