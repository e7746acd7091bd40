import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilterChainMatch } from '@dragoman/config';
import { type ConnectionCriteria, FilterChainMatcher } from './filter-chain-match.ts';

const NOTHING: FilterChainMatch = {
  prefixRanges: [],
  addressSuffix: '',
  directSourcePrefixRanges: [],
  sourceType: 'ANY',
  sourcePrefixRanges: [],
  sourcePorts: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
};

function matcher(
  chains: Record<string, Partial<FilterChainMatch>>,
  defaultChain: string | null = null,
): FilterChainMatcher<string> {
  const list = Object.entries(chains).map(([chain, match]) => ({ match: { ...NOTHING, ...match }, chain }));
  return new FilterChainMatcher(list, defaultChain);
}

const connection = (more: Partial<ConnectionCriteria> = {}): ConnectionCriteria => ({
  localAddress: '10.0.0.1',
  localPort: 443,
  serverName: '',
  transportProtocol: 'tls',
  applicationProtocols: [],
  remoteAddress: '192.168.7.9',
  remotePort: 50_000,
  directRemoteAddress: '192.168.7.9',
  ...more,
});

test('server names: exact, then the longest wildcard, then chains without names', () => {
  const chains = matcher({
    exact: { serverNames: ['a.example.com'] },
    deep: { serverNames: ['*.b.example.com'] },
    wide: { serverNames: ['*.example.com'] },
    none: {},
  });
  const pick = (serverName: string): string | null => chains.select(connection({ serverName }));
  assert.equal(pick('a.example.com'), 'exact');
  assert.equal(pick('x.b.example.com'), 'deep');
  assert.equal(pick('y.x.b.example.com'), 'deep');
  assert.equal(pick('z.example.com'), 'wide');
  assert.equal(pick('example.com'), 'none');
  assert.equal(pick(''), 'none');
});

test('a better match at an earlier step is not undone at a later one', () => {
  const chains = matcher({
    name: { serverNames: ['a.test'], applicationProtocols: ['h2'] },
    protocol: { applicationProtocols: ['http/1.1'] },
  });
  const http1 = ['http/1.1'];
  assert.equal(chains.select(connection({ applicationProtocols: http1 })), 'protocol');
  assert.equal(chains.select(connection({ serverName: 'a.test', applicationProtocols: http1 })), null);
});

test('the default chain takes what no chain matches, also at a later step', () => {
  const chains = matcher({ name: { serverNames: ['a.test'], applicationProtocols: ['h2'] } }, 'default');
  assert.equal(chains.select(connection({ serverName: 'b.test' })), 'default');
  assert.equal(chains.select(connection({ serverName: 'a.test', applicationProtocols: ['x'] })), 'default');
});

test('the client decides between application protocols', () => {
  const chains = matcher({
    h1: { applicationProtocols: ['http/1.1'] },
    h2: { applicationProtocols: ['h2'] },
  });
  assert.equal(chains.select(connection({ applicationProtocols: ['h2', 'http/1.1'] })), 'h2');
  assert.equal(chains.select(connection({ applicationProtocols: ['http/1.1', 'h2'] })), 'h1');
});

test('ranges: the longest prefix wins, for destinations and sources', () => {
  const range = (addressPrefix: string, prefixLen: number): { addressPrefix: string; prefixLen: number } => ({
    addressPrefix,
    prefixLen,
  });
  const chains = matcher({
    near: { prefixRanges: [range('10.0.0.0', 24)], sourcePrefixRanges: [range('192.168.7.0', 25)] },
    nearer: { prefixRanges: [range('10.0.0.0', 24)], sourcePrefixRanges: [range('192.168.7.8', 29)] },
    far: { prefixRanges: [range('10.0.0.0', 8)] },
    six: { prefixRanges: [range('2001:db8::', 33)] },
  });
  assert.equal(chains.select(connection()), 'nearer');
  assert.equal(chains.select(connection({ remoteAddress: '192.168.7.100' })), 'near');
  assert.equal(chains.select(connection({ remoteAddress: '1.1.1.1' })), null);
  assert.equal(chains.select(connection({ localAddress: '10.9.0.1' })), 'far');
  assert.equal(chains.select(connection({ localAddress: '::ffff:10.9.0.1' })), 'far');
  assert.equal(chains.select(connection({ localAddress: '2001:db8:7fff::1' })), 'six');
  assert.equal(chains.select(connection({ localAddress: '2001:db8:8000::1' })), null);
});

test('ports, transport protocol and source type', () => {
  const chains = matcher({
    port: { destinationPort: 8443 },
    plain: { transportProtocol: 'raw_buffer' },
    own: { transportProtocol: 'tls', sourceType: 'SAME_IP_OR_LOOPBACK' },
    source: { transportProtocol: 'tls', sourcePorts: [1, 2] },
  });
  assert.equal(chains.select(connection({ localPort: 8443 })), 'port');
  assert.equal(chains.select(connection({ transportProtocol: 'raw_buffer' })), 'plain');
  assert.equal(chains.select(connection({ remoteAddress: '127.0.0.1' })), 'own');
  assert.equal(chains.select(connection({ remoteAddress: '10.0.0.1' })), 'own');
  assert.equal(chains.select(connection({ remotePort: 2 })), 'source');
  assert.equal(chains.select(connection()), null);
});

test('one chain for everything needs no choice', () => {
  assert.equal(matcher({ all: {} }).only, 'all');
  assert.equal(matcher({}, 'default').only, 'default');
  assert.equal(matcher({ some: { serverNames: ['a.test'] } }).only, null);
  assert.equal(matcher({ some: { serverNames: ['a.test'] } }).needsClientHello, true);
  assert.equal(matcher({ some: { destinationPort: 1 } }).needsClientHello, false);
});
