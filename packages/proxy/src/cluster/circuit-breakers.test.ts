// Counting over workers that share one table, limits and the gauges made of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CircuitBreakers as CircuitBreakersConfig } from '@dragoman/config';
import {
  CircuitBreakers,
  compileThresholds,
  createBreakerMemory,
  Resource,
  releaseBreakerRow,
} from './circuit-breakers.ts';
import { MembershipStats } from './membership-stats.ts';
import { NamedLane } from './test-fixture.ts';

function breakersConfig(...thresholds: object[]): CircuitBreakersConfig {
  return { thresholds, perHostThresholds: [] } as unknown as CircuitBreakersConfig;
}

test('defaults, and priorities apart', () => {
  const [normal, high] = compileThresholds(breakersConfig({ priority: 'HIGH', maxRequests: 9 }));
  assert.deepEqual(
    [normal!.maxConnections, normal!.maxPendingRequests, normal!.maxRequests, normal!.maxRetries],
    [1024, 1024, 1024, 3],
  );
  assert.deepEqual([high!.maxRequests, high!.maxRetries], [9, 3]);
});

test('workers count together, each in its own row; a dead one is released', () => {
  const memory = createBreakerMemory(2);
  const [limits] = compileThresholds(
    breakersConfig({ priority: 'DEFAULT', maxRequests: 3, maxPendingRequests: 0 }),
  );
  const first = new CircuitBreakers(memory, 0, limits!, 0);
  const second = new CircuitBreakers(memory, 0, limits!, 1);
  const high = new CircuitBreakers(memory, 1, limits!, 0);
  assert.equal(first.canCreate(Resource.PENDING_REQUESTS), false);
  first.increment(Resource.REQUESTS);
  second.increment(Resource.REQUESTS);
  assert.equal(first.canCreate(Resource.REQUESTS), true);
  second.increment(Resource.REQUESTS);
  assert.equal(first.canCreate(Resource.REQUESTS), false);
  assert.equal(high.count(Resource.REQUESTS), 0);
  first.decrement(Resource.REQUESTS);
  assert.equal(second.canCreate(Resource.REQUESTS), true);
  releaseBreakerRow(memory, 1);
  assert.equal(first.count(Resource.REQUESTS), 0);
});

test('a retry budget moves with the load and never falls under its minimum', () => {
  const retryBudget = { budgetPercent: { value: 25 } };
  const [limits] = compileThresholds(breakersConfig({ priority: 'DEFAULT', maxRetries: 0, retryBudget }));
  const breakers = new CircuitBreakers(createBreakerMemory(1), 0, limits!, 0);
  assert.equal(breakers.limit(Resource.RETRIES), 3);
  for (let i = 0; i < 30; i++) breakers.increment(Resource.REQUESTS);
  for (let i = 0; i < 10; i++) breakers.increment(Resource.PENDING_REQUESTS);
  assert.equal(breakers.limit(Resource.RETRIES), 10);
});

test('gauges show what is open and what remains, once a resource has been used', () => {
  const { lane, value } = (() => {
    const named = new NamedLane();
    return { lane: named.lane, value: (name: string) => named.value(`cluster.app.circuit_breakers.${name}`) };
  })();
  const memory = createBreakerMemory(1);
  const limits = compileThresholds(
    breakersConfig({ priority: 'DEFAULT', maxConnections: 1, maxRequests: 5, trackRemaining: true }),
  );
  const worker = new CircuitBreakers(memory, 0, limits[0]!, 0);
  const reading = limits.map((each, i) => new CircuitBreakers(memory, i, each, -1));
  const stats = new MembershipStats(lane, 'cluster.app.', reading);
  worker.increment(Resource.CONNECTIONS);
  worker.increment(Resource.REQUESTS);
  stats.refreshBreakers(reading);
  assert.deepEqual([value('default.cx_open'), value('default.rq_open'), value('high.cx_open')], [1, 0, 0]);
  assert.deepEqual([value('default.remaining_cx'), value('default.remaining_rq')], [0, 4]);
  assert.equal(value('high.remaining_cx'), undefined);
  worker.decrement(Resource.CONNECTIONS);
  stats.refreshBreakers(reading);
  assert.deepEqual([value('default.cx_open'), value('default.remaining_cx')], [0, 1]);
});
