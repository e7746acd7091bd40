// The main thread's clusters: discovery by DNS with a resolver of our own, what workers are told, warming.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster as ClusterConfig, ClusterLoadAssignment } from '@dragoman/config';
import { ClusterDirectory } from './cluster-directory.ts';
import { clusterConfig, directoryFixture, lbEndpoint } from './test-fixture.ts';

function assignment(...hosts: [host: string, settings?: object][]): ClusterLoadAssignment {
  return {
    clusterName: 'app',
    namedEndpoints: {},
    endpoints: [
      { priority: 0, lbEndpoints: hosts.map(([host, settings]) => lbEndpoint(host, 80, settings)) },
    ],
  } as unknown as ClusterLoadAssignment;
}

function named(type: ClusterConfig['type'], ...hosts: string[]): ClusterConfig {
  return clusterConfig({ type, loadAssignment: assignment(...hosts.map(host => [host] as [string])) });
}

/** Lets pending promise reactions run. */
const settle = () => new Promise(resolve => setImmediate(resolve));

const texts = (directory: ClusterDirectory) => directory.views()[0]!.hosts.map(host => host.addressText);

test('static hosts are there at once, with health, weight and metadata', async () => {
  const { context, lane } = directoryFixture();
  const directory = new ClusterDirectory(context);
  const metadata = { filterMetadata: { 'envoy.lb': { canary: true } }, typedFilterMetadata: {} };
  directory.set(
    clusterConfig({
      loadAssignment: assignment(
        ['10.0.0.1', { healthStatus: 'DRAINING', loadBalancingWeight: 5, metadata }],
        ['10.0.0.2'],
      ),
    }),
  );
  await directory.warm();
  const [snapshot] = directory.serve();
  assert.deepEqual(
    snapshot!.hosts.map(host => [host.key, host.weight, host.healthFlags]),
    [
      ['10.0.0.1:80', 5, 0x200],
      ['10.0.0.2:80', 1, 0],
    ],
  );
  const [view] = directory.views();
  assert.equal(view!.hosts[0]!.canary, true);
  assert.equal(view!.hosts[0]!.statPrefix, '@host.app.10.0.0.1:80.');
  assert.equal(lane.value('cluster.app.membership_total'), 2);
  assert.equal(lane.value('cluster.app.membership_healthy'), 1);
  assert.equal(lane.value('cluster.app.membership_change'), 1);
  assert.equal(lane.value('cluster.app.default.total_match_count'), 2);
  assert.equal(lane.value('cluster_manager.active_clusters'), 1);
});

test('strict DNS: every address is a host, and answers are asked for again at the refresh rate', async () => {
  const { context, lane, clock, answers, posted } = directoryFixture();
  answers.set('app.test', ['10.0.0.1', '10.0.0.2', '10.0.0.2']);
  const directory = new ClusterDirectory(context);
  directory.set(named('STRICT_DNS', 'app.test'));
  await directory.warm();
  directory.serve();
  assert.deepEqual(texts(directory), ['10.0.0.1:80', '10.0.0.2:80']);
  assert.deepEqual(clock.pending, [5000]);

  clock.advance(5000);
  await settle();
  assert.equal(posted.length, 0);
  assert.equal(lane.value('cluster.app.update_no_rebuild'), 1);

  answers.set('app.test', ['10.0.0.2', '10.0.0.3']);
  clock.advance(5000);
  await settle();
  assert.deepEqual(texts(directory), ['10.0.0.2:80', '10.0.0.3:80']);
  assert.deepEqual(
    posted.map(update => update.kind === 'hosts' && update.hosts.map(host => host.key)),
    [['10.0.0.2:80', '10.0.0.3:80']],
  );
  assert.equal(lane.value('cluster.app.update_attempt'), 3);
  assert.equal(lane.value('cluster.app.update_success'), 3);
});

test('a failed look-up keeps the hosts and backs off; "no such name" empties the cluster', async () => {
  const { context, lane, clock, answers } = directoryFixture();
  answers.set('app.test', ['10.0.0.1']);
  const directory = new ClusterDirectory(context);
  directory.set({
    ...named('STRICT_DNS', 'app.test'),
    dnsFailureRefreshRate: { baseInterval: 1000, maxInterval: 3000 },
  });
  await directory.warm();
  answers.set('app.test', new Error('timeout'));
  clock.advance(5000);
  await settle();
  assert.deepEqual(texts(directory), ['10.0.0.1:80']);
  assert.equal(lane.value('cluster.app.update_failure'), 1);
  const waits: number[] = [];
  for (let i = 0; i < 4; i++) {
    waits.push(clock.pending[0]!);
    clock.advance(clock.pending[0]!);
    await settle();
  }
  for (const [i, limit] of [1000, 2000, 3000, 3000].entries())
    assert.ok(waits[i]! <= limit && waits[i]! >= limit / 2, `wait ${i}: ${waits[i]}`);
  answers.set('app.test', []);
  clock.advance(3000);
  await settle();
  assert.deepEqual(texts(directory), []);
});

