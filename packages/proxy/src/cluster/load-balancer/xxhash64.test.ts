// XXH64 against published vectors and against a plain BigInt implementation of the specification.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { murmurHash2 } from './murmur-hash2.ts';
import { hashModulo, mixHash, xxHash64 } from './xxhash64.ts';

const MASK = (1n << 64n) - 1n;
const P = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;
const rotate = (x: bigint, r: bigint) => ((x << r) | (x >> (64n - r))) & MASK;
const round = (acc: bigint, input: bigint) => (rotate((acc + input * P[1]) & MASK, 31n) * P[0]) & MASK;

/** The algorithm as its specification tells it, 64 bits at a time. */
function plainXxHash64(bytes: Buffer, seed: bigint): bigint {
  let at = 0;
  let hash: bigint;
  if (bytes.length >= 32) {
    const acc = [(seed + P[0] + P[1]) & MASK, (seed + P[1]) & MASK, seed, (seed - P[0]) & MASK];
    for (; at + 32 <= bytes.length; at += 32)
      for (let i = 0; i < 4; i++) acc[i] = round(acc[i]!, bytes.readBigUInt64LE(at + 8 * i));
    hash = (rotate(acc[0]!, 1n) + rotate(acc[1]!, 7n) + rotate(acc[2]!, 12n) + rotate(acc[3]!, 18n)) & MASK;
    for (const one of acc) hash = ((hash ^ round(0n, one)) * P[0] + P[3]) & MASK;
  } else hash = (seed + P[4]) & MASK;
  hash = (hash + BigInt(bytes.length)) & MASK;
  for (; at + 8 <= bytes.length; at += 8)
    hash = (rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P[0] + P[3]) & MASK;
  if (at + 4 <= bytes.length) {
    hash = (rotate(hash ^ ((BigInt(bytes.readUInt32LE(at)) * P[0]) & MASK), 23n) * P[1] + P[2]) & MASK;
    at += 4;
  }
  for (; at < bytes.length; at++)
    hash = (rotate(hash ^ ((BigInt(bytes[at]!) * P[4]) & MASK), 11n) * P[0]) & MASK;
  hash = ((hash ^ (hash >> 33n)) * P[1]) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P[2]) & MASK;
  return hash ^ (hash >> 32n);
}

function hashOf(text: string, seed = 0): bigint {
  const into = { hashHigh: 0, hashLow: 0 };
  xxHash64(text, into, seed);
  return (BigInt(into.hashHigh) << 32n) | BigInt(into.hashLow);
}

test('published vectors', () => {
  assert.equal(hashOf(''), 0xef46db3751d8e999n);
  assert.equal(hashOf('a'), 0xd24ec4f1a98c6e5bn);
  assert.equal(hashOf('abc'), 0x44bc2cf5ad770999n);
});

test('every text and seed hashes as the specification says', () => {
  const bytes = fc.uint8Array({ maxLength: 100 });
  fc.assert(
    fc.property(bytes, fc.integer({ min: 0, max: 0xffff_ffff }), (array, seed) => {
      const buffer = Buffer.from(array);
      assert.equal(hashOf(buffer.latin1Slice(), seed), plainXxHash64(buffer, BigInt(seed)));
    }),
  );
});

test('modulo and mixing agree with 64-bit arithmetic', () => {
  const word = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(word, word, word, word, fc.integer({ min: 1, max: 5_000_011 }), (ah, al, bh, bl, modulus) => {
      const a = (BigInt(ah) << 32n) | BigInt(al);
      const b = (BigInt(bh) << 32n) | BigInt(bl);
      assert.equal(hashModulo(ah, al, modulus), Number(a % BigInt(modulus)));
      const into = { hashHigh: ah, hashLow: al };
      mixHash(into, bh, bl);
      const mixed = (BigInt(into.hashHigh) << 32n) | BigInt(into.hashLow);
      assert.equal(mixed, rotate(a, 1n) ^ b);
    }),
  );
});

test('MurmurHash2 spreads and is stable', () => {
  const hashes = new Set(Array.from({ length: 1000 }, (_, i) => murmurHash2(`10.0.0.1:80_${i}`)));
  assert.equal(hashes.size, 1000);
  // Computed by libstdc++'s std::_Hash_bytes(text, length, 0xc70f6907).
  assert.equal(murmurHash2(''), 0x553e93901e462a6en);
  assert.equal(murmurHash2('a'), 0x454ddee488c1ed6bn);
  assert.equal(murmurHash2('10.0.0.1:80_0'), 0xbd8f6461ecffb28cn);
  assert.equal(murmurHash2('hello world, this is long'), 0x20e15d1bb4805021n);
});
