import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorsOf } from '../../fixtures/sample.ts';

test('runtime layers have names of their own and one admin layer', () => {
  const layers = (...list: object[]) =>
    errorsOf((_, whole) => {
      whole.layered_runtime = { layers: list };
    });
  assert.deepEqual(layers({ name: 'a', static_layer: {} }, { name: 'b', admin_layer: {} }), []);
  assert.match(
    layers({ name: 'a', static_layer: {} }, { name: 'a', static_layer: {} })[0]!,
    /layers\[1\]\.name: Duplicate layer name: a$/,
  );
  assert.match(
    layers({ name: 'a', admin_layer: {} }, { name: 'b', admin_layer: {} })[0]!,
    /Too many admin layers/,
  );
});

test('tag regexes are regexes', () => {
  const tag = (regex: string) =>
    errorsOf((_, whole) => {
      whole.stats_config = { stats_tags: [{ tag_name: 'x', regex }] };
    });
  assert.deepEqual(tag('^cluster\\.((.+?)\\.)'), []);
  assert.match(tag('(')[0]!, /stats_tags\[0\]\.regex: Invalid regex '\('/);
});
