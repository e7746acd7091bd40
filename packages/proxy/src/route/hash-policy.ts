// HashPolicy of a route: what of a request decides its host in ring hash and Maglev clusters.

import { DragomanError } from '@dragoman/base';
import type { RouteAction_HashPolicy } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import { addressText } from '../cluster/host-spec.ts';
import { type Hash64, mixHash, xxHash64 } from '../cluster/load-balancer/xxhash64.ts';
import type { StreamInfo } from '../filter-chain/stream-info.ts';
import { cookie } from './cookie.ts';
import { queryParameter } from './query-parameters.ts';
import { RegexSubstitution } from './regex.ts';

/** Where the hash goes; LbContext is one. */
export interface HashTarget extends Hash64 {
  hasHash: boolean;
}

const Kind = { Header: 0, Cookie: 1, SourceAddress: 2, QueryParameter: 3, FilterState: 4 } as const;

interface Rule {
  readonly kind: number;
  readonly name: string;
  readonly terminal: boolean;
  readonly rewrite: RegexSubstitution | null;
  /** Generate the cookie when the request has none. */
  readonly generates: boolean;
  /** What follows name and value in set-cookie. */
  readonly cookieSuffix: string;
}

const part: Hash64 = { hashHigh: 0, hashLow: 0 };

export class HashPolicy {
  readonly #rules: readonly Rule[];

  constructor(configs: readonly RouteAction_HashPolicy[]) {
    this.#rules = configs.map(compileRule);
  }

  /**
   * Puts the hash of a request into `target` (hasHash is false when no policy applies).
   * Returns the value of a set-cookie header for the response when a cookie was generated, else null.
   */
  compute(headers: RequestHeaders, info: StreamInfo, target: HashTarget): string | null {
    target.hasHash = false;
    target.hashHigh = 0;
    target.hashLow = 0;
    let setCookie: string | null = null;
    for (let i = 0; i < this.#rules.length; i++) {
      const rule = this.#rules[i];
      let found = hashOf(rule, headers, info);
      if (!found && rule.kind === Kind.Cookie && rule.generates) {
        const value = cookieValue(info);
        xxHash64(value, part);
        found = true;
        const line = `${rule.name}="${value}"${rule.cookieSuffix}`;
        setCookie = setCookie === null ? line : `${setCookie}\n${line}`;
      }
      if (found) {
        mixHash(target, part.hashHigh, part.hashLow);
        target.hasHash = true;
      }
      if (rule.terminal && target.hasHash) break;
    }
    return setCookie;
  }
}

/** Leaves the hash of one rule in `part`; false when the request has nothing to hash for it. */
function hashOf(rule: Rule, headers: RequestHeaders, info: StreamInfo): boolean {
  let text: string | undefined;
  switch (rule.kind) {
    case Kind.Header:
      return hashHeader(rule, headers);
    case Kind.Cookie:
      text = cookie(headers, rule.name) || undefined;
      break;
    case Kind.SourceAddress:
      text = info.downstreamRemoteAddress || undefined;
      break;
    case Kind.QueryParameter:
      text = queryParameter(headers.path, rule.name);
      break;
    default: {
      const value = info.filterState?.get(rule.name);
      text = typeof value === 'string' ? value : undefined;
    }
  }
  if (text === undefined) return false;
  xxHash64(text, part);
  return true;
}

function hashHeader(rule: Rule, headers: RequestHeaders): boolean {
  const first = headers.get(rule.name);
  if (first === undefined) return false;
  const all = headers.getAll(rule.name);
  const { rewrite } = rule;
  const values = rewrite === null ? all : all.map(value => rewrite.replaceAll(value));
  if (values.length > 1) values.sort();
  for (let i = 0; i < values.length; i++) xxHash64(values[i], part, i === 0 ? 0 : part.hashLow);
  return true;
}

/** The same for all requests of one connection, so that requests in parallel get one cookie. */
function cookieValue(info: StreamInfo): string {
  const { connection } = info;
  const text =
    connection === null
      ? info.downstreamRemoteAddress
      : addressText(connection.remoteAddress, connection.remotePort, '') +
        addressText(connection.localAddress, connection.localPort, '');
  xxHash64(text, part);
  return part.hashHigh.toString(16).padStart(8, '0') + part.hashLow.toString(16).padStart(8, '0');
}

function compileRule(config: RouteAction_HashPolicy): Rule {
  const rule = { name: '', terminal: config.terminal, rewrite: null, generates: false, cookieSuffix: '' };
  if (config.header !== undefined) {
    const { headerName, regexRewrite } = config.header;
    const rewrite =
      regexRewrite === undefined
        ? null
        : new RegexSubstitution(regexRewrite.pattern?.regex ?? '', regexRewrite.substitution);
    const name = headerName.toLowerCase();
    return { ...rule, kind: Kind.Header, name: name === 'host' ? ':authority' : name, rewrite };
  }
  if (config.cookie !== undefined) {
    const { name, ttl, path, attributes } = config.cookie;
    let cookieSuffix = ttl === undefined || ttl === 0 ? '' : `; Max-Age=${Math.floor(ttl / 1000)}`;
    if (path !== '') cookieSuffix += `; Path=${path}`;
    for (const attribute of attributes)
      cookieSuffix +=
        attribute.value === '' ? `; ${attribute.name}` : `; ${attribute.name}=${attribute.value}`;
    return {
      ...rule,
      kind: Kind.Cookie,
      name,
      generates: ttl !== undefined,
      cookieSuffix: `${cookieSuffix}; HttpOnly`,
    };
  }
  if (config.connectionProperties !== undefined) {
    if (config.connectionProperties.sourceIp) return { ...rule, kind: Kind.SourceAddress };
    throw new DragomanError('UNSUPPORTED', 'hash_policy: connection_properties without source_ip');
  }
  if (config.queryParameter !== undefined)
    return { ...rule, kind: Kind.QueryParameter, name: config.queryParameter.name };
  if (config.filterState !== undefined)
    return { ...rule, kind: Kind.FilterState, name: config.filterState.key };
  throw new DragomanError('UNSUPPORTED', 'hash_policy: no policy specifier is set');
}
