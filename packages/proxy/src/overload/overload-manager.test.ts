import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '@dragoman/base';
import { loadBootstrap } from '@dragoman/config';
import { StatLane, StatTable } from '@dragoman/shm';
import { StoppedClock } from '@dragoman/testkit';
import { OverloadManager } from './overload-manager.ts';
import { OverloadState } from './overload-state.ts';
import { overloadSupport } from './overload-support.ts';
import { ReducedTimeouts } from './reduced-timeouts.ts';

const MONITORS = 'type.googleapis.com/envoy.extensions.resource_monitors';
const ACTIONS = 'envoy.overload_actions';

function load(overload: object) {
  const { bootstrap, errors } = loadBootstrap(
    { configYaml: JSON.stringify({ overload_manager: overload }) },
    { unknownFields: 'error', support: [overloadSupport] },
  );
  return { bootstrap, errors: errors.map(({ path, message }) => `${path}: ${message}`) };
}

function injected(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'overload-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'pressure');
  writeFileSync(file, '0');
  const config = { '@type': `${MONITORS}.injected_resource.v3.InjectedResourceConfig`, filename: file };
  return {
    set: (value: string) => writeFileSync(file, value),
    monitor: { name: 'injected', typed_config: config },
  };
}

function start(t: TestContext, overload: object) {
  const { bootstrap, errors } = load(overload);
  assert.deepEqual(errors, []);
  const clock = new StoppedClock();
  const laneMemory = StatLane.create();
  const table = new StatTable();
  table.addLane(laneMemory);
  const memory = OverloadState.createMemory();
  let shrunk = 0;
  const manager = new OverloadManager(bootstrap!.overloadManager!, {
    ...{ lane: new StatLane(laneMemory), clock, logger: silentLogger, memory },
    shrinkHeap: () => {
      shrunk++;
    },
  });
  manager.start();
  t.after(() => manager.close());
  const stat = (name: string): number | undefined => {
    table.refresh();
    return table.value(`overload.${name}`);
  };
  return {
    bootstrap,
    clock,
    memory,
    stat,
    shrunk: () => shrunk,
    state: new OverloadState(memory, () => 0.5),
  };
}

const at = (value: number) => [{ name: 'injected', threshold: { value } }];
const between = (from: number, to: number) => [
  { name: 'injected', scaled: { scaling_threshold: from, saturation_threshold: to } },
];

test('a threshold switches an action, and the workers see it', t => {
  const { set, monitor } = injected(t);
  const actions = [{ name: `${ACTIONS}.stop_accepting_requests`, triggers: at(0.8) }];
  const { clock, state, stat } = start(t, { resource_monitors: [monitor], actions });
  assert.equal(state.refusesRequest, false);
  set('0.85');
  clock.advance(1000);
  assert.equal(state.refusesRequest, true);
  assert.equal(stat('injected.pressure'), 85);
  assert.equal(stat(`${ACTIONS}.stop_accepting_requests.active`), 1);
  assert.equal(stat(`${ACTIONS}.stop_accepting_requests.scale_percent`), 100);
  set('nonsense');
  clock.advance(1000);
  assert.equal(stat('injected.failed_updates'), 1);
  assert.equal(state.refusesRequest, true, 'the last pressure that could be told counts');
  set('0.1');
  clock.advance(1000);
  assert.equal(state.refusesRequest, false);
});

test('a scaled trigger hits some, then all', t => {
  const { set, monitor } = injected(t);
  const actions = [{ name: `${ACTIONS}.disable_http_keepalive`, triggers: between(0.5, 0.9) }];
  const { clock, memory, stat } = start(t, { resource_monitors: [monitor], actions });
  const seldom = new OverloadState(memory, () => 0.9);
  const often = new OverloadState(memory, () => 0.1);
  set('0.7');
  clock.advance(1000);
  assert.deepEqual([seldom.endsKeepalive, often.endsKeepalive], [false, true]);
  assert.equal(stat(`${ACTIONS}.disable_http_keepalive.scale_percent`), 50);
  assert.equal(stat(`${ACTIONS}.disable_http_keepalive.active`), 0);
  set('0.9');
  clock.advance(1000);
  assert.equal(seldom.endsKeepalive, true);
});

test('reduce_timeouts goes from what is configured to the minimum', t => {
  const { set, monitor } = injected(t);
  const typed_config = {
    '@type': 'type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig',
    timer_scale_factors: [
      { timer: 'HTTP_DOWNSTREAM_CONNECTION_IDLE', min_timeout: '2s' },
      { timer: 'HTTP_DOWNSTREAM_STREAM_IDLE', min_scale: { value: 10 } },
    ],
  };
  const actions = [{ name: `${ACTIONS}.reduce_timeouts`, triggers: between(0, 1), typed_config }];
  const { clock, state, bootstrap } = start(t, { resource_monitors: [monitor], actions });
  const reduced = new ReducedTimeouts(state, bootstrap);
  assert.equal(reduced.connectionIdleMs(10_000), 10_000);
  set('0.5');
  clock.advance(1000);
  assert.deepEqual([reduced.connectionIdleMs(10_000), reduced.streamIdleMs(10_000)], [6000, 5500]);
  assert.deepEqual([reduced.connectionIdleMs(1000), reduced.connectionIdleMs(0)], [1000, 0]);
  set('1');
  clock.advance(1000);
  assert.deepEqual([reduced.connectionIdleMs(10_000), reduced.streamIdleMs(10_000)], [2000, 1000]);
});

test('shrink_heap collects every ten seconds while it is on', t => {
  const { set, monitor } = injected(t);
  const actions = [{ name: `${ACTIONS}.shrink_heap`, triggers: at(0.5) }];
  const { clock, shrunk, stat } = start(t, { resource_monitors: [monitor], actions });
  set('0.6');
  clock.advance(25_000);
  assert.equal(shrunk(), 2);
  assert.equal(stat(`${ACTIONS}.shrink_heap.shrink_count`), 2);
});

test('memory monitors tell a share of their limit', t => {
  const fixed = {
    name: 'heap',
    typed_config: {
      '@type': `${MONITORS}.fixed_heap.v3.FixedHeapConfig`,
      max_heap_size_bytes: '1000000000000',
    },
  };
  const actions = [
    { name: `${ACTIONS}.reject_incoming_connections`, triggers: [{ name: 'heap', threshold: { value: 0 } }] },
  ];
  const { state, stat } = start(t, { resource_monitors: [fixed], actions });
  assert.equal(stat('heap.pressure'), 0);
  assert.equal(state.rejectsConnection, true);
});

test('what is not there or not known is refused', t => {
  const { monitor } = injected(t);
  const { errors } = load({
    resource_monitors: [monitor, monitor],
    actions: [
      { name: `${ACTIONS}.shrink_heap`, triggers: [{ name: 'nobody', threshold: { value: 0.5 } }] },
      { name: `${ACTIONS}.reset_high_memory_stream`, triggers: at(0.5) },
      { name: `${ACTIONS}.reduce_timeouts`, triggers: between(0.9, 0.5) },
    ],
  });
  for (const fact of [
    /Duplicate resource monitor/,
    /Unknown trigger resource nobody/,
    /reset_high_memory_stream/,
    /requires typed_config/,
    /less than saturation/,
  ])
    assert.ok(
      errors.some(error => fact.test(error)),
      `${fact}: ${errors.join('\n')}`,
    );
});
