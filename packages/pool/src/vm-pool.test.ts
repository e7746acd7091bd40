// Plugins on real threads: placement, what threads share, and threads that hang, die and are closed.
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { hostCall } from '@dragoman/abi';
import { ModuleBuilder, op } from '@dragoman/testkit';
import type { Passage, VmFailure } from '@dragoman/vm';
import { VmPool, type VmPoolOptions } from './vm-pool.ts';

const GET = { ':method': 'GET', ':path': '/', ':authority': 'example.org' };
const [POINTER, SIZE, CAS] = [16, 20, 24];
const EQUALS_ZERO = [0x45];

/**
 * Counts requests in a metric and shows what shared data it found before it stores its own. Loops for ever for a request
 * with x-loop, traps for one with x-trap, pauses for one with x-pause.
 */
function guest(): Buffer {
  const module = new ModuleBuilder();
  const texts: [number, string][] = [];
  let next = 1024;
  const text = (value: string): number[] => {
    texts.push([next, value]);
    next += value.length;
    return [...op.i32(next - value.length), ...op.i32(value.length)];
  };
  const calls = new Map(
    [
      'proxy_define_metric',
      'proxy_increment_metric',
      'proxy_get_shared_data',
      'proxy_set_shared_data',
      'proxy_get_header_map_value',
      'proxy_add_header_map_value',
    ].map(name => [name, module.importFunction('env', name, hostCall.get(name)!.type)]),
  );
  const call = (name: string, ...args: number[][]) => [...args.flat(), ...op.call(calls.get(name)!)];
  const slots = [op.i32(POINTER), op.i32(SIZE)];
  const header = (name: string) => call('proxy_get_header_map_value', op.i32(0), text(name), ...slots);
  const load = (at: number) => [...op.i32(at), ...op.load];
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(8192), 'malloc');
  const metric = call('proxy_define_metric', op.i32(0), text('requests'), op.i32(32));
  module.function('ii>i', [...metric, ...EQUALS_ZERO], 'proxy_on_configure');
  module.function(
    'iii>i',
    [
      ...call('proxy_increment_metric', load(32), op.i64(1)),
      ...op.drop,
      ...call('proxy_get_shared_data', text('key'), ...slots, op.i32(CAS)),
      ...op.drop,
      ...call('proxy_add_header_map_value', op.i32(0), text('x-shared'), load(POINTER), load(SIZE)),
      ...op.drop,
      ...call('proxy_set_shared_data', text('key'), text('stored'), op.i32(0)),
      ...op.drop,
      // Again and again as long as the header is there.
      ...[...op.loop, ...header('x-loop'), ...EQUALS_ZERO, ...op.branchIf(0), ...op.end],
      // if (x-trap) unreachable
      ...[...header('x-trap'), ...EQUALS_ZERO, 0x04, 0x40, ...op.unreachable, ...op.end],
      ...header('x-pause'),
      ...EQUALS_ZERO,
    ],
    'proxy_on_request_headers',
  );
  module.memory({ minimum: 1 });
  for (const [at, value] of texts) module.data(at, value);
  return module.build();
}

let pool: VmPool;
const failures: VmFailure[] = [];
async function open(options: VmPoolOptions = {}): Promise<VmPool> {
  failures.length = 0;
  pool = await VmPool.load(guest(), {
    concurrency: 2,
    onFailure: failure => failures.push(failure),
    ...options,
  });
  return pool;
}
afterEach(() => pool.close());

const ask = (headers: Record<string, string> = {}) =>
  pool.exchange().request({ headers: { ...GET, ...headers } });
const statusOf = (passage: Passage) =>
  passage.outcome === 'answer' ? passage.answer.status : passage.outcome;
const shared = (passage: Passage) =>
  passage.outcome === 'continue' && passage.headers?.find(([name]) => name === 'x-shared')?.[1];