test('logical DNS is one host that moves and never goes away', async () => {
  const { context, clock, answers } = directoryFixture();
  answers.set('app.test', ['10.0.0.1', '10.0.0.2']);
  const directory = new ClusterDirectory(context);
  directory.set(named('LOGICAL_DNS', 'app.test'));
  await directory.warm();
  const [before] = directory.serve();
  assert.deepEqual(
    before!.hosts.map(host => [host.address, host.hostname]),
    [['10.0.0.1', 'app.test']],
  );
  answers.set('app.test', ['10.0.0.9']);
  clock.advance(5000);
  await settle();
  const [after] = directory.serve();
  assert.equal(after!.hosts[0]!.address, '10.0.0.9');
  assert.equal(after!.hosts[0]!.key, before!.hosts[0]!.key);
  answers.set('app.test', []);
  clock.advance(5000);
  await settle();
  assert.deepEqual(texts(directory), ['10.0.0.9:80']);
});

test('respect_dns_ttl takes the time to live for the refresh rate', async () => {
  const { context, clock, answers } = directoryFixture({ ttlMs: 30_000 });
  answers.set('app.test', ['10.0.0.1']);
  const directory = new ClusterDirectory(context);
  directory.set({ ...named('STRICT_DNS', 'app.test'), respectDnsTtl: true });
  await directory.warm();
  assert.deepEqual(clock.pending, [30_000]);
});

test('a STATIC cluster with a host name is warned about and resolved', async () => {
  const { context, answers, log } = directoryFixture();
  answers.set('app.test', ['10.0.0.1']);
  const directory = new ClusterDirectory(context);
  directory.set(named('STATIC', 'app.test'));
  await directory.warm();
  assert.deepEqual(texts(directory), ['10.0.0.1:80']);
  assert.equal(log.length, 1);
  assert.match(log[0]!, /cluster app: app\.test in a STATIC cluster/);
});

test('a resolver that does not answer holds up the start no longer than the limit', async () => {
  const { context, clock, answers } = directoryFixture();
  answers.set('app.test', new Promise(() => {}));
  const directory = new ClusterDirectory(context);
  directory.set(named('STRICT_DNS', 'app.test'));
  let warm = false;
  void directory.warm(5000).then(() => {
    warm = true;
  });
  clock.advance(4999);
  await settle();
  assert.equal(warm, false);
  clock.advance(1);
  await settle();
  assert.equal(warm, true);
  assert.deepEqual(directory.serve()[0]!.hosts, []);
});

test('a changed cluster takes over when it is warm; a removed one is posted', async () => {
  const { context, lane, answers, posted } = directoryFixture();
  answers.set('app.test', ['10.0.0.1']);
  const directory = new ClusterDirectory(context);
  const config = named('STRICT_DNS', 'app.test');
  directory.set(config);
  await directory.warm();
  directory.serve();
  assert.equal(directory.set(structuredClone(config)), false);

  let answer: (addresses: string[]) => void = () => {};
  answers.set('slow.test', new Promise<string[]>(resolve => (answer = resolve)));
  directory.set(named('STRICT_DNS', 'slow.test'), true);
  await settle();
  assert.deepEqual(texts(directory), ['10.0.0.1:80']);
  assert.equal(lane.value('cluster_manager.warming_clusters'), 1);
  answer(['10.0.0.2']);
  await settle();
  assert.deepEqual(texts(directory), ['10.0.0.2:80']);
  assert.equal(directory.views()[0]!.addedViaApi, true);
  directory.remove('app');
  assert.deepEqual(
    posted.map(update => update.kind),
    ['cluster', 'cluster-removed'],
  );
  assert.equal(lane.value('cluster_manager.cluster_modified'), 1);
  assert.equal(lane.value('cluster_manager.active_clusters'), 0);
});

test('an EDS cluster waits for its assignment', async () => {
  const { context } = directoryFixture();
  const directory = new ClusterDirectory(context);
  directory.set(clusterConfig({ type: 'EDS', edsClusterConfig: { serviceName: 'service' } }));
  assert.deepEqual(directory.edsServiceNames, ['service']);
  let warm = false;
  const waiting = directory.warm().then(() => {
    warm = true;
  });
  await settle();
  assert.equal(warm, false);
  directory.setAssignment('service', assignment(['10.0.0.7']));
  await waiting;
  assert.deepEqual(texts(directory), ['10.0.0.7:80']);
});
