import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RuntimeValues } from '../runtime/runtime-values.ts';
import { WorkerFixture } from '../testing/worker-fixture.ts';
import {
  Admission,
  CONNECTION_COUNTS_ATTACHMENT,
  ConnectionLimits,
  connectionCountsMemory,
  releaseWorkerConnections,
} from './connection-limits.ts';
import { OVERLOAD_STATE_ATTACHMENT, OverloadState } from './overload-state.ts';

const bootstrap = (maxActiveDownstreamConnections: number) =>
  ({
    overloadManager: {
      resourceMonitors: [
        {
          typedConfig: {
            typeName:
              'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
            value: { maxActiveDownstreamConnections },
          },
        },
      ],
    },
  }) as never;

test('workers count together; a dead one gives its connections back', () => {
  const memory = connectionCountsMemory(1, 2);
  const runtime = new RuntimeValues();
  const [one, two] = [0, 1].map(worker => new ConnectionLimits(memory, 2, worker, runtime, bootstrap(2)));
  assert.equal(one!.admit(0, 'main', false), Admission.Granted);
  assert.equal(two!.admit(0, 'main', false), Admission.Granted);
  assert.equal(one!.admit(0, 'main', false), Admission.OverGlobalLimit);
  assert.equal(one!.admit(0, 'main', true), Admission.Granted, 'a listener that ignores the limit');
  one!.release(0, true);
  two!.release(0, false);
  assert.equal(one!.admit(0, 'main', false), Admission.Granted);
  releaseWorkerConnections(memory, 2, 0);
  assert.equal(two!.admit(0, 'main', false), Admission.Granted);
});

test('runtime limits each listener, and all of them', () => {
  const runtime = new RuntimeValues(
    new Map<string, unknown>([['envoy.resource_limits.listener.b.connection_limit', 1]]),
  );
  const limits = new ConnectionLimits(connectionCountsMemory(2, 1), 1, 0, runtime, {} as never);
  assert.equal(limits.admit(0, 'a', false), Admission.Granted);
  assert.equal(limits.admit(1, 'b', false), Admission.Granted);
  assert.equal(limits.admit(1, 'b', false), Admission.OverListenerLimit);
  assert.equal(limits.admit(0, 'a', false), Admission.Granted);
  runtime.replace(new Map([['overload.global_downstream_max_connections', 3]]));
  assert.equal(limits.admit(0, 'a', false), Admission.OverGlobalLimit);
});

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const says = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'ok' } } };

async function start(state: OverloadState | null, memory: SharedArrayBuffer, listener: object = {}) {
  return WorkerFixture.start({
    clusters: { app: 9 },
    routes: [says],
    listener: { stat_prefix: 'main', ...listener },
    runtime: new Map([['envoy.resource_limits.listener.main.connection_limit', 1]]),
    attachments: new Map<string, unknown>([
      [CONNECTION_COUNTS_ATTACHMENT, connectionCountsMemory(1, 1)],
      ...(state === null ? [] : [[OVERLOAD_STATE_ATTACHMENT, memory] as const]),
    ]),
  });
}

test('a connection over the limit is closed; there is room when another one ends', async () => {
  const worker = await start(null, OverloadState.createMemory());
  const first = await worker.connect();
  first.send(GET);
  await first.readMessage();
  const second = await worker.connect();
  await second.closed();
  assert.equal(worker.stat('listener.main.downstream_cx_overflow'), 1);
  assert.equal(worker.stat('listener.main.downstream_cx_active'), 1);
  first.close();
  while (worker.stat('listener.main.downstream_cx_active') > 0) await new Promise(setImmediate);
  const third = await worker.connect();
  third.send(GET);
  assert.equal((await third.readMessage()).body, 'ok');
  third.close();
  worker.close();
});

test('overload: requests are refused, keep-alive ends, connections wait or are closed', async () => {
  const memory = OverloadState.createMemory();
  const state = new OverloadState(memory);
  const worker = await start(state, memory);
  state.set('envoy.overload_actions.stop_accepting_requests', 1);
  state.set('envoy.overload_actions.disable_http_keepalive', 1);
  const refused = await worker.connect();
  refused.send(GET);
  const answer = await refused.readMessage();
  assert.deepEqual([answer.startLine, answer.body], ['HTTP/1.1 503 Service Unavailable', 'envoy overloaded']);
  assert.deepEqual(answer.headers.get('connection'), ['close']);
  await refused.closed();
  refused.close();
  while (worker.stat('listener.main.downstream_cx_active') > 0) await new Promise(setImmediate);
  assert.equal(worker.stat('http.test.downstream_rq_overload_close'), 1);
  assert.equal(worker.stat('http.test.downstream_cx_overload_disable_keepalive'), 1);
  state.set('envoy.overload_actions.stop_accepting_requests', 0);
  state.set('envoy.overload_actions.reject_incoming_connections', 1);
  await (await worker.connect()).closed();
  assert.equal(worker.stat('listener.main.downstream_cx_overload_reject'), 1);
  state.set('envoy.overload_actions.reject_incoming_connections', 0);
  state.set('envoy.overload_actions.stop_accepting_connections', 1);
  const waiting = await worker.connect();
  waiting.send(GET);
  assert.equal(worker.stat('listener.main.downstream_cx_total'), 1);
  state.set('envoy.overload_actions.stop_accepting_connections', 0);
  assert.equal((await waiting.readMessage()).body, 'ok');
  waiting.close();
  worker.close();
});

test('a listener that bypasses the overload manager serves on', async () => {
  const memory = OverloadState.createMemory();
  const state = new OverloadState(memory);
  for (const action of [
    'stop_accepting_requests',
    'stop_accepting_connections',
    'reject_incoming_connections',
  ] as const)
    state.set(`envoy.overload_actions.${action}`, 1);
  const worker = await start(state, memory, { bypass_overload_manager: true });
  const client = await worker.connect();
  client.send(GET);
  assert.equal((await client.readMessage()).body, 'ok');
  client.close();
  worker.close();
});
