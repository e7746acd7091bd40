// The control plane with real workers: what a worker that has died leaves behind.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { arenaOwner, SHARED_STATE_ATTACHMENT } from '@dragoman/filters';
import { type ArenaMemory, StatLane } from '@dragoman/shm';
import { ModuleBuilder, op, RawConnection } from '@dragoman/testkit';
import { parseCommandLine } from './command-line.ts';
import { readConfiguration } from './configuration.ts';
import { ControlPlane } from './control-plane.ts';
import { LogFile } from './logging/log-file.ts';
import { DEFAULT_LOG_FORMAT } from './logging/log-format.ts';
import { LogLevels } from './logging/log-levels.ts';
import { LogWriter } from './logging/log-writer.ts';
import { VisibleStats } from './visible-stats.ts';
import { WorkerFleet } from './worker-fleet.ts';

/** Answers 200 when it could store a shared value, 500 otherwise. */
function storingPlugin(): Uint8Array {
  const module = new ModuleBuilder();
  const set = module.importFunction('env', 'proxy_set_shared_data', 'iiiii>i');
  const answer = module.importFunction('env', 'proxy_send_local_response', 'iiiiiiii>i');
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(1024), 'malloc');
  const numbers = (...values: number[]): number[] => values.flatMap(value => op.i32(value));
  const store = [...numbers(64, 3, 64, 3, 0), ...op.call(set)];
  const reply = (status: number): number[] => [
    ...numbers(status, 0, 0, 0, 0, 0, 0, -1),
    ...op.call(answer),
    0x1a,
  ];
  module.function(
    'iii>i',
    [...store, 0x04, 0x40, ...reply(500), 0x05, ...reply(200), 0x0b, ...op.i32(1)],
    'proxy_on_request_headers',
  );
  module.memory({ minimum: 1 });
  module.data(64, 'key');
  return module.build();
}

const configOf = (pluginPath: string): string => `
static_resources:
  listeners:
  - name: main
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          route_config:
            virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, direct_response: { status: 204 } }] }]
          http_filters:
          - name: storing
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config: { name: storing, vm_config: { vm_id: v, runtime: envoy.wasm.runtime.v8, code: { local: { filename: "${pluginPath}" } } } }
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;

async function start(t: TestContext, yaml: string) {
  const line = parseCommandLine('test', ['--config-yaml', yaml, '--concurrency', '2']);
  assert.ok('settings' in line);
  const { settings } = line;
  const levels = LogLevels.all('off').table;
  const logFile = new LogFile('/dev/null');
  const log = new LogWriter({ fd: logFile.fd, format: DEFAULT_LOG_FORMAT, formatEscaped: false, levels });
  const stats = new VisibleStats();
  const laneMemory = StatLane.create();
  stats.addLane(laneMemory);
  const lane = new StatLane(laneMemory);
  const fleet = new WorkerFleet(settings, stats, log);
  const { configuration, errors } = await readConfiguration(settings, {
    logger: log,
    lane,
    tryPlugins: false,
  });
  assert.deepEqual(errors, []);
  const foundations = { settings, log, logFile, stats, lane, fleet, startTimeMs: Date.now() };
  const controlPlane = new ControlPlane(foundations, configuration!, () => {});
  t.after(() => controlPlane.close());
  await controlPlane.start();
  return {
    controlPlane,
    fleet,
    attachments: configuration!.attachments,
    port: controlPlane.listeners[0]!.port,
  };
}

/** A thread that dies with the lock of the shared state in its hands. */
async function dieLocking(memory: ArenaMemory, owner: number): Promise<void> {
  const source = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { Arena } = await import(${JSON.stringify(import.meta.resolve('@dragoman/shm'))});
    new Arena(workerData.memory, workerData.owner).transact(() => {
      parentPort.postMessage('held');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: { memory, owner },
  });
  await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject));
  await thread.terminate();
}

async function statusOf(port: number): Promise<string> {
  const client = await RawConnection.connect(port);
  client.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  const { startLine } = await client.readMessage();
  client.close();
  return startLine;
}

test('a worker that dies with the lock of the shared data does not stop the plugins of the others', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'dragoman-control-plane-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'storing.wasm');
  writeFileSync(path, storingPlugin());
  const { fleet, attachments, port } = await start(t, configOf(path));
  assert.equal(await statusOf(port), 'HTTP/1.1 200 OK');
  const memory = attachments.get(SHARED_STATE_ATTACHMENT) as ArenaMemory;
  await dieLocking(memory, arenaOwner(1));
  const startMs = performance.now();
  fleet.terminate(1);
  const answers = await Promise.all(Array.from({ length: 8 }, () => statusOf(port).catch(() => 'reset')));
  // A connection of the worker that ended may be reset; nobody waits for a lock (10 s) or is refused.
  assert.ok(answers.includes('HTTP/1.1 200 OK'), answers.join());
  assert.ok(!answers.includes('HTTP/1.1 500 Internal Server Error'), answers.join());
  assert.ok(performance.now() - startMs < 5000, `${performance.now() - startMs} ms`);
});
