// Outlier detection from results on workers to flags on the main thread: both ends over the same shared memory.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterLoadAssignment, OutlierDetection } from '@dragoman/config';
import { Cluster } from '../cluster.ts';
import { ClusterDirectory } from '../cluster-directory.ts';
import { clusterConfig, directoryFixture, lbEndpoint, workerFixture } from '../test-fixture.ts';
import { OutlierResult } from './outlier-monitor.ts';

/** A cluster of `hosts` hosts on the main thread and on `workers` workers, connected as they are in the proxy. */
function outlierCluster(settings: Partial<OutlierDetection>, hosts: number, workers = 1) {
  const main = directoryFixture({ concurrency: workers });
  const clusters: Cluster[] = [];
  const post: typeof main.context.post = update => {
    if (update.kind === 'health') for (const cluster of clusters) cluster.setHealth(update.changes);
  };
  const directory = new ClusterDirectory({ ...main.context, post });
  const outlierDetection = { splitExternalLocalOriginErrors: false, monitors: [], ...settings };
  const lbEndpoints = Array.from({ length: hosts }, (_, i) => lbEndpoint(`10.0.0.${i}`, 80));
  const loadAssignment = { clusterName: 'app', endpoints: [{ priority: 0, lbEndpoints }] };
  directory.set(
    clusterConfig({ outlierDetection, loadAssignment: loadAssignment as unknown as ClusterLoadAssignment }),
  );
  const [snapshot] = directory.serve();
  for (let workerIndex = 0; workerIndex < workers; workerIndex++) {
    const { context } = workerFixture(workerIndex + 1);
    clusters.push(
      new Cluster(snapshot!, { ...context, workerIndex, report: report => directory.onReport(report) }),
    );
  }
  const stat = (name: string) => main.lane.value(`cluster.app.outlier_detection.${name}`);
  const ejected = () =>
    directory.views()[0]!.hosts.flatMap(({ healthFlags }, i) => (healthFlags === 2 ? [i] : []));
  const answer = (host: number, status: number, times = 1, worker = 0) => {
    for (let i = 0; i < times; i++) clusters[worker]!.hosts[host]!.outlier!.putResponseCode(status);
  };
  return { ...main, directory, clusters, stat, ejected, answer };
}

test('five 5xx in a row eject; a good answer between starts anew', () => {
  const { answer, ejected, stat, clusters } = outlierCluster({ maxEjectionPercent: 50 }, 2);
  answer(0, 500, 4);
  answer(0, 200);
  answer(0, 500, 4);
  assert.deepEqual(ejected(), []);
  answer(0, 501);
  assert.deepEqual(ejected(), [0]);
  assert.equal(stat('ejections_active'), 1);
  assert.equal(stat('ejections_enforced_consecutive_5xx'), 1);
  assert.equal(stat('ejections_detected_consecutive_5xx'), 1);
  assert.equal(stat('ejections_enforced_total'), 1);
  for (let i = 0; i < 4; i++) assert.equal(clusters[0]!.chooseHost(null), clusters[0]!.hosts[1]);
});

test('workers count together', () => {
  const { answer, ejected } = outlierCluster({ maxEjectionPercent: 100 }, 1, 2);
  answer(0, 500, 3, 0);
  answer(0, 500, 1, 1);
  assert.deepEqual(ejected(), []);
  answer(0, 500, 1, 1);
  assert.deepEqual(ejected(), [0]);
});

test('the share of ejected hosts is limited', () => {
  const { answer, ejected, stat } = outlierCluster({}, 15);
  answer(3, 500, 5);
  answer(4, 500, 5);
  assert.deepEqual(ejected(), [3]);
  assert.equal(stat('ejections_overflow'), 1);
  const single = outlierCluster({}, 1);
  single.answer(0, 500, 5);
  assert.deepEqual(single.ejected(), []);
  const always = outlierCluster({ alwaysEjectOneHost: true }, 1);
  always.answer(0, 500, 5);
  assert.deepEqual(always.ejected(), [0]);
});

test('gateway failures are detected, and by default not enforced', () => {
  const settings = { consecutive5xx: 100, consecutiveGatewayFailure: 3, maxEjectionPercent: 100 };
  const { answer, ejected, stat } = outlierCluster(settings, 1);
  answer(0, 503, 2);
  answer(0, 500);
  answer(0, 502, 3);
  assert.equal(stat('ejections_detected_consecutive_gateway_failure'), 1);
  assert.deepEqual(ejected(), []);
  const enforced = outlierCluster({ ...settings, enforcingConsecutiveGatewayFailure: 100 }, 1);
  enforced.answer(0, 504, 3);
  assert.deepEqual(enforced.ejected(), [0]);
});

