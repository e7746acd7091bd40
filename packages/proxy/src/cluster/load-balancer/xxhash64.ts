// XXH64 of text, in 32-bit halves: the hash behind hash policies, rings and Maglev tables, bit for bit the one Envoy uses,
// so that the same key goes to the same host through either proxy. No BigInt: this runs per request.

/** Where a 64-bit hash is put: two unsigned 32-bit halves. LbContext is one. */
export interface Hash64 {
  hashHigh: number;
  hashLow: number;
}

// The primes of XXH64, as [high, low].
const P1H = 0x9e3779b1;
const P1L = 0x85ebca87;
const P2H = 0xc2b2ae3d;
const P2L = 0x27d4eb4f;
const P3H = 0x165667b1;
const P3L = 0x9e3779f9;
const P4H = 0x85ebca77;
const P4L = 0xc2b2ae63;
const P5H = 0x27d4eb2f;
const P5L = 0x165667c5;

// The working value; every function below leaves its result here.
let high = 0;
let low = 0;
/** Accumulators of the long form: four pairs. */
const lanes = new Uint32Array(8);

function multiply(ah: number, al: number, bh: number, bl: number): void {
  const a0 = al & 0xffff;
  const a1 = al >>> 16;
  const b0 = bl & 0xffff;
  const b1 = bl >>> 16;
  const p00 = Math.imul(a0, b0);
  const p01 = Math.imul(a0, b1);
  const p10 = Math.imul(a1, b0);
  const middle = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff);
  const upper = (Math.imul(a1, b1) >>> 0) + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16);
  low = ((middle << 16) | (p00 & 0xffff)) >>> 0;
  high = (upper + Math.imul(ah, bl) + Math.imul(al, bh)) >>> 0;
}

function add(ah: number, al: number, bh: number, bl: number): void {
  const sum = (al >>> 0) + (bl >>> 0);
  low = sum >>> 0;
  high = (ah + bh + (sum > 0xffff_ffff ? 1 : 0)) >>> 0;
}

/** Rotates left by 1..31 bits. */
function rotate(ah: number, al: number, bits: number): void {
  high = ((ah << bits) | (al >>> (32 - bits))) >>> 0;
  low = ((al << bits) | (ah >>> (32 - bits))) >>> 0;
}

function wordAt(text: string, at: number): number {
  return (
    ((text.charCodeAt(at) & 0xff) |
      ((text.charCodeAt(at + 1) & 0xff) << 8) |
      ((text.charCodeAt(at + 2) & 0xff) << 16) |
      (text.charCodeAt(at + 3) << 24)) >>>
    0
  );
}

/** high:low = rotate(acc + input * P2, 31) * P1 */
function round(accHigh: number, accLow: number, inHigh: number, inLow: number): void {
  multiply(inHigh, inLow, P2H, P2L);
  add(accHigh, accLow, high, low);
  rotate(high, low, 31);
  multiply(high, low, P1H, P1L);
}

/** Eats whole stripes of 32 bytes; returns where it stopped, with their hash in high:low. */
function stripes(text: string, seed: number): number {
  add(P1H, P1L, P2H, P2L);
  add(high, low, 0, seed);
  lanes[0] = high;
  lanes[1] = low;
  add(P2H, P2L, 0, seed);
  lanes[2] = high;
  lanes[3] = low;
  lanes[4] = 0;
  lanes[5] = seed;
  add(0, seed, ~P1H >>> 0, (~P1L + 1) >>> 0);
  lanes[6] = high;
  lanes[7] = low;
  let at = 0;
  for (const end = text.length - 32; at <= end; ) {
    for (let lane = 0; lane < 8; lane += 2, at += 8) {
      round(lanes[lane]!, lanes[lane + 1]!, wordAt(text, at + 4), wordAt(text, at));
      lanes[lane] = high;
      lanes[lane + 1] = low;
    }
  }
  let sumHigh = 0;
  let sumLow = 0;
  for (const [lane, bits] of [
    [0, 1],
    [2, 7],
    [4, 12],
    [6, 18],
  ] as const) {
    rotate(lanes[lane]!, lanes[lane + 1]!, bits);
    add(sumHigh, sumLow, high, low);
    sumHigh = high;
    sumLow = low;
  }
  for (let lane = 0; lane < 8; lane += 2) {
    round(0, 0, lanes[lane]!, lanes[lane + 1]!);
    multiply(sumHigh ^ high, sumLow ^ low, P1H, P1L);
    add(high, low, P4H, P4L);
    sumHigh = high;
    sumLow = low;
  }
  return at;
}

/** Hashes the bytes of a latin1 string (each character one byte) into `into`. */
export function xxHash64(text: string, into: Hash64, seed = 0): void {
  const { length } = text;
  let at = 0;
  if (length >= 32) at = stripes(text, seed);
  else add(P5H, P5L, 0, seed);
  add(high, low, 0, length);
  let h = high;
  let l = low;
  for (; at + 8 <= length; at += 8) {
    round(0, 0, wordAt(text, at + 4), wordAt(text, at));
    rotate(h ^ high, l ^ low, 27);
    multiply(high, low, P1H, P1L);
    add(high, low, P4H, P4L);
    h = high;
    l = low;
  }
  if (at + 4 <= length) {
    multiply(0, wordAt(text, at), P1H, P1L);
    rotate(h ^ high, l ^ low, 23);
    multiply(high, low, P2H, P2L);
    add(high, low, P3H, P3L);
    h = high;
    l = low;
    at += 4;
  }
  for (; at < length; at++) {
    multiply(0, text.charCodeAt(at) & 0xff, P5H, P5L);
    rotate(h ^ high, l ^ low, 11);
    multiply(high, low, P1H, P1L);
    h = high;
    l = low;
  }
  l = (l ^ (h >>> 1)) >>> 0; // h ^= h >>> 33
  multiply(h, l, P2H, P2L);
  l = (low ^ ((low >>> 29) | (high << 3))) >>> 0; // h ^= h >>> 29
  h = (high ^ (high >>> 29)) >>> 0;
  multiply(h, l, P3H, P3L);
  into.hashHigh = high;
  into.hashLow = (low ^ high) >>> 0; // h ^= h >>> 32
}

/** Joins the hash of one more policy to those before it, as Envoy does: rotate left by one, then xor. */
export function mixHash(into: Hash64, hashHigh: number, hashLow: number): void {
  rotate(into.hashHigh, into.hashLow, 1);
  into.hashHigh = (high ^ hashHigh) >>> 0;
  into.hashLow = (low ^ hashLow) >>> 0;
}

/** A 64-bit hash modulo `modulus`, which is below 2 ** 26. */
export function hashModulo(hashHigh: number, hashLow: number, modulus: number): number {
  return ((hashHigh % modulus) * (0x1_0000_0000 % modulus) + (hashLow % modulus)) % modulus;
}
