import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodePairs, encodeBytePairs, encodePairs, MAX_PAIRS, MAX_PAIRS_BYTES } from './pairs.ts';

const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)) });

describe('pairs', () => {
  test('S35: the byte layout', () => {
    assert.equal(
      encodePairs(['a', '1', 'b', '22']).toString('hex'),
      '02000000010000000100000001000000020000006100310062003232' + '00',
    );
  });

  test('S36: no bytes, one zero byte and four zero bytes are an empty map; an empty map is no bytes', () => {
    for (const length of [0, 1, 4]) assert.deepEqual(decodePairs(Buffer.alloc(length)), []);
    assert.equal(encodePairs([]).length, 0);
  });

  test('S37: malformed bytes are no map', () => {
    const good = encodePairs(['name', 'value']);
    const broken = {
      'one byte that is not zero': Buffer.of(1),
      'cut in the count': good.subarray(0, 3),
      'cut in the lengths': good.subarray(0, 9),
      'cut in the text': good.subarray(0, good.length - 1),
      'trailing bytes': Buffer.concat([good, Buffer.alloc(1)]),
      'no zero after the name': Buffer.from(good).fill(1, 16, 17),
      'no zero at the end': Buffer.from(good).fill(1, good.length - 1),
      'a length past the end': Buffer.from(good).fill(0xff, 4, 8),
      'a count past the end': Buffer.from(good).fill(0xff, 0, 4),
    };
    for (const [what, bytes] of Object.entries(broken)) assert.equal(decodePairs(bytes), null, what);
  });

  test('S38: more pairs or bytes than the limits are no map; as many as the limits are one', () => {
    const many = (count: number) => encodePairs(Array.from({ length: 2 * count }, () => 'x'));
    assert.equal(decodePairs(many(MAX_PAIRS))?.length, 2 * MAX_PAIRS);
    assert.equal(decodePairs(many(MAX_PAIRS + 1)), null);
    const long = (bytes: number) => encodePairs(['n', 'x'.repeat(bytes - 4 - 8 - 3)]);
    assert.equal(long(MAX_PAIRS_BYTES).length, MAX_PAIRS_BYTES);
    assert.equal(decodePairs(long(MAX_PAIRS_BYTES))?.length, 2);
    assert.equal(decodePairs(long(MAX_PAIRS_BYTES + 1)), null);
  });

  test('decoding undoes encoding', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(latin1, latin1), { minLength: 1, maxLength: 20 }), pairs => {
        assert.deepEqual(decodePairs(encodePairs(pairs.flat())), pairs.flat());
        const bytes = pairs.map(
          ([name, value]) => [Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')] as const,
        );
        assert.deepEqual(encodeBytePairs(bytes), encodePairs(pairs.flat()));
      }),
    );
  });

  test('any bytes are a map or none, and a map encodes to those bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
        const pairs = decodePairs(Buffer.from(bytes));
        if (pairs !== null && pairs.length > 0) assert.deepEqual(encodePairs(pairs), Buffer.from(bytes));
      }),
    );
  });
});
