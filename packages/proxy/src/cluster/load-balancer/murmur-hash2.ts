// MurmurHash2 (64-bit, the variant of libstdc++'s std::hash): only for rings that ask for MURMUR_HASH_2. Runs when
// hosts change, never per request.

const MULTIPLIER = 0xc6a4a7935bd1e995n;
const SEED = 0xc70f6907n;
const MASK = (1n << 64n) - 1n;

function mixShift(value: bigint): bigint {
  return value ^ (value >> 47n);
}

/** The 64-bit hash of the bytes of a latin1 string. */
export function murmurHash2(text: string): bigint {
  const bytes = Buffer.from(text, 'latin1');
  const whole = bytes.length & ~7;
  let hash = SEED ^ ((BigInt(bytes.length) * MULTIPLIER) & MASK);
  for (let at = 0; at < whole; at += 8) {
    const word = bytes.readBigUInt64LE(at);
    const data = (mixShift((word * MULTIPLIER) & MASK) * MULTIPLIER) & MASK;
    hash = ((hash ^ data) * MULTIPLIER) & MASK;
  }
  if (bytes.length > whole) {
    let rest = 0n;
    for (let at = bytes.length - 1; at >= whole; at--) rest = (rest << 8n) | BigInt(bytes[at]!);
    hash = ((hash ^ rest) * MULTIPLIER) & MASK;
  }
  hash = (mixShift(hash) * MULTIPLIER) & MASK;
  return mixShift(hash);
}
