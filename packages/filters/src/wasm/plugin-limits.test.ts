// Limits as they stand in a bootstrap's node metadata.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Node } from '@dragoman/config';
import { readPluginLimits } from './plugin-limits.ts';

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
        deadlines: { requestMs: 50, startMs: 5000, tickMs: 200 },
        memoryCapPages: 2048,
        limited: true,
        demanded: false,
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
    assert.deepEqual(limitsOf('any').deadlines, { requestMs: 20, startMs: 5000, tickMs: 0 });
    assert.equal(limitsOf('any').demanded, true);
    assert.deepEqual(limitsOf('slow').deadlines, { requestMs: 300, startMs: 5000, tickMs: 0 });
    assert.equal(limitsOf('slow').memoryCapPages, 8192);
  });

  test('a plugin without any limit runs as it was compiled', () => {
    const none = { cpu_ms: { request: 0, start: 0, tick: 0 }, memory_mib: 0 };
    const limits = readPluginLimits(nodeWith({ plugins: { free: none } }))('free');
    assert.deepEqual([limits.limited, limits.demanded, limits.memoryCapPages], [false, false, 65_536]);
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
        'node.metadata.dragoman.wasm_limits.cpu: no such setting; there is cpu_ms, memory_mib',
        'node.metadata.dragoman.wasm_limits.cpu_ms.load: no such setting; there is request, start, tick',
        'node.metadata.dragoman.wasm_limits.cpu_ms.request: expected a whole number from 0 (no limit) to 3600000',
        'node.metadata.dragoman.wasm_limits.memory_mib: expected a whole number from 0 (no limit) to 4096',
        'node.metadata.dragoman.wasm_limits.plugins.a.memory_mib: expected a whole number from 0 (no limit) to 4096',
      ],
    );
  });
});
