// How each policy spreads requests: fairness, weights, stability of hashing, choice of another host on a retry.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster as ClusterConfig } from '@dragoman/config';
import fc from 'fast-check';
import { Cluster } from '../cluster.ts';
import type { Host } from '../host.ts';
import { HealthFlag } from '../host-health.ts';
import type { HostSpec } from '../host-spec.ts';
import { clusterSnapshot, hostOf, hostSpecOf, seededRandom, workerFixture } from '../test-fixture.ts';
import { weightedHosts } from './consistent-hash.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import { LbContext } from './load-balancer.ts';
import { MaglevTable } from './maglev.ts';
import { Ring } from './ring-hash.ts';
import { xxHash64 } from './xxhash64.ts';

function addresses(count: number, weightOf: (i: number) => number = () => 1): HostSpec[] {
  return Array.from({ length: count }, (_, i) => hostSpecOf(`10.0.0.${i + 1}:80`, { weight: weightOf(i) }));
}

function clusterOf(hosts: readonly HostSpec[], settings: Partial<ClusterConfig> = {}) {
  const fixture = workerFixture();
  return { ...fixture, cluster: new Cluster(clusterSnapshot(hosts, settings), fixture.context) };
}

/** Requests per address over `count` picks. */
function spread(cluster: Cluster, count: number, context: LbContext | null = null): Map<string, number> {
  const seen = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const text = cluster.chooseHost(context)?.addressText ?? 'none';
    seen.set(text, (seen.get(text) ?? 0) + 1);
  }
  return seen;
}

const shares = (seen: Map<string, number>) =>
  [...seen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, n]) => n);

test('ROUND_ROBIN: equal weights are exact', () => {
  const { cluster } = clusterOf(addresses(3));
  assert.deepEqual(shares(spread(cluster, 30)), [10, 10, 10]);
});

test('ROUND_ROBIN: any weights are exact over a whole round, wherever it starts', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }),
      fc.integer(),
      (weights, seed) => {
        const scheduler = new EdfScheduler(
          weights.map((weight, i) => ({ weight, i })),
          item => item.weight,
          seededRandom(seed),
        );
        const sum = weights.reduce((a, b) => a + b, 0);
        const seen = weights.map(() => 0);
        for (let n = 0; n < sum * 3; n++) seen[scheduler.pick()!.i]!++;
        weights.forEach((weight, i) => {
          assert.ok(Math.abs(seen[i]! - 3 * weight) <= 1, `weights ${weights}: ${seen}`);
        });
      },
    ),
  );
});

test('ROUND_ROBIN: weights 1 and 3 over 40 requests are 10 and 30', () => {
  const { cluster } = clusterOf(addresses(2, i => (i === 0 ? 1 : 3)));
  assert.deepEqual(shares(spread(cluster, 40)), [10, 30]);
});

test('LEAST_REQUEST: busy hosts are avoided', () => {
  const { cluster } = clusterOf(addresses(3), { lbPolicy: 'LEAST_REQUEST' });
  assert.ok(shares(spread(cluster, 300)).every(count => count > 60 && count < 140));
  cluster.hosts[0]!.activeRequests = 100;
  const seen = spread(cluster, 900);
  // Picked only when both of its choices are the busy host: one in nine.
  assert.ok(seen.get('10.0.0.1:80')! < 160, `${[...seen]}`);
});

test('LEAST_REQUEST: weights count, and shrink with the requests in hand', () => {
  const { cluster } = clusterOf(
    addresses(2, i => i + 1),
    { lbPolicy: 'LEAST_REQUEST' },
  );
  assert.deepEqual(shares(spread(cluster, 30)), [10, 20]);
  cluster.hosts[1]!.activeRequests = 3;
  const seen = shares(spread(cluster, 300));
  assert.ok(Math.abs(seen[0]! - 200) <= 2, `${seen}`);
});

test('LEAST_REQUEST: a full scan always finds the idle host', () => {
  const typeName = 'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest';
  const typedConfig = { typeUrl: '', typeName, value: { selectionMethod: 'FULL_SCAN' } };
  const { cluster } = clusterOf(addresses(5), {
    loadBalancingPolicy: { policies: [{ typedExtensionConfig: { name: 'any', typedConfig } }] },
  });
  for (const host of cluster.hosts) host.activeRequests = 2;
  cluster.hosts[3]!.activeRequests = 1;
  assert.deepEqual([...spread(cluster, 20).keys()], ['10.0.0.4:80']);
});

test('RANDOM: all hosts alike, weights ignored', () => {
  const { cluster } = clusterOf(
    addresses(3, i => 1 + 10 * i),
    { lbPolicy: 'RANDOM' },
  );
  assert.ok(shares(spread(cluster, 3000)).every(count => count > 850 && count < 1150));
});

