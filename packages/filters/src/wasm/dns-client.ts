// Names that plugins of a worker want resolved (envoy_resolve_dns): by the system's name servers and hosts file, a bounded
// number at a time, so that a plugin cannot make the worker flood them.

import { Status } from '@dragoman/abi';
import { type DnsResolver, systemResolver } from '@dragoman/proxy';
import type { Callout, DnsRecord } from '@dragoman/vm';

/** Questions of all plugins of a worker under way at the same time. */
const MAX_PENDING = 128;
/** Where the answer has none: of the hosts file, and of a name that is an address. */
const NO_TTL_SECONDS = 0;

export class DnsClient {
  readonly #resolver: DnsResolver;
  #pending = 0;

  constructor(resolver: DnsResolver = systemResolver()) {
    this.#resolver = resolver;
  }

  /** `onDone` comes later, with null where nobody could tell. INTERNAL_FAILURE: too many questions. */
  resolve(name: string, onDone: (records: readonly DnsRecord[] | null) => void): Callout | Status {
    if (this.#pending >= MAX_PENDING) return Status.InternalFailure;
    this.#pending++;
    let cancelled = false;
    const answer = (records: readonly DnsRecord[] | null) => {
      this.#pending--;
      if (!cancelled) onDone(records);
    };
    this.#resolver.resolve(name, 'AUTO', true).then(
      ({ addresses, ttlMs }) => {
        const ttlSeconds = ttlMs === undefined ? NO_TTL_SECONDS : Math.floor(ttlMs / 1000);
        answer(addresses.map(address => ({ address, ttlSeconds })));
      },
      () => answer(null),
    );
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }
}
