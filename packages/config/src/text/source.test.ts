import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problems } from '../errors.ts';
import { locate } from './source.ts';
import { readYaml } from './yaml.ts';

const source = (text: string, file = 'a.yaml') => readYaml(text, file, new Problems())!;

test('a path leads to the key of a field or the start of an item', () => {
  const text = source('static_resources:\n  clusters:\n  - name: a\n  - name: b\n    type: X\n');
  assert.deepEqual(locate([text], ['static_resources', 'clusters', 1, 'type']), {
    file: 'a.yaml',
    line: 5,
    column: 5,
  });
  assert.deepEqual(locate([text], ['static_resources', 'clusters', 1]), {
    file: 'a.yaml',
    line: 4,
    column: 5,
  });
});

test('a part that is not written down leads to the deepest one that is', () => {
  const text = source('a:\n  b: 1\n');
  assert.deepEqual(locate([text], ['a', 'missing', 'x']), { file: 'a.yaml', line: 1, column: 1 });
});

test('JSON names, TypedStruct values and aliases are followed', () => {
  const text = source('x: &x\n  connectTimeout: 1\ny:\n  type_url: t\n  value:\n    a_b: 1\nz: *x\n');
  assert.equal(locate([text], ['x', 'connect_timeout']).line, 2);
  assert.equal(locate([text], ['y', 'a_b']).line, 6);
  assert.equal(locate([text], ['z', 'connect_timeout']).line, 2);
});

test('with merged texts, list items count on and the last text that has a field is meant', () => {
  const texts = [source('l: [{k: 1}, {k: 2}]\ns: 1\n', 'one'), source('\nl: [{k: 3}]\ns: 2\n', 'two')];
  assert.deepEqual(locate(texts, ['l', 1, 'k']).file, 'one');
  assert.deepEqual(locate(texts, ['l', 2, 'k']), { file: 'two', line: 2, column: 6 });
  assert.deepEqual(locate(texts, ['s']).file, 'two');
});

test('without a text there is no place', () => {
  assert.deepEqual(locate([], ['a']), { file: '', line: 0, column: 0 });
});
