// Limits as they stand in a bootstrap's node metadata.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Node } from '@dragoman/config';
import { readPluginLimits } from './plugin-limits.ts';

const NEVER = Number.POSITIVE_INFINITY;

const nodeWith = (wasm_limits: unknown) => ({ metadata: { dragoman: { wasm_limits } } }) as unknown as Node;

/** What is wrong with those settings. */
function mistakes(wasm_limits: unknown): string[] {
  const found: string[] = [];
  readPluginLimits(nodeWith(wasm_limits), (path, message) => found.push(`${path}: ${message}`));
  return found;
}

describe('limits of plugins', () => {
  test('without settings: 50 ms, 5 s, 200 ms and 128 MiB, which nobody has demanded', () => {
    for (const node of [undefined, { metadata: {} } as Node, nodeWith({})]) {
      assert.deepEqual(readPluginLimits(node)('any'), {
        deadlines: { requestMs: 50, startMs: 5000, configureMs: 5000, tickMs: 200 },
        memoryCapPages: 2048,
        limited: true,
        demanded: false,
        instances: 1,
        recycle: { memoryBytes: 96 * 2 ** 20, requests: NEVER, ageMs: NEVER },
        spare: true,
        logLinesPerSecond: 5000,
      });
    }
  });

  test('settings for all, and what a plugin has of its own', () => {
    const limitsOf = readPluginLimits(
      nodeWith({
        cpu_ms: { request: 20, tick: 0 },
        plugins: { slow: { cpu_ms: { request: 300 }, memory_mib: 512 } },
      }),
    );
    assert.deepEqual(limitsOf('any').deadlines, {
      requestMs: 20,
      startMs: 5000,
      configureMs: 5000,
      tickMs: 0,
    });
    assert.equal(limitsOf('any').demanded, true);
    assert.deepEqual(limitsOf('slow').deadlines, {
      requestMs: 300,
      startMs: 5000,
      configureMs: 5000,
      tickMs: 0,
    });
    assert.equal(limitsOf('slow').memoryCapPages, 8192);
  });

  test('a plugin without any limit runs as it was compiled', () => {
    const none = { cpu_ms: { request: 0, start: 0, configure: 0, tick: 0 }, memory_mib: 0 };
    const limits = readPluginLimits(nodeWith({ plugins: { free: none } }))('free');
    assert.deepEqual([limits.limited, limits.demanded, limits.memoryCapPages], [false, false, 65_536]);
  });

  test('instances, spares and recycling', () => {
    const limitsOf = readPluginLimits(
      nodeWith({
        instances: 2,
        recycle: { requests: 1000 },
        plugins: { own: { spare: false, recycle: { memory_mib: 0, age_s: 60 } }, small: { memory_mib: 1 } },
      }),
    );
    const { instances, recycle, spare, demanded } = limitsOf('own');
    assert.deepEqual([instances, spare, demanded], [2, false, false]);
    assert.deepEqual(recycle, { memoryBytes: NEVER, requests: 1000, ageMs: 60_000 });
    assert.deepEqual(limitsOf('small').recycle, { memoryBytes: 12 * 65_536, requests: 1000, ageMs: NEVER });
    assert.deepEqual(mistakes({ instances: 0, spare: 1, recycle: { age: 5, requests: -1 } }), [
      'node.metadata.dragoman.wasm_limits.recycle.age: no such setting; there is memory_mib, requests, age_s',
      'node.metadata.dragoman.wasm_limits.instances: expected a whole number from 1 to 64',
      'node.metadata.dragoman.wasm_limits.spare: expected true or false',
      'node.metadata.dragoman.wasm_limits.recycle.requests: expected a whole number from 0 (no limit) to 9007199254740991',
    ]);
  });

  test('mistakes are named with their path, all of them', () => {
    assert.deepEqual(mistakes(5), ['node.metadata.dragoman.wasm_limits: expected an object']);
    assert.deepEqual(
      mistakes({
        cpu: 1,
        cpu_ms: { request: -1, load: 3 },
        memory_mib: 1.5,
        plugins: { a: { memory_mib: 'much' } },
      }),
      [
        'node.metadata.dragoman.wasm_limits.cpu: no such setting; there is cpu_ms, memory_mib, instances, spare, log_lines_per_s, recycle',
        'node.metadata.dragoman.wasm_limits.cpu_ms.load: no such setting; there is request, start, configure, tick',
        'node.metadata.dragoman.wasm_limits.cpu_ms.request: expected a whole number from 0 (no limit) to 3600000',
        'node.metadata.dragoman.wasm_limits.memory_mib: expected a whole number from 0 (no limit) to 4096',
        'node.metadata.dragoman.wasm_limits.plugins.a.memory_mib: expected a whole number from 0 (no limit) to 4096',
      ],
    );
  });
});
