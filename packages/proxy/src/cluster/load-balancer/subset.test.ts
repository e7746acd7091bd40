// Subsets: which hosts a route's criteria lead to, and every fallback.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Cluster_LbSubsetConfig as SubsetSettings } from '@dragoman/config';
import { Cluster } from '../cluster.ts';
import { clusterSnapshot, hostSpecOf, workerFixture } from '../test-fixture.ts';
import { LbContext } from './load-balancer.ts';
import { compileMetadataMatch } from './metadata-match.ts';

const metadata = (lb: JsonObject) => ({ filterMetadata: { 'envoy.lb': lb }, typedFilterMetadata: {} });

const HOSTS = [
  hostSpecOf('10.0.0.1:80', { metadata: metadata({ stage: 'dev', version: '1' }) }),
  hostSpecOf('10.0.0.2:80', { metadata: metadata({ stage: 'prod', version: '1' }) }),
  hostSpecOf('10.0.0.3:80', { metadata: metadata({ stage: 'prod', version: ['2', '3'] }) }),
  hostSpecOf('10.0.0.4:80'),
];

function selector(keys: string[], settings: object = {}) {
  return {
    keys,
    singleHostPerSubset: false,
    fallbackPolicy: 'NOT_DEFINED',
    fallbackKeysSubset: [],
    ...settings,
  };
}

function subsetCluster(settings: object) {
  const lbSubsetConfig = {
    fallbackPolicy: 'NO_FALLBACK',
    subsetSelectors: [selector(['stage'])],
    localityWeightAware: false,
    scaleLocalityWeight: false,
    panicModeAny: false,
    listAsAny: false,
    metadataFallbackPolicy: 'METADATA_NO_FALLBACK',
    ...settings,
  } as SubsetSettings;
  const fixture = workerFixture();
  const cluster = new Cluster(clusterSnapshot(HOSTS, { lbSubsetConfig }), fixture.context);
  const hostsFor = (criteria: JsonObject | null): string => {
    const context = new LbContext();
    context.metadataMatch = criteria === null ? null : compileMetadataMatch(metadata(criteria));
    const seen = new Set<string>();
    for (let i = 0; i < 12; i++) seen.add(cluster.chooseHost(context)?.addressText.slice(7, 8) ?? 'none');
    return [...seen].sort().join(' ');
  };
  return { ...fixture, cluster, hostsFor };
}

test('criteria choose a subset; without one there is no host under NO_FALLBACK', () => {
  const { hostsFor, lane } = subsetCluster({});
  assert.equal(hostsFor({ stage: 'dev' }), '1');
  assert.equal(hostsFor({ stage: 'prod' }), '2 3');
  assert.equal(lane.value('cluster.app.lb_subsets_selected'), 24);
  assert.equal(hostsFor({ stage: 'test' }), 'none');
  assert.equal(hostsFor({ version: '1' }), 'none');
  assert.equal(hostsFor({ stage: 'dev', version: '1' }), 'none');
  assert.equal(hostsFor(null), 'none');
  assert.equal(lane.value('cluster.app.lb_subsets_active'), 2);
  assert.equal(lane.value('cluster.app.lb_subsets_created'), 2);
});

test('fallbacks of the cluster', () => {
  const any = subsetCluster({ fallbackPolicy: 'ANY_ENDPOINT' });
  assert.equal(any.hostsFor({ stage: 'test' }), '1 2 3 4');
  assert.equal(any.lane.value('cluster.app.lb_subsets_fallback'), 12);
  const preset = subsetCluster({ fallbackPolicy: 'DEFAULT_SUBSET', defaultSubset: { stage: 'dev' } });
  assert.equal(preset.hostsFor({ stage: 'test' }), '1');
  assert.equal(preset.hostsFor(null), '1');
  const panic = subsetCluster({
    fallbackPolicy: 'DEFAULT_SUBSET',
    defaultSubset: { stage: 'gone' },
    panicModeAny: true,
  });
  assert.equal(panic.hostsFor({ stage: 'test' }), '1 2 3 4');
  assert.equal(panic.lane.value('cluster.app.lb_subsets_fallback_panic'), 12);
});

test('fallbacks of a selector come first', () => {
  const subsetSelectors = [
    selector(['stage', 'version'], { fallbackPolicy: 'KEYS_SUBSET', fallbackKeysSubset: ['stage'] }),
    selector(['stage'], { fallbackPolicy: 'ANY_ENDPOINT' }),
    selector(['version'], { fallbackPolicy: 'NO_FALLBACK' }),
  ];
  const { hostsFor } = subsetCluster({
    subsetSelectors,
    fallbackPolicy: 'DEFAULT_SUBSET',
    defaultSubset: { stage: 'dev' },
  });
  assert.equal(hostsFor({ version: '1', stage: 'prod' }), '2');
  assert.equal(hostsFor({ version: '9', stage: 'prod' }), '2 3');
  assert.equal(hostsFor({ version: '9', stage: 'gone' }), '1 2 3 4');
  assert.equal(hostsFor({ version: '9' }), 'none');
  assert.equal(hostsFor({ other: '9' }), '1');
});

test('a list stands for any of its members when asked to', () => {
  const subsetSelectors = [selector(['version'])];
  assert.equal(subsetCluster({ subsetSelectors }).hostsFor({ version: '3' }), 'none');
  assert.equal(subsetCluster({ subsetSelectors, listAsAny: true }).hostsFor({ version: '3' }), '3');
  assert.equal(subsetCluster({ subsetSelectors }).hostsFor({ version: ['2', '3'] }), '3');
});

test('subsets follow the hosts', () => {
  const { cluster, hostsFor, lane } = subsetCluster({});
  cluster.setHosts(HOSTS.slice(1));
  assert.equal(hostsFor({ stage: 'dev' }), 'none');
  assert.equal(hostsFor({ stage: 'prod' }), '2 3');
  assert.equal(lane.value('cluster.app.lb_subsets_removed'), 1);
});

test('metadata of several levels is merged, the last one counts', () => {
  const match = compileMetadataMatch(metadata({ a: 1, b: { y: 1, x: 2 } }), undefined, metadata({ a: 2 }));
  assert.deepEqual(match!.criteria, [
    ['a', '2'],
    ['b', '{"x":2,"y":1}'],
  ]);
  assert.equal(compileMetadataMatch(undefined), null);
});
