// Which filter chain a new connection gets: Envoy's nine criteria in their order, each of them keeping only the most
// specific of the chains that are left. A wrong criterion at an earlier step is not undone at a later one.

import type { FilterChainMatch } from '@dragoman/config';
import { isLoopback } from '../connection-manager/client-address.ts';
import { AddressRange, addressBytes, longestMatch } from './address-range.ts';

/** What is known of a connection when its chain is chosen. */
export interface ConnectionCriteria {
  readonly localAddress: string;
  readonly localPort: number;
  /** Lower-case server name, or ''. */
  readonly serverName: string;
  /** "tls" or "raw_buffer". */
  readonly transportProtocol: string;
  /** In the client's order of preference. */
  readonly applicationProtocols: readonly string[];
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The peer of the socket: not what the PROXY protocol says. */
  readonly directRemoteAddress: string;
}

/** The same with addresses as bytes. */
interface Subject extends ConnectionCriteria {
  readonly local: Uint8Array | null;
  readonly remote: Uint8Array | null;
  readonly direct: Uint8Array | null;
}

const NO_MATCH = -1;
/** The chain says nothing about the criterion. */
const ANY = 0;

/** One compiled filter_chain_match. Each criterion answers NO_MATCH, ANY, or more the more specific it matches. */
class ChainRule {
  readonly #port: number;
  readonly #destinations: readonly AddressRange[];
  readonly #names: ReadonlySet<string>;
  readonly #transport: string;
  readonly #protocols: readonly string[];
  readonly #directSources: readonly AddressRange[];
  readonly #sourceType: string;
  readonly #sources: readonly AddressRange[];
  readonly #sourcePorts: readonly number[];

  constructor(match: FilterChainMatch | undefined) {
    this.#port = match?.destinationPort ?? 0;
    this.#destinations = (match?.prefixRanges ?? []).map(range => new AddressRange(range));
    this.#names = new Set((match?.serverNames ?? []).map(name => name.toLowerCase()));
    this.#transport = match?.transportProtocol ?? '';
    this.#protocols = match?.applicationProtocols ?? [];
    this.#directSources = (match?.directSourcePrefixRanges ?? []).map(range => new AddressRange(range));
    this.#sourceType = match?.sourceType ?? 'ANY';
    this.#sources = (match?.sourcePrefixRanges ?? []).map(range => new AddressRange(range));
    this.#sourcePorts = match?.sourcePorts ?? [];
  }

  get matchesEverything(): boolean {
    const lists = [
      this.#destinations,
      this.#protocols,
      this.#directSources,
      this.#sources,
      this.#sourcePorts,
    ];
    return (
      this.#port === 0 &&
      this.#names.size === 0 &&
      this.#transport === '' &&
      this.#sourceType === 'ANY' &&
      lists.every(list => list.length === 0)
    );
  }

  /** The criteria need the bytes of a TLS ClientHello. */
  get needsClientHello(): boolean {
    return this.#names.size > 0 || this.#transport !== '' || this.#protocols.length > 0;
  }

  score(step: number, subject: Subject): number {
    switch (step) {
      case 0:
        return this.#port === 0 ? ANY : this.#port === subject.localPort ? 1 : NO_MATCH;
      case 1:
        return rangeScore(this.#destinations, subject.local);
      case 2:
        return this.#nameScore(subject.serverName);
      case 3:
        return this.#transport === '' ? ANY : this.#transport === subject.transportProtocol ? 1 : NO_MATCH;
      case 4:
        return this.#protocolScore(subject.applicationProtocols);
      case 5:
        return rangeScore(this.#directSources, subject.direct);
      case 6:
        return this.#sourceTypeScore(subject);
      case 7:
        return rangeScore(this.#sources, subject.remote);
      default:
        if (this.#sourcePorts.length === 0) return ANY;
        return this.#sourcePorts.includes(subject.remotePort) ? 1 : NO_MATCH;
    }
  }

  /** The exact name, then the wildcard with most labels, then chains without names. */
  #nameScore(name: string): number {
    if (this.#names.size === 0) return ANY;
    if (name === '') return NO_MATCH;
    if (this.#names.has(name)) return Number.MAX_SAFE_INTEGER;
    for (let dot = name.indexOf('.', 1); dot >= 0 && dot < name.length - 1; dot = name.indexOf('.', dot + 1))
      if (this.#names.has(`*${name.slice(dot)}`)) return name.length - dot;
    return NO_MATCH;
  }

  /** The first protocol of the client that any chain names decides. */
  #protocolScore(offered: readonly string[]): number {
    if (this.#protocols.length === 0) return ANY;
    const first = offered.findIndex(protocol => this.#protocols.includes(protocol));
    return first < 0 ? NO_MATCH : offered.length - first;
  }

  #sourceTypeScore(subject: Subject): number {
    if (this.#sourceType === 'ANY') return ANY;
    const local = isLoopback(subject.remoteAddress) || subject.remoteAddress === subject.localAddress;
    return local === (this.#sourceType === 'SAME_IP_OR_LOOPBACK') ? 1 : NO_MATCH;
  }
}

function rangeScore(ranges: readonly AddressRange[], address: Uint8Array | null): number {
  if (ranges.length === 0) return ANY;
  const bits = longestMatch(ranges, address);
  return bits < 0 ? NO_MATCH : bits + 1;
}

const STEPS = 9;

interface Candidate<Chain> {
  readonly rule: ChainRule;
  readonly chain: Chain;
}

/** The chains of one listener. */
export class FilterChainMatcher<Chain> {
  readonly #chains: readonly Candidate<Chain>[];
  readonly #defaultChain: Chain | null;
  /** The chain when there is nothing to choose. */
  readonly #only: Chain | null;
  /** A ClientHello has to be read before a chain can be chosen. */
  readonly needsClientHello: boolean;

  constructor(
    chains: readonly { readonly match: FilterChainMatch | undefined; readonly chain: Chain }[],
    defaultChain: Chain | null,
  ) {
    this.#chains = chains.map(({ match, chain }) => ({ rule: new ChainRule(match), chain }));
    this.#defaultChain = defaultChain;
    const [first] = this.#chains;
    if (first === undefined) this.#only = defaultChain;
    else this.#only = this.#chains.length === 1 && first.rule.matchesEverything ? first.chain : null;
    this.needsClientHello = this.#chains.some(({ rule }) => rule.needsClientHello);
  }

  /** The chain every connection gets, or null when it depends on the connection. */
  get only(): Chain | null {
    return this.#only;
  }

  /** The chain for a connection; null: it has to be closed. */
  select(criteria: ConnectionCriteria): Chain | null {
    if (this.#only !== null) return this.#only;
    const subject: Subject = {
      ...criteria,
      local: addressBytes(criteria.localAddress),
      remote: addressBytes(criteria.remoteAddress),
      direct: addressBytes(criteria.directRemoteAddress),
    };
    let left = this.#chains;
    for (let step = 0; step < STEPS && left.length > 0; step++) {
      let best = ANY;
      let survivors: Candidate<Chain>[] = [];
      for (const candidate of left) {
        const score = candidate.rule.score(step, subject);
        if (score < best) continue;
        if (score > best) survivors = [];
        best = score;
        survivors.push(candidate);
      }
      left = survivors;
    }
    return left.length > 0 ? left[0].chain : this.#defaultChain;
  }
}
