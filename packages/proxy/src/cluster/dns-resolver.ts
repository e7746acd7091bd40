// Asking for the addresses of a name, on the main thread: through the system (which knows /etc/hosts), or
// through configured name servers. When to ask is dns-discovery.ts's affair.

import { promises as dns } from 'node:dns';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type {
  CaresDnsResolverConfig,
  Cluster_DnsLookupFamily,
  Cluster as ClusterConfig,
} from '@dragoman/config';
import { addressText } from './host-spec.ts';

/** What a name resolves to; no addresses when the name exists without any, or does not exist. */
export interface DnsAnswer {
  readonly addresses: readonly string[];
  /** The smallest time to live of the records; undefined when the way of asking does not tell it. */
  readonly ttlMs: number | undefined;
}

export interface DnsResolver {
  /** Rejects when the question could not be answered (time-out, server failure). */
  resolve(name: string, family: Cluster_DnsLookupFamily, wantTtl: boolean): Promise<DnsAnswer>;
}

/** Errors that say "there is no such name (or no address for it)", as against "nobody could tell". */
const NO_SUCH_NAME = new Set(['ENOTFOUND', 'ENODATA', 'EADDRFAMILY']);

function isNoSuchName(error: unknown): boolean {
  return NO_SUCH_NAME.has((error as NodeJS.ErrnoException).code ?? '');
}

type Family = 4 | 6;
type Ask = (name: string, family: Family) => Promise<DnsAnswer>;

const NOTHING: DnsAnswer = { addresses: [], ttlMs: undefined };

async function orNothing(answer: Promise<DnsAnswer>): Promise<DnsAnswer> {
  try {
    return await answer;
  } catch (error) {
    if (isNoSuchName(error)) return NOTHING;
    throw error;
  }
}

function join(a: DnsAnswer, b: DnsAnswer): DnsAnswer {
  const ttls = [a.ttlMs, b.ttlMs].filter(ttl => ttl !== undefined);
  return {
    addresses: [...a.addresses, ...b.addresses],
    ttlMs: ttls.length === 0 ? undefined : Math.min(...ttls),
  };
}

/** One question or two, as dns_lookup_family says. */
async function askFamilies(
  ask: Ask,
  name: string,
  family: Cluster_DnsLookupFamily,
  hasIpv6: boolean,
): Promise<DnsAnswer> {
  switch (family) {
    case 'V4_ONLY':
      return orNothing(ask(name, 4));
    case 'V6_ONLY':
      return orNothing(ask(name, 6));
    case 'ALL': {
      const [v6, v4] = await Promise.all([orNothing(ask(name, 6)), orNothing(ask(name, 4))]);
      return join(v6, v4);
    }
    case 'V4_PREFERRED': {
      const first = await orNothing(ask(name, 4));
      return first.addresses.length > 0 ? first : orNothing(ask(name, 6));
    }
    case 'AUTO': {
      const first = hasIpv6 ? await orNothing(ask(name, 6)) : NOTHING;
      return first.addresses.length > 0 ? first : orNothing(ask(name, 4));
    }
  }
}

/** On a machine without any IPv6 address an IPv6 answer is of no use, so AUTO does not ask for one. */
function machineHasIpv6(): boolean {
  return Object.values(networkInterfaces()).some(entries => entries?.some(entry => entry.family === 'IPv6'));
}

const lookup: Ask = async (name, family) => {
  const found = await dns.lookup(name, { all: true, family, order: 'verbatim' });
  return { addresses: found.map(entry => entry.address), ttlMs: undefined };
};

function askServers(resolver: dns.Resolver): Ask {
  return async (name, family) => {
    const records =
      family === 4
        ? await resolver.resolve4(name, { ttl: true })
        : await resolver.resolve6(name, { ttl: true });
    return {
      addresses: records.map(record => record.address),
      ttlMs: records.length === 0 ? undefined : Math.min(...records.map(record => record.ttl)) * 1000,
    };
  };
}

/** Names that never leave the machine (RFC 6761 section 6.3). */
function isLocalName(name: string): boolean {
  return /(^|\.)localhost\.?$/i.test(name);
}

/**
 * A resolver on Node's own. `servers` ("10.0.0.53" or "10.0.0.53:5353") replaces the system's configuration.
 * With `wantTtl` the name servers are asked first, since only they know; names they do not have (/etc/hosts) are
 * then looked up through the system.
 */
export function systemResolver(servers: readonly string[] = []): DnsResolver {
  const own = new dns.Resolver();
  if (servers.length > 0) own.setServers(servers);
  const direct = askServers(own);
  return {
    async resolve(name, family, wantTtl) {
      if (isIP(name) !== 0) return { addresses: [name], ttlMs: undefined };
      const hasIpv6 = machineHasIpv6();
      if (isLocalName(name)) return askFamilies(lookup, name, family, hasIpv6);
      if (servers.length > 0) return askFamilies(direct, name, family, hasIpv6);
      if (wantTtl) {
        const answer = await askFamilies(direct, name, family, hasIpv6).catch(() => NOTHING);
        if (answer.addresses.length > 0) return answer;
      }
      return askFamilies(lookup, name, family, hasIpv6);
    },
  };
}

/**
 * The resolver that each cluster asks for: by its name servers (dns_resolvers, dns_resolution_config or
 * typed_dns_resolver_config), or the system's. Clusters with the same name servers share one.
 */
export function clusterResolvers(): (config: ClusterConfig) => DnsResolver {
  const byServers = new Map<string, DnsResolver>();
  return config => {
    const servers = nameServers(config);
    const key = servers.join(' ');
    let resolver = byServers.get(key);
    if (resolver === undefined) {
      resolver = systemResolver(servers);
      byServers.set(key, resolver);
    }
    return resolver;
  };
}

function nameServers(config: ClusterConfig): string[] {
  const typed = config.typedDnsResolverConfig?.typedConfig;
  const fromTyped = typed?.typeName.endsWith('.CaresDnsResolverConfig')
    ? (typed.value as CaresDnsResolverConfig).resolvers
    : undefined;
  const addresses = fromTyped ?? config.dnsResolutionConfig?.resolvers ?? config.dnsResolvers ?? [];
  return addresses.flatMap(({ socketAddress }) =>
    socketAddress === undefined
      ? []
      : [addressText(socketAddress.address, socketAddress.portValue || 53, '')],
  );
}
