// Layers over each other, the admin's changes, and what workers are told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bootstrap, loadBootstrap } from '@dragoman/config';
import { RuntimeLayers } from './runtime-layers.ts';

function bootstrap(text: string): Bootstrap {
  const { bootstrap, errors } = loadBootstrap({ texts: [{ file: 'test.yaml', text }] });
  assert.deepEqual(errors, []);
  return bootstrap!;
}

const LAYERED = bootstrap(`
layered_runtime:
  layers:
  - name: base
    static_layer: { feature: { enabled: true, percent: 10 }, name: a }
  - name: over
    static_layer: { feature.percent: 20 }
  - name: changes
    admin_layer: {}
`);

test('layers are shown as text and merged with the later one on top', () => {
  const runtime = new RuntimeLayers(LAYERED, () => {});
  assert.deepEqual(runtime.layers(), [
    { name: 'base', values: { 'feature.enabled': 'true', 'feature.percent': '10', name: 'a' } },
    { name: 'over', values: { 'feature.percent': '20' } },
    { name: 'changes', values: {} },
  ]);
  assert.equal(runtime.merged.get('feature.percent'), 20);
});

test('the admin changes its own layer, and the workers are told', () => {
  const told: ReadonlyMap<string, unknown>[] = [];
  const runtime = new RuntimeLayers(LAYERED, merged => told.push(merged));
  assert.equal(runtime.merge({ 'feature.percent': '30', 'feature.enabled': 'false', name: 'b' }), true);
  assert.deepEqual([...told[0]!].sort(), [
    ['feature.enabled', false],
    ['feature.percent', 30],
    ['name', 'b'],
  ]);
  runtime.merge({ name: '' });
  assert.equal(told[1]!.get('name'), 'a');
});

test('without an admin layer nothing can be changed', () => {
  for (const text of ['layered_runtime: { layers: [{ name: only, static_layer: {} }] }', 'node: { id: one }'])
    assert.equal(new RuntimeLayers(bootstrap(text), () => {}).merge({ a: '1' }), false);
});