function hashed(key: string): LbContext {
  const context = new LbContext();
  context.hasHash = true;
  xxHash64(key, context);
  return context;
}

for (const lbPolicy of ['RING_HASH', 'MAGLEV'] as const) {
  test(`${lbPolicy}: a key stays with its host, keys spread, no hash is random`, () => {
    const { cluster } = clusterOf(addresses(4), { lbPolicy });
    for (const key of ['a', 'b', 'c']) assert.equal(spread(cluster, 10, hashed(key)).size, 1);
    const seen = new Map<string, number>();
    for (let i = 0; i < 2000; i++) {
      const text = cluster.chooseHost(hashed(`key-${i}`))!.addressText;
      seen.set(text, (seen.get(text) ?? 0) + 1);
    }
    assert.ok(
      shares(seen).every(count => count > 350 && count < 650),
      `${[...seen]}`,
    );
    assert.equal(spread(cluster, 100).size, 4);
  });

  test(`${lbPolicy}: removing one of ten hosts moves few keys of the others`, () => {
    const { cluster } = clusterOf(addresses(10), { lbPolicy });
    const keys = Array.from({ length: 2000 }, (_, i) => hashed(`key-${i}`));
    const before = keys.map(key => cluster.chooseHost(key)!.addressText);
    cluster.setHosts(addresses(9));
    let moved = 0;
    keys.forEach((key, i) => {
      if (before[i] !== '10.0.0.10:80' && cluster.chooseHost(key)!.addressText !== before[i]) moved++;
    });
    // Some do: the ring gives each remaining host more places to keep its size, Maglev fills its table anew.
    assert.ok(moved < 200, `${moved} keys moved`);
  });

  test(`${lbPolicy}: a retry that avoids the first host gets another one`, () => {
    const { cluster } = clusterOf(addresses(4), { lbPolicy });
    for (let i = 0; i < 50; i++) {
      const context = hashed(`key-${i}`);
      context.previousHosts.push(cluster.chooseHost(context)!);
      context.hostSelectionRetries = 30;
      assert.notEqual(cluster.chooseHost(context), context.previousHosts[0]);
    }
  });

  test(`${lbPolicy}: bounded loads pass over a host that has too much`, () => {
    const { cluster } = clusterOf(addresses(4), {
      lbPolicy,
      commonLbConfig: {
        ignoreNewHostsUntilFirstHc: false,
        closeConnectionsOnHostSetChange: false,
        consistentHashingLbConfig: { useHostnameForHashing: false, hashBalanceFactor: 150 },
      },
    });
    for (let i = 0; i < 400; i++) cluster.chooseHost(hashed('hot'))!.activeRequests++;
    const most = Math.max(...cluster.hosts.map(host => host.activeRequests));
    assert.ok(most <= 152, `${most} of 400`);
  });
}

function tableHosts(weights: readonly number[]): Host[] {
  return weights.map((weight, i) => hostOf(`10.0.0.${i + 1}:80`, { weight }));
}

const RING = {
  minimumRingSize: 1024,
  maximumRingSize: 8192,
  murmur: false,
  useHostname: false,
  balanceFactorPercent: 0,
};

test('a ring has places in proportion to weights, and finds the next place of any hash', () => {
  const entries = weightedHosts(tableHosts([1, 2, 5]), false);
  const ring = new Ring(entries, RING);
  assert.deepEqual(ring.figures, { size: 1024, minHashesPerHost: 128, maxHashesPerHost: 640 });
  const places: { hash: bigint; host: Host }[] = [];
  const into = { hashHigh: 0, hashLow: 0 };
  for (const [n, count] of [128, 256, 640].entries())
    for (let i = 0; i < count; i++) {
      xxHash64(`${entries[n]!.key}_${i}`, into);
      places.push({ hash: (BigInt(into.hashHigh) << 32n) | BigInt(into.hashLow), host: entries[n]!.host });
    }
  places.sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const word = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(word, word, (high, low) => {
      const hash = (BigInt(high) << 32n) | BigInt(low);
      const expected = places.find(place => place.hash >= hash) ?? places[0]!;
      assert.equal(ring.find(high, low, 0), expected.host);
    }),
  );
});

test('a ring of equal hosts is at least the minimum and never more than the maximum', () => {
  assert.equal(new Ring(weightedHosts(tableHosts([1, 1, 1]), false), RING).figures.size, 1026);
  const huge = new Ring(weightedHosts(tableHosts([1, 100_000]), false), { ...RING, maximumRingSize: 2048 });
  assert.equal(huge.figures.size, 2048);
});

