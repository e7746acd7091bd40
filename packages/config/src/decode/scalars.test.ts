import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { durationText } from '../encode/proto-json.ts';
import { enumSchema } from '../schema/descriptor.ts';
import type { Json } from '../text/source.ts';
import { decodeDuration, decodeEnum, decodeScalar, decodeTimestamp, Refusal } from './scalars.ts';

const refused = (value: unknown): boolean => value instanceof Refusal;

test('integers: numbers, numeric strings, integral floats, within range', () => {
  for (const json of [7, '7', '7.0', '0.7e1', 7.0]) assert.equal(decodeScalar('uint32', json), 7);
  assert.equal(decodeScalar('int64', '-9007199254740991'), -9007199254740991);
  for (const json of [
    -1,
    2 ** 32,
    '4294967296',
    1.5,
    '1.5',
    'x',
    '',
    ' 1',
    '0x10',
    '01',
    true,
    null,
    [],
    {},
  ]) {
    assert.ok(refused(decodeScalar('uint32', json as Json)), JSON.stringify(json));
  }
});

test('floats also take NaN and infinities by name', () => {
  assert.equal(decodeScalar('double', '0.5'), 0.5);
  assert.equal(decodeScalar('double', '-Infinity'), -Infinity);
  assert.ok(Number.isNaN(decodeScalar('float', 'NaN')));
  assert.ok(refused(decodeScalar('double', 'nan')));
});

test('bools: true, false and their quoted forms only', () => {
  assert.equal(decodeScalar('bool', 'true'), true);
  assert.equal(decodeScalar('bool', false), false);
  for (const json of [0, 1, 'yes', 'True', '']) assert.ok(refused(decodeScalar('bool', json)));
});

test('strings must be strings; the hint says to quote', () => {
  assert.equal(decodeScalar('string', 'a'), 'a');
  const refusal = decodeScalar('string', 12);
  assert.ok(refusal instanceof Refusal);
  assert.equal(refusal.hint, 'quote it: "12"');
});

test('bytes: both base64 alphabets, padded or not', () => {
  for (const json of ['+/8=', '-_8=', '+/8', '-_8'])
    assert.deepEqual(decodeScalar('bytes', json), new Uint8Array([0xfb, 0xff]));
  assert.ok(refused(decodeScalar('bytes', 'a b')));
});

test('durations are decimal seconds; the hint rewrites other units', () => {
  const good: Record<string, number> = {
    '0s': 0,
    '0.25s': 250,
    '30s': 30000,
    '-1s': -1000,
    '1.000000001s': 1000.000001,
    '9223372035s': 9223372035000,
    '315576000000s': 315576000000000,
  };
  for (const [text, ms] of Object.entries(good)) assert.equal(decodeDuration(text), ms);
  for (const json of [
    '1',
    '1ss',
    '250ms',
    '5m',
    '.5s',
    '1.s',
    '1.0000000001s',
    's',
    '',
    ' 1s',
    '315576000001s',
    1,
    null,
  ]) {
    assert.ok(refused(decodeDuration(json)), String(json));
  }
  assert.equal((decodeDuration('250ms') as Refusal).hint, 'write 0.25s');
  assert.equal((decodeDuration('5m') as Refusal).hint, 'write 300s');
  assert.equal((decodeDuration(3) as Refusal).hint, 'write 3s');
});

test('property: a duration printed is a duration read', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
      fc.integer({ min: 0, max: 999 }),
      (ms, micros) => {
        const value = ms + micros / 1000;
        assert.ok(Math.abs((decodeDuration(durationText(value)) as number) - value) < 1e-3);
      },
    ),
  );
  assert.equal(durationText(250), '0.250s');
  assert.equal(durationText(1000.001), '1.000001s');
  assert.equal(durationText(0.000001), '0.000000001s');
  assert.equal(durationText(-1500), '-1.500s');
});

test('timestamps are RFC 3339', () => {
  assert.equal(decodeTimestamp('1970-01-01T00:00:01.5Z'), 1500);
  assert.equal(decodeTimestamp('1970-01-01T01:00:00+01:00'), 0);
  for (const json of ['1970-01-01', 'yesterday', 0, '1970-13-01T00:00:00Z'])
    assert.ok(refused(decodeTimestamp(json)));
});

test('enums by any-case name or number; unknown names list what there is', () => {
  const type = enumSchema('envoy.config.cluster.v3.Cluster.DiscoveryType');
  assert.equal(decodeEnum(type, 'static'), 'STATIC');
  assert.equal(decodeEnum(type, 'Strict_Dns'), 'STRICT_DNS');
  assert.equal(decodeEnum(type, 1), 'STRICT_DNS');
  assert.equal(decodeEnum(type, '3'), 'EDS');
  assert.equal(decodeEnum(type, 99), '99');
  const refusal = decodeEnum(type, 'STRICTDNS') as Refusal;
  assert.equal(refusal.message, "unknown enum value: 'STRICTDNS'");
  assert.match(refusal.expected, /STATIC, STRICT_DNS/);
  assert.equal(refusal.hint, 'did you mean STRICT_DNS?');
});