describe('VmPool', () => {
  test('exchanges are spread over the threads, which share data and add up their metrics', async () => {
    await open();
    assert.deepEqual([pool.concurrency, pool.readyThreads, pool.readsRequestBody], [2, 2, false]);
    const first = pool.exchange();
    assert.equal(shared(await first.request({ headers: GET })), '');
    assert.equal(shared(await ask()), 'stored');
    assert.equal(shared(await ask()), 'stored');
    first.end();
    assert.deepEqual(
      (await pool.metrics()).map(({ name, value }) => [name, value]),
      [['requests', 3]],
    );
  });

  test('a body comes back as it is, also when it lies inside a bigger buffer', async () => {
    await open({ concurrency: 1 });
    const exchange = pool.exchange();
    const body = Buffer.from('hello world').subarray(6);
    const passage = await exchange.request({ headers: { ...GET, ':method': 'POST' }, body });
    assert.equal(passage.outcome === 'continue' && Buffer.from(passage.body).toString(), 'world');
  });

  test('a paused exchange keeps its thread free, and ends as closed', async () => {
    await open({ concurrency: 1 });
    const exchange = pool.exchange();
    const paused = exchange.request({ headers: { ...GET, 'x-pause': '1' } });
    assert.equal(statusOf(await ask()), 'continue');
    exchange.end();
    assert.equal((await paused).outcome, 'close');
    assert.equal((await exchange.response({ headers: { ':status': '200' } })).outcome, 'close');
  });

  test('an endless loop costs its request, not its thread; a trap too', async () => {
    await open({ concurrency: 1, limits: { requestMs: 100 } });
    assert.equal(statusOf(await ask({ 'x-loop': '1' })), 503);
    assert.equal(statusOf(await ask({ 'x-trap': '1' })), 503);
    assert.equal(statusOf(await ask()), 'continue');
    assert.deepEqual(
      failures.map(({ cause }) => cause),
      ['deadline', 'trap'],
    );
    assert.equal(pool.threadRestarts, 0);
  });

  test('a thread that hangs without limits is replaced, and its exchanges fail, while the other serves', async () => {
    const deaths: number[] = [];
    await open({ limits: false, stuckAfterMs: 250, onThreadDeath: index => deaths.push(index) });
    const hanging = ask({ 'x-loop': '1' });
    assert.equal(statusOf(await ask()), 'continue');
    assert.equal(statusOf(await hanging), 503);
    assert.equal(deaths.length, 1);
    // More than one thread can take: the last of them waits for none.
    const all = await Promise.all([ask(), ask(), ask(), ask()]);
    assert.deepEqual(all.map(statusOf), ['continue', 'continue', 'continue', 'continue']);
  });

  test('with its only thread being replaced an exchange waits; fail-open lets the one that was hit pass', async () => {
    await open({ concurrency: 1, limits: false, stuckAfterMs: 250, failurePolicy: 'open' });
    assert.equal(statusOf(await ask({ 'x-loop': '1' })), 'continue');
    assert.equal(shared(await ask()), 'stored');
    assert.equal(pool.threadRestarts, 1);
  });

  test('a later piece of an exchange whose thread was replaced fails', async () => {
    await open({ concurrency: 1, limits: false, stuckAfterMs: 250 });
    const exchange = pool.exchange();
    await exchange.request({ headers: GET });
    await ask({ 'x-loop': '1' });
    await ask();
    assert.equal(statusOf(await exchange.response({ headers: { ':status': '200' } })), 503);
  });

  test('a module that does not start is refused with the reason, and so is one that is none', async () => {
    await open();
    const module = new ModuleBuilder();
    module.function('>', [], 'proxy_abi_version_0_2_1');
    module.function('i>i', op.i32(0), 'malloc');
    module.function('ii>i', op.i32(0), 'proxy_on_configure');
    module.memory({ minimum: 1 });
    await assert.rejects(VmPool.load(module.build(), { name: 'p', concurrency: 1 }), {
      code: 'ERR_DRAGOMAN_WASM_START',
      message: 'plugin p (root id ""): proxy_on_configure returned false',
    });
    await assert.rejects(VmPool.load(Buffer.from('text')), { code: 'ERR_DRAGOMAN_WASM_MODULE' });
  });

  test('close ends what is under way, also while a thread hangs', async () => {
    await open({ concurrency: 1, limits: false });
    const hanging = ask({ 'x-loop': '1' });
    const waiting = pool.exchange().request({ headers: { ...GET, 'x-pause': '1' } });
    await pool.close();
    assert.deepEqual([statusOf(await hanging), statusOf(await waiting)], [503, 503]);
    assert.equal(statusOf(await ask()), 503);
  });
});
