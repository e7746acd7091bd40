// Envoy's arithmetic of priorities and panic, by example and as properties.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HealthFlag } from '../host-health.ts';
import { type HostSet, hostSets } from '../host-set.ts';
import { hostOf } from '../test-fixture.ts';
import { priorityLoads } from './priority-load.ts';

const SETTINGS = { panicThresholdPercent: 50, overprovisioningPercent: 140, weightedPriorityHealth: false };

/** Hosts per priority as a word: h healthy, d degraded, u unhealthy, x excluded. */
function sets(...words: string[]): HostSet[] {
  const flags = {
    h: 0,
    d: HealthFlag.DEGRADED_EDS_HEALTH,
    u: HealthFlag.FAILED_EDS_HEALTH,
    x: HealthFlag.FAILED_ACTIVE_HC | HealthFlag.PENDING_ACTIVE_HC,
  };
  const hosts = words.flatMap((word, priority) =>
    [...word].map((letter, i) =>
      hostOf(`10.0.${priority}.${i}:80`, { priority, healthFlags: flags[letter as keyof typeof flags] }),
    ),
  );
  return hostSets(hosts);
}

test('a full priority takes everything', () => {
  const loads = priorityLoads(sets('hhh', 'hhh'), SETTINGS);
  assert.deepEqual(loads, { healthy: [100, 0], degraded: [0, 0], panic: [false, false] });
});

test('with 140 % overprovisioning 72 % of the hosts are enough', () => {
  assert.deepEqual(priorityLoads(sets('hhhuu'.repeat(5), 'h'), SETTINGS).healthy, [84, 16]);
  assert.deepEqual(priorityLoads(sets('hhhu', 'h'), SETTINGS).healthy, [100, 0]);
});

test('degraded hosts take what healthy ones of all priorities leave', () => {
  const loads = priorityLoads(sets('dh'), SETTINGS);
  assert.deepEqual([loads.healthy, loads.degraded], [[70], [30]]);
  const spread = priorityLoads(sets('dd', 'hu'), SETTINGS);
  assert.deepEqual(
    [spread.healthy, spread.degraded],
    [
      [0, 70],
      [30, 0],
    ],
  );
});

test('too few healthy hosts everywhere is panic, spread by number of hosts', () => {
  const loads = priorityLoads(sets('uuu', 'u'), SETTINGS);
  assert.deepEqual(loads, { healthy: [75, 25], degraded: [0, 0], panic: [true, true] });
});

test('a priority that another one makes up for does not panic', () => {
  assert.deepEqual(priorityLoads(sets('u', 'h'), SETTINGS), {
    healthy: [0, 100],
    degraded: [0, 0],
    panic: [false, false],
  });
});

test('a threshold of 0 switches panic off; no hosts at all is panic otherwise', () => {
  const off = { ...SETTINGS, panicThresholdPercent: 0 };
  assert.deepEqual(priorityLoads(sets('uu'), off), { healthy: [100], degraded: [0], panic: [false] });
  assert.deepEqual(priorityLoads(sets(''), SETTINGS).panic, [true]);
});

test('hosts that wait for their first check do not count', () => {
  assert.deepEqual(priorityLoads(sets('hxxx'), SETTINGS).panic, [false]);
  assert.deepEqual(priorityLoads(sets('huuu'), SETTINGS).panic, [true]);
});

test('loads are whole, not negative, and sum up to 100', () => {
  const word = fc
    .array(fc.constantFrom('h', 'd', 'u', 'x'), { maxLength: 12 })
    .map(letters => letters.join(''));
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 0, max: 100 }),
      (words, panic) => {
        const loads = priorityLoads(sets(...words), { ...SETTINGS, panicThresholdPercent: panic });
        const all = [...loads.healthy, ...loads.degraded];
        assert.ok(all.every(load => Number.isInteger(load) && load >= 0));
        assert.equal(
          all.reduce((a, b) => a + b, 0),
          100,
        );
      },
    ),
  );
});