test('ejections end after their time, and get longer with repetition', () => {
  const { answer, ejected, clock } = outlierCluster({ maxEjectionPercent: 100, maxEjectionTime: 60_000 }, 1);
  const ejectFor = (intervals: number) => {
    answer(0, 500, 5);
    clock.advance(10_000 * (intervals - 1));
    assert.deepEqual(ejected(), [0], `still out before ${intervals} intervals`);
    clock.advance(10_000);
    assert.deepEqual(ejected(), [], `back after ${intervals} intervals`);
  };
  ejectFor(3);
  ejectFor(6);
  ejectFor(6);
  // Intervals without an ejection count off what the ejections had added.
  clock.advance(30_000);
  ejectFor(3);
});

test('success rate: what lies far below the others goes', () => {
  const { answer, ejected, stat, clock, directory } = outlierCluster({}, 10);
  for (let host = 0; host < 10; host++) answer(host, 200, 100);
  answer(7, 500, 4);
  answer(7, 200, 1);
  for (let i = 0; i < 30; i++) {
    answer(7, 500, 2);
    answer(7, 200, 1);
  }
  clock.advance(10_000);
  assert.deepEqual(ejected(), [7]);
  assert.equal(stat('ejections_enforced_success_rate'), 1);
  const [view] = directory.views();
  assert.ok(Math.abs(view!.hosts[7]!.successRate - (100 * 131) / 195) < 0.01);
  assert.equal(view!.hosts[0]!.successRate, 100);
  assert.ok(view!.outlier!.successRateAverage > 95);
  assert.ok(view!.outlier!.successRateEjectionThreshold < view!.outlier!.successRateAverage);
  clock.advance(10_000);
  assert.equal(directory.views()[0]!.hosts[0]!.successRate, -1);
});

test('success rate: too few hosts or requests say nothing', () => {
  const few = outlierCluster({}, 4);
  for (let host = 0; host < 4; host++) few.answer(host, 200, 200);
  for (let i = 0; i < 50; i++) {
    few.answer(0, 500, 4);
    few.answer(0, 200);
  }
  few.clock.advance(10_000);
  assert.deepEqual(few.ejected(), []);
});

test('failure percentage ejects when enforced', () => {
  const settings = { enforcingFailurePercentage: 100, enforcingSuccessRate: 0, consecutive5xx: 1000 };
  const { answer, ejected, clock, stat } = outlierCluster(settings, 10);
  for (let host = 0; host < 10; host++) answer(host, 200, 50);
  answer(2, 500, 300);
  clock.advance(10_000);
  assert.deepEqual(ejected(), [2]);
  assert.equal(stat('ejections_enforced_failure_percentage'), 1);
});

test('failures made here count as 503 and 504, or apart when split', () => {
  const together = outlierCluster({ maxEjectionPercent: 100 }, 1);
  const fail = (cluster: Cluster, result: OutlierResult, times: number) => {
    for (let i = 0; i < times; i++) cluster.hosts[0]!.outlier!.putResult(result);
  };
  fail(together.clusters[0]!, OutlierResult.LOCAL_ORIGIN_CONNECT_FAILED, 3);
  fail(together.clusters[0]!, OutlierResult.LOCAL_ORIGIN_TIMEOUT, 2);
  assert.deepEqual(together.ejected(), [0]);
  assert.equal(together.stat('ejections_detected_consecutive_5xx'), 1);

  const split = outlierCluster({ maxEjectionPercent: 100, splitExternalLocalOriginErrors: true }, 1);
  const [cluster] = split.clusters;
  fail(cluster!, OutlierResult.LOCAL_ORIGIN_CONNECT_FAILED, 4);
  fail(cluster!, OutlierResult.LOCAL_ORIGIN_CONNECT_SUCCESS, 1);
  fail(cluster!, OutlierResult.LOCAL_ORIGIN_CONNECT_FAILED, 4);
  assert.deepEqual(split.ejected(), []);
  fail(cluster!, OutlierResult.LOCAL_ORIGIN_CONNECT_FAILED, 1);
  assert.deepEqual(split.ejected(), [0]);
  assert.equal(split.stat('ejections_enforced_consecutive_local_origin_failure'), 1);
});