test('a Maglev table is full, in proportion to weights, whatever the order of hosts', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), weights => {
      const hosts = tableHosts(weights);
      const size = 1009;
      const table = new MaglevTable(weightedHosts(hosts, false), size);
      const turned = new MaglevTable(weightedHosts([...hosts].reverse(), false), size);
      const counts = new Map<Host, number>();
      for (let i = 0; i < size; i++) {
        const host = table.find(0, i, 0);
        assert.equal(turned.find(0, i, 0), host);
        counts.set(host, (counts.get(host) ?? 0) + 1);
      }
      const sum = weights.reduce((a, b) => a + b, 0);
      hosts.forEach((host, i) => {
        const fair = (size * weights[i]!) / sum;
        assert.ok(
          Math.abs((counts.get(host) ?? 0) - fair) <= 10,
          `weights ${weights}: ${counts.get(host)}, fair ${fair}`,
        );
      });
    }),
    { numRuns: 30 },
  );
});

test('hosts are placed by hash_key, host name or address', () => {
  const metadata = { filterMetadata: { 'envoy.lb': { hash_key: 'own' } }, typedFilterMetadata: {} };
  const hosts = [
    hostOf('10.0.0.1:80', { hostname: 'one' }),
    hostOf('10.0.0.2:80', { hostname: 'two', metadata }),
    hostOf('10.0.0.3:80'),
  ];
  const keys = (useHostname: boolean) => weightedHosts(hosts, useHostname).map(entry => entry.key);
  assert.deepEqual(keys(false), ['10.0.0.1:80', '10.0.0.3:80', 'own']);
  assert.deepEqual(keys(true), ['10.0.0.3:80', 'one', 'own']);
});

test('panic is counted and uses all hosts; fail_traffic_on_panic uses none', () => {
  const hosts = addresses(2).map(host => ({ ...host, healthFlags: HealthFlag.FAILED_EDS_HEALTH }));
  const { cluster, lane } = clusterOf(hosts);
  assert.deepEqual(shares(spread(cluster, 4)), [2, 2]);
  assert.equal(lane.value('cluster.app.lb_healthy_panic'), 4);
  const failing = clusterOf(hosts, {
    commonLbConfig: {
      ignoreNewHostsUntilFirstHc: false,
      closeConnectionsOnHostSetChange: false,
      zoneAwareLbConfig: { failTrafficOnPanic: true },
    },
  });
  assert.equal(failing.cluster.chooseHost(null), null);
  assert.equal(failing.lane.value('cluster.app.lb_healthy_panic'), 1);
});

test('locality weights decide first, shrunk by unhealthy hosts', () => {
  const place = (zone: string, localityWeight: number) => ({
    locality: { region: 'r', zone, subZone: '' },
    localityWeight,
  });
  const hosts = [
    hostSpecOf('10.0.0.1:80', place('a', 1)),
    hostSpecOf('10.0.0.2:80', place('b', 3)),
    hostSpecOf('10.0.0.3:80', place('b', 3)),
    hostSpecOf('10.0.0.4:80', place('c', 0)),
  ];
  const common = { ignoreNewHostsUntilFirstHc: false, closeConnectionsOnHostSetChange: false };
  const { cluster } = clusterOf(hosts, { commonLbConfig: { ...common, localityWeightedLbConfig: {} } });
  assert.deepEqual(shares(spread(cluster, 80)), [20, 30, 30]);
  cluster.setHealth(['10.0.0.2:80', HealthFlag.FAILED_ACTIVE_HC]);
  // Zone b: half healthy, times 1.4, times 3 = 2.1 against 1.
  const seen = shares(spread(cluster, 310));
  assert.ok(Math.abs(seen[0]! - 100) <= 1, `${seen}`);
});

test('slow start: a host that has just come gets a growing share', () => {
  const slowStartConfig = { slowStartWindow: 60_000 };
  const { cluster, clock } = clusterOf(addresses(2), { roundRobinLbConfig: { slowStartConfig } });
  clock.advance(60_000);
  spread(cluster, 40);
  assert.deepEqual(shares(spread(cluster, 20)), [10, 10]);
  cluster.setHosts(addresses(3));
  const third = (count: number) => spread(cluster, count).get('10.0.0.3:80') ?? 0;
  assert.ok(third(210) <= 12, 'a tenth of a share at first');
  clock.advance(30_000);
  assert.ok(Math.abs(third(250) - 50) <= 3, 'half a share after half the window');
  clock.advance(30_000);
  assert.ok(Math.abs(third(300) - 100) <= 3, 'a whole share at the end');
});
