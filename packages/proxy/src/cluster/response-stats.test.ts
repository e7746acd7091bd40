// Names and values of the statistics that depend on responses.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResponseStats } from './response-stats.ts';
import { NamedLane } from './test-fixture.ts';

function responseStats() {
  const lane = new NamedLane();
  return { lane, stats: new ResponseStats(lane.lane, 'cluster.app.') };
}

test('a response is counted by code, class and in total, with its external twins', () => {
  const { lane, stats } = responseStats();
  assert.deepEqual(lane.names(), []);
  stats.chargeResponse(200, false, false);
  stats.chargeResponse(200, false, false);
  stats.chargeResponse(503, false, false);
  const expected = {
    upstream_rq_200: 2,
    upstream_rq_2xx: 2,
    upstream_rq_503: 1,
    upstream_rq_5xx: 1,
    upstream_rq_completed: 3,
  };
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(lane.value(`cluster.app.${name}`), value, name);
    assert.equal(lane.value(`cluster.app.external.${name}`), value, `external.${name}`);
  }
  assert.equal(lane.names().length, 10);
});

test('internal requests, canaries and zones have twins of their own', () => {
  const { lane, stats } = responseStats();
  stats.chargeResponse(404, true, true, 'here', 'there');
  assert.deepEqual(
    lane.names().filter(name => name.endsWith('_404')),
    [
      'cluster.app.canary.upstream_rq_404',
      'cluster.app.internal.upstream_rq_404',
      'cluster.app.upstream_rq_404',
      'cluster.app.zone.here.there.upstream_rq_404',
    ],
  );
});

test('a retried response counts under retry. only, times are histograms', () => {
  const { lane, stats } = responseStats();
  stats.chargeRetriedResponse(503);
  assert.deepEqual(lane.names(), [
    'cluster.app.retry.upstream_rq_503',
    'cluster.app.retry.upstream_rq_5xx',
    'cluster.app.retry.upstream_rq_completed',
  ]);
  stats.chargeResponseTime(12, false, false);
  assert.deepEqual(
    lane.names().filter(name => name.endsWith('_time')),
    ['cluster.app.external.upstream_rq_time', 'cluster.app.upstream_rq_time'],
  );
});

test('codes outside 100 to 599 are unknown', () => {
  const { lane, stats } = responseStats();
  for (const status of [0, 99, 600, 1000]) stats.chargeResponse(status, false, false);
  assert.equal(lane.value('cluster.app.upstream_rq_unknown'), 4);
  assert.equal(lane.value('cluster.app.upstream_rq_completed'), 4);
  assert.equal(lane.value('cluster.app.upstream_rq_9xx'), undefined);
});
