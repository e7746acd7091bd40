import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { valueText } from './format-input.ts';
import { shortestText, structValue } from './struct-value.ts';

test('numbers in their shortest form, as Envoy 1.40 logs them', () => {
  for (const [value, text] of [
    [0, '0'],
    [100, '100'],
    [10_000, '10000'],
    [100_000, '1e+05'],
    [-100_000, '-1e+05'],
    [120_000, '120000'],
    [1_200_000, '1200000'],
    [2_000_000_000, '2e+09'],
    [1.5, '1.5'],
    [0.00001, '1e-05'],
    [1e21, '1e+21'],
  ] as const)
    assert.equal(shortestText(value), text);
});

test('a number reads back as itself', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), value => {
      assert.equal(Number(shortestText(value)), value === 0 ? 0 : value);
    }),
  );
});

test('members are in the order of their names, at every depth', () => {
  const value = structValue({ z: 1, a: { y: 100_000, x: [2, { d: null, c: 'é' }] } });
  assert.equal(
    Buffer.from(valueText(value)!, 'latin1').toString(),
    '{"a":{"x":[2,{"c":"é","d":null}],"y":1e+05},"z":1}',
  );
  assert.equal(valueText(structValue(1e9)), '1e+09');
  assert.equal(valueText(structValue(null)), null);
  assert.equal(valueText(structValue(undefined)), null);
});
