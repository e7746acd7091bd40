// Applying what the main thread posts: which objects stay, which go, who is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClusterListener, ClusterManager } from './cluster-manager.ts';
import { HealthFlag } from './host-health.ts';
import { clusterSnapshot, hostSpecOf, workerFixture } from './test-fixture.ts';

function listenerInto(events: string[]): ClusterListener {
  return {
    onHostRemoved: host => events.push(`host removed ${host.addressText}`),
    onHostHealthWorse: host => events.push(`worse ${host.addressText}`),
    onClusterAdded: cluster => events.push(`added ${cluster.name}`),
    onClusterRemoved: cluster => events.push(`removed ${cluster.name}`),
  };
}

test('round robin takes the hosts of a static cluster in turn', () => {
  const { context } = workerFixture();
  const manager = new ClusterManager(context);
  const hosts = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'];
  manager.applySnapshot([clusterSnapshot(hosts.map(address => hostSpecOf(address)))]);
  const cluster = manager.get('app')!;
  const picked = Array.from({ length: 6 }, () => cluster.chooseHost(null)!.addressText);
  assert.deepEqual(picked.slice(0, 3), picked.slice(3));
  assert.deepEqual([...new Set(picked)].sort(), hosts);
});

test('a snapshot of a known version keeps the cluster and its hosts', () => {
  const { context } = workerFixture();
  const manager = new ClusterManager(context);
  manager.applySnapshot([clusterSnapshot([hostSpecOf('10.0.0.1:80')])]);
  const cluster = manager.get('app')!;
  const host = cluster.hosts[0];
  manager.applySnapshot([
    clusterSnapshot([hostSpecOf('10.0.0.1:80', { weight: 5 }), hostSpecOf('10.0.0.2:80')]),
  ]);
  assert.equal(manager.get('app'), cluster);
  assert.equal(cluster.hosts[0], host);
  assert.equal(host!.weight, 5);
  assert.equal(cluster.hosts.length, 2);
});

test('a changed cluster is replaced, a missing one removed, and their hosts reported', () => {
  const { context } = workerFixture();
  const manager = new ClusterManager(context);
  const events: string[] = [];
  manager.listen(listenerInto(events));
  manager.applySnapshot([clusterSnapshot([hostSpecOf('10.0.0.1:80')])]);
  const first = manager.get('app')!;
  manager.applySnapshot([clusterSnapshot([hostSpecOf('10.0.0.1:80')], { connectTimeout: 1 }, 2)]);
  assert.notEqual(manager.get('app'), first);
  assert.equal(first.active, false);
  manager.applySnapshot([]);
  assert.equal(manager.get('app'), undefined);
  assert.deepEqual(events, [
    'added app',
    'host removed 10.0.0.1:80',
    'removed app',
    'added app',
    'host removed 10.0.0.1:80',
    'removed app',
  ]);
});

test('host updates keep hosts by key and report the removed', () => {
  const { context } = workerFixture();
  const manager = new ClusterManager(context);
  const events: string[] = [];
  manager.applySnapshot([clusterSnapshot([hostSpecOf('10.0.0.1:80'), hostSpecOf('10.0.0.2:80')])]);
  manager.listen(listenerInto(events));
  const gone = manager.get('app')!.hosts[0]!;
  manager.applyUpdate({ kind: 'hosts', cluster: 'app', hosts: [hostSpecOf('10.0.0.2:80')] });
  assert.equal(gone.inCluster, false);
  assert.deepEqual(events, ['host removed 10.0.0.1:80']);
  assert.equal(manager.get('app')!.chooseHost(null)!.addressText, '10.0.0.2:80');
});

test('health updates change the choice and report hosts that got worse', () => {
  const { context } = workerFixture();
  const manager = new ClusterManager(context);
  const events: string[] = [];
  manager.applySnapshot([clusterSnapshot([hostSpecOf('10.0.0.1:80'), hostSpecOf('10.0.0.2:80')])]);
  manager.listen(listenerInto(events));
  const flags = HealthFlag.FAILED_OUTLIER_CHECK;
  manager.applyUpdate({ kind: 'health', cluster: 'app', changes: ['10.0.0.1:80', flags] });
  assert.deepEqual(events, ['worse 10.0.0.1:80']);
  for (let i = 0; i < 4; i++) assert.equal(manager.get('app')!.chooseHost(null)!.addressText, '10.0.0.2:80');
  manager.applyUpdate({ kind: 'health', cluster: 'app', changes: ['10.0.0.1:80', 0] });
  const picked = new Set(Array.from({ length: 4 }, () => manager.get('app')!.chooseHost(null)!.addressText));
  assert.equal(picked.size, 2);
});

test('no host is charged to upstream_cx_none_healthy', () => {
  const { context, lane } = workerFixture();
  const manager = new ClusterManager(context);
  manager.applySnapshot([clusterSnapshot([])]);
  assert.equal(manager.get('app')!.chooseHost(null), null);
  assert.equal(lane.value('cluster.app.upstream_cx_none_healthy'), 1);
});

test('statistics of what has gone are removed once nothing uses them', () => {
  const { context, lane, clock } = workerFixture();
  const manager = new ClusterManager(context);
  manager.applySnapshot([clusterSnapshot([hostSpecOf('10.0.0.1:80'), hostSpecOf('10.0.0.2:80')])]);
  const [first, second] = manager.get('app')!.hosts;
  const total = (address: string) => lane.value(`@host.app.${address}.rq_total`);
  manager.applyUpdate({ kind: 'hosts', cluster: 'app', hosts: [] });
  context.lane.gaugeInc(second!.stats.cxActive);
  clock.advance(60_000);
  assert.equal(total('10.0.0.1:80'), undefined);
  assert.equal(total('10.0.0.2:80'), 0, 'a connection is still open');
  // The address comes back while the old host drains.
  manager.applyUpdate({ kind: 'hosts', cluster: 'app', hosts: [hostSpecOf('10.0.0.2:80')] });
  context.lane.gaugeDec(second!.stats.cxActive);
  clock.advance(60_000);
  assert.equal(total('10.0.0.2:80'), 0);
  assert.equal(first!.inCluster, false);
  manager.applyUpdate({ kind: 'cluster-removed', name: 'app' });
  assert.equal(lane.value('cluster.app.upstream_rq_total'), 0);
  clock.advance(60_000);
  assert.equal(lane.value('cluster.app.upstream_rq_total'), undefined);
  assert.equal(total('10.0.0.2:80'), undefined);
  assert.deepEqual(clock.pending, []);
});

test('a cluster whose name begins with that of a removed one keeps its statistics', () => {
  const { context, lane, clock } = workerFixture();
  const manager = new ClusterManager(context);
  manager.applySnapshot([clusterSnapshot([], { name: 'a' }), clusterSnapshot([], { name: 'a.b' })]);
  manager.applyUpdate({ kind: 'cluster-removed', name: 'a' });
  clock.advance(60_000);
  assert.equal(lane.value('cluster.a.b.upstream_rq_total'), 0);
  assert.equal(manager.get('a.b')!.chooseHost(null), null);
  assert.equal(lane.value('cluster.a.b.upstream_cx_none_healthy'), 1);
});
