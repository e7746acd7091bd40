// Tests of the arena and the stores in it: against simple models, between threads, and with threads that die.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { Arena, type ArenaMemory } from './arena.ts';
import { RemoveResult, SetResult, SharedDataStore } from './shared-data.ts';
import { EnqueueResult, SharedQueueStore } from './shared-queues.ts';

const bytes = (text: string): Buffer => Buffer.from(text);
const text = (value: Uint8Array | null | undefined): string | null | undefined =>
  value === null || value === undefined ? value : Buffer.from(value).toString();

function stores(options: Parameters<typeof Arena.create>[0] = { heapBytes: 1 << 16 }) {
  const arena = new Arena(Arena.create(options), 1);
  return { arena, data: new SharedDataStore(arena), queues: new SharedQueueStore(arena) };
}

/** Runs module code in a worker with `arena`, `data`, `queues` and `workerData` at hand. */
function worker(memory: ArenaMemory, owner: number, code: string, more: object = {}): Worker {
  const url = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);
  const source = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { Arena } = await import(${url('./arena.ts')});
    const { SharedDataStore } = await import(${url('./shared-data.ts')});
    const { SharedQueueStore } = await import(${url('./shared-queues.ts')});
    const arena = new Arena(workerData.memory, workerData.owner);
    const data = new SharedDataStore(arena);
    const queues = new SharedQueueStore(arena);
    ${code}`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: { memory, owner, ...more },
  });
}

const ended = (thread: Worker): Promise<void> =>
  new Promise((resolve, reject) => thread.once('exit', () => resolve()).once('error', reject));

test('set and get, compare-and-set, absence and emptiness', () => {
  const { data } = stores();
  assert.equal(data.get('vm', 'k'), null);
  assert.equal(data.set('vm', 'k', bytes('one'), 0), SetResult.OK);
  const first = data.get('vm', 'k')!;
  assert.equal(text(first.value), 'one');
  assert.notEqual(first.cas, 0);
  assert.equal(data.set('vm', 'k', bytes('two'), first.cas), SetResult.OK);
  assert.equal(data.set('vm', 'k', bytes('three'), first.cas), SetResult.CAS_MISMATCH);
  assert.equal(text(data.get('vm', 'k')!.value), 'two');
  assert.equal(data.set('vm', 'absent', bytes('x'), 77), SetResult.OK);
  assert.equal(data.set('vm', 'k', bytes(''), 0), SetResult.OK);
  assert.equal(data.get('vm', 'k')!.value.length, 0);
  assert.equal(data.get('other', 'k'), null);
  assert.equal(data.get('', 'k'), null);
});

test('a budget covers keys, values and queued items of one namespace', () => {
  const { data, queues } = stores({ heapBytes: 1 << 16, namespaceLimitBytes: 1000 });
  assert.equal(data.set('vm', 'k', Buffer.alloc(900), 0), SetResult.OK);
  assert.equal(data.set('vm', 'more', Buffer.alloc(100), 0), SetResult.OVER_BUDGET);
  assert.equal(data.get('vm', 'more'), null);
  assert.equal(data.set('vm', 'k', Buffer.alloc(901 + 100), 0), SetResult.OVER_BUDGET);
  assert.equal(data.get('vm', 'k')!.value.length, 900);
  const queue = queues.register('vm', 'q');
  assert.equal(queues.enqueue(queue, Buffer.alloc(200)), EnqueueResult.OVER_BUDGET);
  assert.equal(data.set('other', 'k', Buffer.alloc(900), 0), SetResult.OK);
  assert.equal(data.setPolicy('vm', { limitBytes: 5000 }), true);
  assert.equal(queues.enqueue(queue, Buffer.alloc(200)), EnqueueResult.OK);
  assert.deepEqual(data.usage('vm'), { usedBytes: 1 + 64 + 900 + 1 + 200 + 16, limitBytes: 5000 });
  assert.deepEqual(data.namespaces(), [
    { name: 'other', usedBytes: 1 + 64 + 900, limitBytes: 1000 },
    { name: 'vm', ...data.usage('vm') },
  ]);
});

test('a full heap refuses and stays usable', () => {
  const { data, queues } = stores({ heapBytes: 1 << 14, namespaceLimitBytes: 1 << 30 });
  let stored = 0;
  while (data.set('vm', `k${stored}`, Buffer.alloc(500), 0) === SetResult.OK) stored++;
  assert.ok(stored > 10 && stored < 32, `${stored}`);
  assert.equal(queues.enqueue(queues.register('vm', 'q'), Buffer.alloc(9000)), EnqueueResult.HEAP_FULL);
  for (let i = 0; i < stored; i++) assert.equal(data.remove('vm', `k${i}`), RemoveResult.OK);
  assert.equal(data.set('vm', 'big', Buffer.alloc(3000), 0), SetResult.OK);
});

test('queues keep order, tokens and limits', () => {
  const arena = new Arena(Arena.create({ heapBytes: 1 << 16 }), 1);
  const queues = new SharedQueueStore(arena, 2);
  const token = queues.register('vm', 'q');
  assert.equal(token, 1);
  assert.equal(queues.register('vm', 'q'), token);
  assert.equal(queues.register('other', 'q'), 2);
  assert.equal(queues.resolve('vm', 'q'), token);
  assert.equal(queues.resolve('vm', 'nope'), 0);
  assert.equal(queues.enqueue(99, bytes('x')), EnqueueResult.UNKNOWN_TOKEN);
  assert.equal(queues.dequeue(99), undefined);
  assert.equal(queues.dequeue(token), null);
  assert.equal(queues.enqueue(token, bytes('a')), EnqueueResult.OK);
  assert.equal(queues.enqueue(token, bytes('')), EnqueueResult.OK);
  assert.equal(queues.enqueue(token, bytes('c')), EnqueueResult.QUEUE_FULL);
  assert.deepEqual(queues.takeNotices(), [{ token, count: 2 }]);
  assert.deepEqual(queues.takeNotices(), []);
  assert.deepEqual(
    [1, 2, 3].map(() => text(queues.dequeue(token))),
    ['a', '', null],
  );
});

test('a dropped namespace leaves nothing behind', () => {
  const { arena, data, queues } = stores();
  const before = arena.freeBytes;
  for (let i = 0; i < 50; i++) data.set('vm', `k${i}`, Buffer.alloc(i), 0);
  const token = queues.register('vm', 'q');
  for (let i = 0; i < 5; i++) queues.enqueue(token, bytes('item'));
  data.set('other', 'kept', bytes('v'), 0);
  queues.dropNamespace('vm');
  data.dropNamespace('vm');
  assert.equal(queues.resolve('vm', 'q'), 0);
  assert.equal(data.usage('vm'), null);
  assert.equal(text(data.get('other', 'kept')!.value), 'v');
  data.dropNamespace('other');
  assert.equal(arena.freeBytes, before);
});

test('the stores behave as maps and lists do, and freeing everything gives the whole heap back', () => {
  const key = fc.constantFrom('a', 'b', 'longer-key', 'ä');
  const space = fc.constantFrom('', 'vm', 'vm2');
  const step = fc.oneof(
    fc.record({ do: fc.constant('set'), space, key, size: fc.nat(300), stale: fc.boolean() }),
    fc.record({ do: fc.constant('remove'), space, key }),
    fc.record({ do: fc.constant('enqueue'), space, size: fc.nat(200) }),
    fc.record({ do: fc.constant('dequeue'), space }),
  ) as fc.Arbitrary<{ do: string; space: string; key: string; size: number; stale: boolean }>;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const { arena, data, queues } = stores();
      const whole = arena.freeBytes;
      const values = new Map<string, number>();
      const lists = new Map<string, number[]>();
      for (const each of steps) {
        const name = `${each.space}|${each.key}`;
        const list = lists.get(each.space) ?? [];
        lists.set(each.space, list);
        if (each.do === 'set') {
          const current = data.get(each.space, each.key);
          const cas = each.stale && current !== null ? current.cas + 1 : 0;
          const result = data.set(each.space, each.key, Buffer.alloc(each.size, each.size & 0xff), cas);
          assert.equal(result, cas === 0 ? SetResult.OK : SetResult.CAS_MISMATCH);
          if (cas === 0) values.set(name, each.size);
        } else if (each.do === 'remove') {
          assert.equal(data.remove(each.space, each.key) === RemoveResult.OK, values.delete(name));
        } else if (each.do === 'enqueue') {
          queues.enqueue(queues.register(each.space, 'q'), Buffer.alloc(each.size));
          list.push(each.size);
        } else {
          assert.equal(queues.dequeue(queues.register(each.space, 'q'))?.length, list.shift());
        }
        for (const [id, size] of values) {
          const [vm, k] = id.split('|');
          assert.deepEqual(data.get(vm, k)!.value, Buffer.alloc(size, size & 0xff));
        }
      }
      for (const vm of ['', 'vm', 'vm2']) {
        queues.dropNamespace(vm);
        data.dropNamespace(vm);
      }
      assert.equal(arena.freeBytes, whole);
    }),
    { numRuns: 60 },
  );
});

test('keys, removal with compare-and-set, and counting', () => {
  const { data } = stores();
  for (const key of ['user:1', 'user:2', 'other', 'ü:1']) data.set('vm', key, bytes(key), 0);
  data.set('vm2', 'user:3', bytes('x'), 0);
  assert.deepEqual(data.keys('vm', 'user:'), ['user:1', 'user:2']);
  assert.deepEqual(data.keys('vm'), ['user:1', 'user:2', 'other', 'ü:1']);
  assert.deepEqual(data.keys('vm', 'ü'), ['ü:1']);
  assert.deepEqual(data.keys('none'), []);
  const { cas } = data.get('vm', 'other')!;
  assert.equal(data.remove('vm', 'other', cas + 1), RemoveResult.CAS_MISMATCH);
  assert.equal(data.remove('vm', 'other', cas), RemoveResult.OK);
  assert.equal(data.remove('vm', 'other', cas), RemoveResult.ABSENT);

  const first = data.increment('vm', 'n', 5n);
  assert.ok(typeof first === 'object');
  assert.equal(first.value, 5n);
  assert.equal(data.get('vm', 'n')!.cas, first.cas);
  assert.deepEqual(data.get('vm', 'n')!.value, Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]));
  assert.equal((data.increment('vm', 'n', -7n) as { value: bigint }).value, -2n);
  data.increment('vm', 'max', 2n ** 63n - 1n);
  assert.equal((data.increment('vm', 'max', 1n) as { value: bigint }).value, -(2n ** 63n));
  assert.equal(data.increment('vm', 'user:1', 1n), SetResult.NOT_A_NUMBER);
  assert.equal(text(data.get('vm', 'user:1')!.value), 'user:1');
});

test('a spent budget makes room by forgetting what was used longest ago, where that is the policy', () => {
  const { data } = stores({ heapBytes: 1 << 20, namespaceLimitBytes: 10 * (64 + 2 + 100) });
  data.setPolicy('vm', { eviction: 'lru' });
  for (let i = 0; i < 10; i++) assert.equal(data.set('vm', `k${i}`, Buffer.alloc(100), 0), SetResult.OK);
  data.get('vm', 'k0');
  data.set('vm', 'k1', Buffer.alloc(100, 1), 0);
  assert.equal(data.set('vm', 'new', Buffer.alloc(100), 0), SetResult.OK);
  const kept = data.keys('vm');
  assert.deepEqual([kept.includes('k0'), kept.includes('k1'), kept.includes('k2')], [true, true, false]);
  assert.equal(kept.at(-1), 'new');
  // What can never fit costs nobody anything.
  assert.equal(data.set('vm', 'huge', Buffer.alloc(5000), 0), SetResult.OVER_BUDGET);
  assert.deepEqual(data.keys('vm'), kept);
  assert.equal(data.set('vm', 'large', Buffer.alloc(1500), 0), SetResult.OK);
  assert.equal(data.keys('vm').at(-1), 'large');
  const { usedBytes, limitBytes } = data.usage('vm')!;
  assert.ok(usedBytes <= limitBytes, `${usedBytes} of ${limitBytes}`);
});

test('values end when their time is over, and make room then', () => {
  let nowMs = 1000;
  const arena = new Arena(Arena.create({ heapBytes: 1 << 16, namespaceLimitBytes: 1000 }), 1);
  const data = new SharedDataStore(arena, () => nowMs);
  data.setPolicy('vm', { ttlMs: 100 });
  data.set('vm', 'default', Buffer.alloc(200), 0);
  data.set('vm', 'long', Buffer.alloc(200), 0, 1000);
  data.set('vm', 'for ever', Buffer.alloc(200), 0, 0);
  data.increment('vm', 'count', 1n);
  const { cas } = data.get('vm', 'default')!;
  nowMs += 99;
  assert.equal(data.keys('vm').length, 4);
  assert.equal((data.increment('vm', 'count', 1n) as { value: bigint }).value, 2n);
  assert.equal(data.set('vm', 'more', Buffer.alloc(200), 0), SetResult.OVER_BUDGET);
  nowMs += 1;
  assert.deepEqual(data.keys('vm'), ['long', 'for ever']);
  assert.equal(data.get('vm', 'count'), null);
  assert.equal((data.increment('vm', 'count', 1n) as { value: bigint }).value, 1n);
  assert.equal(data.set('vm', 'more', Buffer.alloc(200), 0), SetResult.OK);
  assert.equal(data.get('vm', 'default'), null);
  assert.equal(data.set('vm', 'default', Buffer.alloc(1), cas + 100), SetResult.OK);
  nowMs += 1000;
  assert.deepEqual(data.keys('vm'), ['for ever']);
});

test('a namespace says how many items its queues hold', () => {
  const { data, queues } = stores();
  data.setPolicy('vm', { queueItemLimit: 1 });
  const token = queues.register('vm', 'q');
  assert.equal(queues.enqueue(token, bytes('a')), EnqueueResult.OK);
  assert.equal(queues.enqueue(token, bytes('b')), EnqueueResult.QUEUE_FULL);
  const other = queues.register('vm2', 'q');
  assert.deepEqual(
    [1, 2].map(() => queues.enqueue(other, bytes('a'))),
    [EnqueueResult.OK, EnqueueResult.OK],
  );
});

test('increments of four threads are all counted', async () => {
  const memory = Arena.create({ heapBytes: 1 << 16 });
  const code = `for (let i = 0; i < 2000; i++) data.increment('vm', 'n', 1n);`;
  await Promise.all([2, 3, 4, 5].map(owner => ended(worker(memory, owner, code))));
  const data = new SharedDataStore(new Arena(memory, 1));
  assert.equal((data.increment('vm', 'n', 0n) as { value: bigint }).value, 8000n);
});

test('compare-and-set between threads loses no increment', async () => {
  const memory = Arena.create({ heapBytes: 1 << 16 });
  const data = new SharedDataStore(new Arena(memory, 1));
  data.set('vm', 'n', bytes('0'), 0);
  const code = `
    for (let i = 0; i < 2000; i++) {
      for (;;) {
        const { value, cas } = data.get('vm', 'n');
        if (data.set('vm', 'n', Buffer.from(String(Number(value) + 1)), cas) === 0) break;
      }
    }`;
  await Promise.all([2, 3, 4, 5].map(owner => ended(worker(memory, owner, code))));
  assert.equal(text(data.get('vm', 'n')!.value), '8000');
});

test('an item wakes the last registrant once', async () => {
  const memory = Arena.create({ heapBytes: 1 << 16 });
  const queues = new SharedQueueStore(new Arena(memory, 1));
  const code = `
    const token = queues.register('vm', 'q');
    const seen = [];
    const stop = queues.listen(which => {
      seen.push(Buffer.from(queues.dequeue(which)).toString());
      if (seen.length === 3) { parentPort.postMessage(seen); stop(); clearInterval(alive); }
    });
    const alive = setInterval(() => {}, 1e6);
    parentPort.postMessage(token);`;
  const thread = worker(memory, 2, code);
  const messages: unknown[] = [];
  thread.on('message', message => {
    messages.push(message);
    if (messages.length === 1) for (const item of ['a', 'b', 'c']) queues.enqueue(message, bytes(item));
  });
  await ended(thread);
  assert.deepEqual(messages, [1, ['a', 'b', 'c']]);
});

test('a listener alone does not keep its thread alive', async () => {
  const memory = Arena.create({ heapBytes: 1 << 16 });
  await ended(worker(memory, 2, `queues.register('vm', 'q'); queues.listen(() => {});`));
});

test('threads that die anywhere leave whole structures and no lock', async () => {
  const memory = Arena.create({ heapBytes: 1 << 20 });
  const arena = new Arena(memory, 1);
  const data = new SharedDataStore(arena);
  const queues = new SharedQueueStore(arena);
  const whole = arena.freeBytes;
  const started = new Int32Array(new SharedArrayBuffer(4));
  const code = `
    const token = queues.register('vm', 'q');
    for (let i = 0; ; i++) {
      if (i === 50) { Atomics.store(workerData.started, 0, 1); Atomics.notify(workerData.started, 0); }
      data.set('vm', 'k' + (i % 7), Buffer.alloc(i % 900), 0);
      if (i % 3 === 0) data.remove('vm', 'k' + (i % 5));
      queues.enqueue(token, Buffer.alloc(i % 50));
      if (i % 10 > 0) queues.dequeue(token);
      if (i % 1000 === 0) while (queues.dequeue(token));
    }`;
  for (let round = 0; round < 8; round++) {
    Atomics.store(started, 0, 0);
    const thread = worker(memory, 2, code, { started });
    await Atomics.waitAsync(started, 0, 0).value;
    await thread.terminate();
    arena.releaseOwner(2);
    queues.releaseOwner(2);
    assert.equal(data.set('vm', 'after', bytes(`${round}`), 0), SetResult.OK);
    assert.equal(text(data.get('vm', 'after')!.value), `${round}`);
  }
  queues.dropNamespace('vm');
  data.dropNamespace('vm');
  assert.equal(arena.freeBytes, whole);
});

test('the lock of a dead thread is undone and released, that of a living one times out', async () => {
  const memory = Arena.create({ heapBytes: 1 << 16 });
  const arena = new Arena(memory, 1, 20);
  const data = new SharedDataStore(arena);
  data.set('vm', 'k', bytes('whole'), 0);
  const free = arena.freeBytes;
  const code = `
    arena.transact(() => {
      const block = arena.allocate(100);
      arena.put(block + 1, 42);
      parentPort.postMessage('held');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const thread = worker(memory, 7, code);
  await new Promise(resolve => thread.once('message', resolve));
  assert.throws(() => data.get('vm', 'k'), { code: 'ERR_DRAGOMAN_SHM_LOCK_TIMEOUT' });
  await thread.terminate();
  arena.releaseOwner(8);
  assert.throws(() => data.get('vm', 'k'), { code: 'ERR_DRAGOMAN_SHM_LOCK_TIMEOUT' });
  arena.releaseOwner(7);
  assert.equal(text(data.get('vm', 'k')!.value), 'whole');
  assert.equal(arena.freeBytes, free);
});

test('wrong sizes and owners are refused', () => {
  assert.throws(() => Arena.create({ heapBytes: 1000 }), { code: 'ERR_DRAGOMAN_SHM_ARENA_SIZE' });
  assert.throws(() => new Arena(Arena.create({ heapBytes: 4096 }), 0));
});
