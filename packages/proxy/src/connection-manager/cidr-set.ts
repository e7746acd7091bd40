// A set of address ranges, asked once per request whether a client address is inside one of them.

import { BlockList, isIP } from 'node:net';

export class CidrSet {
  readonly #ranges: BlockList | null;

  constructor(ranges: readonly { addressPrefix: string; prefixLen?: number }[]) {
    if (ranges.length === 0) {
      this.#ranges = null;
      return;
    }
    this.#ranges = new BlockList();
    for (const { addressPrefix, prefixLen } of ranges)
      this.#ranges.addSubnet(addressPrefix, prefixLen ?? 0, isIP(addressPrefix) === 6 ? 'ipv6' : 'ipv4');
  }

  has(address: string): boolean {
    if (this.#ranges === null) return false;
    const version = isIP(address);
    return version !== 0 && this.#ranges.check(address, version === 6 ? 'ipv6' : 'ipv4');
  }
}
