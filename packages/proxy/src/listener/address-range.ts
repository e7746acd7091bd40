// One CIDR range as bytes, compared by its leading bits: for the most specific of several ranges, which a set cannot tell.

import ipaddr from 'ipaddr.js';

/** The bytes of an IP literal, IPv4-mapped IPv6 as IPv4; null for anything else (a path, ''). */
export function addressBytes(address: string): Uint8Array | null {
  if (!ipaddr.isValid(address)) return null;
  return Uint8Array.from(ipaddr.process(address).toByteArray());
}

export class AddressRange {
  readonly #bytes: Uint8Array;
  readonly #prefixBits: number;

  constructor(range: { addressPrefix: string; prefixLen?: number }) {
    this.#bytes = addressBytes(range.addressPrefix) ?? new Uint8Array(0);
    this.#prefixBits = range.prefixLen ?? 0;
  }

  /** Length of the prefix when `address` is inside, -1 otherwise. */
  matchBits(address: Uint8Array): number {
    const bytes = this.#bytes;
    if (bytes.length !== address.length) return -1;
    const whole = this.#prefixBits >> 3;
    for (let i = 0; i < whole; i++) if (bytes[i] !== address[i]) return -1;
    const rest = this.#prefixBits & 7;
    if (rest !== 0 && (bytes[whole] ^ address[whole]) >> (8 - rest) !== 0) return -1;
    return this.#prefixBits;
  }
}

/** Longest matching prefix of several ranges, -1 when none matches. */
export function longestMatch(ranges: readonly AddressRange[], address: Uint8Array | null): number {
  let longest = -1;
  if (address === null) return longest;
  for (const range of ranges) longest = Math.max(longest, range.matchBits(address));
  return longest;
}
