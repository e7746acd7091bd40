// A cluster as requests use it: statistics by name, places that requests name themselves, dropped overload.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster as ClusterConfig } from '@dragoman/config';
import { Cluster } from './cluster.ts';
import { ClusterDirectory } from './cluster-directory.ts';
import { ClusterManager } from './cluster-manager.ts';
import { HealthFlag } from './host-health.ts';
import { LbContext } from './load-balancer/load-balancer.ts';
import {
  clusterConfig,
  clusterSnapshot,
  directoryFixture,
  hostSpecOf,
  workerFixture,
} from './test-fixture.ts';

test('names that exist before any request', () => {
  const main = directoryFixture();
  const directory = new ClusterDirectory(main.context);
  directory.set(clusterConfig());
  const { context, lane } = workerFixture();
  new Cluster(clusterSnapshot([]), context);
  const names = [...main.lane.names(), ...lane.names()]
    .filter(name => name.startsWith('cluster.app.'))
    .map(name => name.slice('cluster.app.'.length));
  // Groups with the number of their names in Envoy 1.40.
  const groups = { upstream_: 63, lb_: 14, circuit_breakers: 10, membership_: 5, update_: 5, assignment_: 3 };
  for (const [prefix, count] of Object.entries(groups))
    assert.equal(names.filter(name => name.startsWith(prefix)).length, count, prefix);
  const rest = names.filter(name => !Object.keys(groups).some(prefix => name.startsWith(prefix))).sort();
  assert.deepEqual(rest, [
    'bind_errors',
    'default.total_match_count',
    'max_host_weight',
    'original_dst_host_invalid',
    'retry_or_shadow_abandoned',
    'version',
    'warming_state',
  ]);
});

test('the statistics name: alt_stat_name first, colons replaced', () => {
  const { context } = workerFixture();
  const named = (settings: Partial<ClusterConfig>) =>
    new Cluster(clusterSnapshot([], settings), context).statName;
  assert.equal(named({ name: 'outbound|80||a:b' }), 'outbound|80||a_b');
  assert.equal(named({ altStatName: 'x;' }), 'x;');
});

function originalDst(settings: object = {}) {
  const fixture = workerFixture();
  const manager = new ClusterManager(fixture.context);
  const removed: string[] = [];
  manager.listen({
    onHostRemoved: host => removed.push(host.addressText),
    onHostHealthWorse: () => {},
    onClusterAdded: () => {},
    onClusterRemoved: () => {},
  });
  const config = {
    type: 'ORIGINAL_DST',
    lbPolicy: 'CLUSTER_PROVIDED',
    originalDstLbConfig: { useHttpHeader: true, httpHeaderName: '', ...settings },
  } as Partial<ClusterConfig>;
  manager.applySnapshot([clusterSnapshot([], config)]);
  const cluster = manager.get('app')!;
  const hostFor = (text: string) => {
    const lb = new LbContext();
    lb.originalDestination = text;
    return cluster.chooseHost(lb);
  };
  return { ...fixture, manager, cluster, hostFor, removed, config };
}

test('ORIGINAL_DST: the request names its host, which is kept while it is used', () => {
  const { hostFor, cluster, clock, removed, lane, manager, config } = originalDst();
  assert.equal(cluster.originalDstHeader, 'x-envoy-original-dst-host');
  const host = hostFor('10.0.0.1:80')!;
  assert.deepEqual([host.address, host.port], ['10.0.0.1', 80]);
  assert.equal(hostFor('10.0.0.1:80'), host);
  assert.equal(hostFor('[::1]:8080')!.address, '::1');
  for (const text of ['10.0.0.1', 'app.test:80', '10.0.0.1:99999', '::1:80', '[10.0.0.1]:80', ':80'])
    assert.equal(hostFor(text), null, text);
  assert.equal(lane.value('cluster.app.original_dst_host_invalid'), 6);
  assert.equal(hostFor(''), null);
  manager.applySnapshot([clusterSnapshot([], config)]);
  assert.equal(cluster.hosts.length, 2);
  host.activeRequests = 1;
  clock.advance(5000);
  assert.deepEqual(removed, []);
  clock.advance(5000);
  assert.deepEqual(removed, ['[::1]:8080']);
  host.activeRequests = 0;
  clock.advance(5000);
  assert.deepEqual(removed, ['[::1]:8080', '10.0.0.1:80']);
  assert.ok(!clock.pending.includes(5000), 'no host, no clean-up');
});

test('ORIGINAL_DST: the port can be overridden', () => {
  const { hostFor } = originalDst({ upstreamPortOverride: 443 });
  assert.equal(hostFor('10.0.0.1:80')!.addressText, '10.0.0.1:443');
  assert.equal(hostFor('10.0.0.1:81'), hostFor('10.0.0.1:80'));
});

test('a session bound to a host goes there as long as it is not unhealthy', () => {
  const { context } = workerFixture();
  const cluster = new Cluster(
    clusterSnapshot([hostSpecOf('10.0.0.1:80'), hostSpecOf('10.0.0.2:80')]),
    context,
  );
  const lb = new LbContext();
  lb.overrideHost = '10.0.0.2:80';
  const picked = () => new Set(Array.from({ length: 4 }, () => cluster.chooseHost(lb)!.addressText));
  assert.deepEqual([...picked()], ['10.0.0.2:80']);
  cluster.setHealth(['10.0.0.2:80', HealthFlag.FAILED_ACTIVE_HC]);
  assert.deepEqual([...picked()], ['10.0.0.1:80']);
  lb.overrideHost = '10.0.0.9:80';
  assert.deepEqual([...picked()], ['10.0.0.1:80']);
});

test('a retry passes over canaries when asked to, a first attempt does not', () => {
  const { context } = workerFixture();
  const metadata = { filterMetadata: { 'envoy.lb': { canary: true } }, typedFilterMetadata: {} };
  const hosts = [hostSpecOf('10.0.0.1:80', { metadata }), hostSpecOf('10.0.0.2:80')];
  const cluster = new Cluster(clusterSnapshot(hosts), context);
  const lb = new LbContext();
  lb.omitCanaries = true;
  lb.hostSelectionRetries = 3;
  const picked = () => new Set(Array.from({ length: 6 }, () => cluster.chooseHost(lb)!.addressText));
  assert.equal(picked().size, 2);
  lb.isRetry = true;
  assert.deepEqual([...picked()], ['10.0.0.2:80']);
});

test('drop_overloads drops its share', () => {
  const { context, lane } = workerFixture();
  const dropPercentage = { numerator: 250_000, denominator: 'MILLION' };
  const policy = { dropOverloads: [{ category: 'any', dropPercentage }], weightedPriorityHealth: false };
  const loadAssignment = {
    clusterName: 'app',
    endpoints: [],
    namedEndpoints: {},
    policy,
  } as ClusterConfig['loadAssignment'];
  const cluster = new Cluster(clusterSnapshot([hostSpecOf('10.0.0.1:80')], { loadAssignment }), context);
  let dropped = 0;
  for (let i = 0; i < 1000; i++) if (cluster.dropsOverload()) dropped++;
  assert.ok(dropped > 200 && dropped < 300, `${dropped}`);
  const plain = new Cluster(clusterSnapshot([]), context);
  assert.equal(plain.dropsOverload(), false);
});
