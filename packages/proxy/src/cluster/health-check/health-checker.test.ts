// The rules of active health checks, with a clock that stands still and connections that do what the test says.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { ClusterLoadAssignment, HealthCheck } from '@dragoman/config';
import { ClusterDirectory } from '../cluster-directory.ts';
import type { ClusterUpdate } from '../cluster-update.ts';
import { healthFlagsText } from '../host-health.ts';
import { clusterConfig, directoryFixture, lbEndpoint } from '../test-fixture.ts';

/** A connection that only exists for the test. */
class FakeSocket extends EventEmitter {
  readonly port: number;
  destroyed = false;

  constructor(port: number) {
    super();
    this.port = port;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

const settle = () => new Promise(resolve => setImmediate(resolve));

function checkedDirectory(settings: Partial<HealthCheck> = {}, ports = [80], clusterSettings: object = {}) {
  const fixture = directoryFixture();
  const sockets: FakeSocket[] = [];
  const dial = (_: unknown, _address: string, port: number) => {
    const socket = new FakeSocket(port);
    sockets.push(socket);
    return socket as unknown as Socket;
  };
  const directory = new ClusterDirectory({ ...fixture.context, dial });
  const check = {
    timeout: 500,
    interval: 1000,
    noTrafficInterval: 1000,
    unhealthyThreshold: 2,
    healthyThreshold: 2,
    intervalJitterPercent: 0,
    tcpHealthCheck: { receive: [] },
    ...settings,
  } as unknown as HealthCheck;
  const endpoints = [{ priority: 0, lbEndpoints: ports.map(port => lbEndpoint('10.0.0.1', port)) }];
  const loadAssignment = { clusterName: 'app', endpoints } as unknown as ClusterLoadAssignment;
  directory.set(clusterConfig({ healthChecks: [check], loadAssignment, ...clusterSettings }));
  directory.serve();
  const flags = (index = 0) => healthFlagsText(directory.views()[0]!.hosts[index]!.healthFlags);
  /** Ends the question that is open with 'connect' or 'error', and waits for the next to begin. */
  const answer = (event: 'connect' | 'error') => {
    const socket = sockets.at(-1)!;
    socket.emit(event, new Error('refused'));
    return socket;
  };
  return { ...fixture, directory, sockets, flags, answer };
}

const healthChanges = (posted: readonly ClusterUpdate[]) =>
  posted.flatMap(update => (update.kind === 'health' ? [update.changes] : []));

test('a host starts failed, and its first good answer is enough', async () => {
  const { flags, answer, posted, lane, directory } = checkedDirectory();
  assert.equal(flags(), '/failed_active_hc');
  let warm = false;
  void directory.warm().then(() => {
    warm = true;
  });
  await settle();
  assert.equal(warm, false);
  answer('connect');
  await settle();
  assert.equal(warm, true);
  assert.equal(flags(), 'healthy');
  assert.deepEqual(healthChanges(posted), [['10.0.0.1:80', 0]]);
  assert.equal(lane.value('cluster.app.health_check.healthy'), 1);
  assert.equal(lane.value('cluster.app.membership_healthy'), 1);
  assert.equal(lane.value('cluster.app.health_check.attempt'), 1);
  assert.equal(lane.value('cluster.app.health_check.success'), 1);
});

test('broken connections count up to the threshold, and so do good answers afterwards', () => {
  const { clock, flags, answer, lane } = checkedDirectory();
  answer('connect');
  clock.advance(1000);
  answer('error');
  assert.equal(flags(), 'healthy');
  clock.advance(1000);
  answer('error');
  assert.equal(flags(), '/failed_active_hc');
  assert.equal(lane.value('cluster.app.health_check.network_failure'), 2);
  assert.equal(lane.value('cluster.app.health_check.healthy'), 0);
  clock.advance(1000);
  answer('connect');
  assert.equal(flags(), '/failed_active_hc');
  clock.advance(1000);
  answer('connect');
  assert.equal(flags(), 'healthy');
});

test('no answer in time is a failure of its own kind, and the connection is given up', () => {
  const { clock, flags, sockets } = checkedDirectory({ unhealthyThreshold: 1 });
  clock.advance(499);
  assert.equal(sockets[0]!.destroyed, false);
  clock.advance(1);
  assert.equal(sockets[0]!.destroyed, true);
  assert.equal(flags(), '/failed_active_hc/active_hc_timeout');
});

test('intervals: slow without traffic, own ones for unhealthy hosts and at the edges', () => {
  const { clock, answer, lane } = checkedDirectory({
    noTrafficInterval: 60_000,
    noTrafficHealthyInterval: 30_000,
    unhealthyInterval: 5000,
    unhealthyEdgeInterval: 100,
    healthyEdgeInterval: 200,
  });
  const next = () => {
    const [delay] = clock.pending;
    clock.advance(delay!);
    return delay;
  };
  answer('connect');
  assert.equal(next(), 30_000);
  answer('error');
  assert.equal(next(), 60_000);
  lane.lane.inc(lane.lane.counter('cluster.app.upstream_cx_total'));
  answer('connect');
  assert.equal(next(), 1000);
  answer('error');
  assert.equal(next(), 100, 'one of two failures');
  answer('error');
  assert.equal(next(), 5000, 'failed');
  answer('connect');
  assert.equal(next(), 200, 'one of two good answers');
});

test('alternative ports: of the check, and of the endpoint before it', () => {
  const endpoint = lbEndpoint('10.0.0.2', 80);
  endpoint.endpoint!.healthCheckConfig = { portValue: 9090, hostname: '', disableActiveHealthCheck: false };
  const off = lbEndpoint('10.0.0.3', 80);
  off.endpoint!.healthCheckConfig = { portValue: 0, hostname: '', disableActiveHealthCheck: true };
  const lbEndpoints = [lbEndpoint('10.0.0.1', 80), endpoint, off];
  const loadAssignment = { clusterName: 'app', endpoints: [{ priority: 0, lbEndpoints }] };
  const { sockets, flags } = checkedDirectory({ altPort: 8081 }, [], { loadAssignment });
  assert.deepEqual(
    sockets.map(socket => socket.port),
    [8081, 9090],
  );
  assert.deepEqual([flags(0), flags(1), flags(2)], ['/failed_active_hc', '/failed_active_hc', 'healthy']);
});

test('a response can fail its host until the next check', () => {
  const { directory, clock, flags, answer, lane } = checkedDirectory();
  answer('connect');
  directory.onReport({ kind: 'immediate-health-check-fail', cluster: 'app', host: '10.0.0.1:80' });
  assert.equal(flags(), '/failed_active_hc/excluded_via_immediate_hc_fail');
  assert.equal(lane.value('cluster.app.health_check.passive_failure'), 1);
  clock.advance(1000);
  answer('connect');
  clock.advance(1000);
  answer('connect');
  assert.equal(flags(), 'healthy');
});

test('a healthy host that discovery drops stays until it fails', async () => {
  const loadAssignment = {
    clusterName: 'app',
    endpoints: [{ priority: 0, lbEndpoints: [lbEndpoint('app.test', 80)] }],
  };
  const { directory, clock, answers, answer, flags } = checkedDirectory({ unhealthyThreshold: 1 }, [], {
    type: 'STRICT_DNS',
    dnsRefreshRate: 600_000,
    loadAssignment,
  });
  await settle();
  assert.equal(directory.views()[0]!.hosts.length, 0);
  answers.set('app.test', ['10.0.0.1']);
  clock.advance(600_000);
  await settle();
  answer('connect');
  assert.equal(flags(), 'healthy');
  answers.set('app.test', []);
  while (flags() === 'healthy') {
    clock.advance(1000);
    answer('connect');
    await settle();
  }
  assert.equal(flags(), '/pending_dynamic_removal');
  clock.advance(1000);
  answer('error');
  assert.equal(directory.views()[0]!.hosts.length, 0);
});
