// Budgets of shared data and queues as they stand in a bootstrap's node metadata, and that the memory has them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '@dragoman/config';
import {
  Arena,
  EnqueueResult,
  SetResult,
  SharedDataStore,
  SharedQueueStore,
  StatLane,
  StatTable,
} from '@dragoman/shm';
import { sharedStateMemory } from './shared-state.ts';
import { readSharedStateSettings } from './shared-state-settings.ts';
import { SharedStateStats } from './shared-state-stats.ts';

const nodeWith = (wasm_shared_state: unknown) =>
  ({ metadata: { dragoman: { wasm_shared_state } } }) as unknown as Node;

test('without settings: 64 MiB in all, 16 MiB for each VM id, nothing is forgotten', () => {
  const { heapBytes, policyOf } = readSharedStateSettings(undefined);
  assert.equal(heapBytes, 64 * 2 ** 20);
  assert.deepEqual(policyOf('any'), {
    limitBytes: 16 * 2 ** 20,
    eviction: 'none',
    ttlMs: 0,
    queueItemLimit: 65_536,
  });
});

test('the memory keeps to what is set for all and for one VM id, also when the settings change', () => {
  const settings = (budget_kib: number) =>
    readSharedStateSettings(
      nodeWith({
        ...{ heap_mib: 1, budget_kib, queue_items: 1 },
        vm_ids: { cache: { eviction: 'lru', ttl_ms: 50 } },
      }),
    );
  const memory = sharedStateMemory(undefined, settings(2), ['plain', 'cache']);
  const arena = new Arena(memory, 2);
  let nowMs = 1000;
  const data = new SharedDataStore(arena, () => nowMs);
  const value = Buffer.alloc(900);
  const results = (vmId: string) => ['a', 'b', 'c'].map(key => data.set(vmId, key, value, 0));
  assert.deepEqual(results('plain'), [SetResult.OK, SetResult.OK, SetResult.OVER_BUDGET]);
  assert.deepEqual(results('cache'), [SetResult.OK, SetResult.OK, SetResult.OK]);
  assert.equal(data.get('cache', 'a'), null);
  nowMs += 50;
  assert.equal(data.get('cache', 'c'), null);
  assert.notEqual(data.get('plain', 'a'), null);
  const queues = new SharedQueueStore(arena);
  const token = queues.register('cache', 'q');
  const enqueue = () => queues.enqueue(token, Buffer.alloc(1));
  assert.deepEqual([enqueue(), enqueue()], [EnqueueResult.OK, EnqueueResult.QUEUE_FULL]);

  const again = sharedStateMemory(new Map([['wasm:shared-state', memory]]), settings(3), ['plain']);
  assert.equal(again, memory);
  assert.equal(data.set('plain', 'c', value, 0), SetResult.OK);
});

test('what each VM id keeps and may keep is shown', () => {
  const settings = readSharedStateSettings(nodeWith({ heap_mib: 1, budget_kib: 2 }));
  const memory = sharedStateMemory(undefined, settings, ['', 'a']);
  new SharedDataStore(new Arena(memory, 2)).set('a', 'key', Buffer.alloc(100), 0);
  const table = new StatTable();
  const laneMemory = StatLane.create();
  table.addLane(laneMemory);
  const stats = new SharedStateStats(new StatLane(laneMemory), new Map([['wasm:shared-state', memory]]));
  stats.refresh();
  const { gauges } = table.snapshot();
  const shown = (name: string) => gauges.get(`dragoman.shared_state.${name}`)?.value;
  assert.deepEqual(
    ['a.used_bytes', 'a.limit_bytes', 'unnamed.used_bytes', 'unnamed.limit_bytes'].map(shown),
    [100 + 'key'.length + 64, 2048, 0, 2048],
  );
  new SharedStateStats(new StatLane(StatLane.create()), new Map()).refresh();
});

test('mistakes are named with their path', () => {
  const found: string[] = [];
  const mistakes = { heap_mib: 3, budget: 1, eviction: 'fifo', vm_ids: { a: { ttl_ms: -1, heap_mib: 1 } } };
  readSharedStateSettings(nodeWith(mistakes), (path, message) => found.push(`${path}: ${message}`));
  const path = 'node.metadata.dragoman.wasm_shared_state';
  assert.deepEqual(found, [
    `${path}.budget: no such setting; there is budget_kib, eviction, ttl_ms, queue_items, heap_mib, vm_ids`,
    `${path}.eviction: expected none (refuse what does not fit) or lru (forget what was used longest ago)`,
    `${path}.vm_ids.a.heap_mib: no such setting; there is budget_kib, eviction, ttl_ms, queue_items`,
    `${path}.vm_ids.a.ttl_ms: expected a whole number from 0 (no limit) to 2147483647`,
    `${path}.heap_mib: expected a power of two, not 3`,
  ]);
});
