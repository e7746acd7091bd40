// Plugins that do not end or want all the memory, in the real program with one worker: what the request, other requests and
// the worker meet.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '@dragoman/base';
import { GatewayProcess, ModuleBuilder, op, ScriptedServer } from '@dragoman/testkit';
import { Guard } from '@dragoman/vm';
import { PluginWatch } from './plugin-watch.ts';
import type { WorkerFleet } from './worker-fleet.ts';

const DEADLINE_MS = 150;
const RESPONSE = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** Address of a header's name in the guest's memory, by name; two words at 16 take pointer and size of the value. */
const NAMES: Readonly<Record<string, number>> = { 'x-loop': 64, 'x-grow': 96, 'x-greedy': 128 };

/** Runs `code` when the request has the header `name`. */
function whenAsked(getHeader: number, name: string, code: readonly number[]): number[] {
  const args = [0, NAMES[name]!, name.length, 16, 20].flatMap(value => op.i32(value));
  return [...args, ...op.call(getHeader), 0x45, 0x04, 0x40, ...code, 0x0b];
}

/** Grows page by page until that is refused. */
const GROW = [0x03, 0x40, ...op.i32(1), ...op.memoryGrow, ...op.i32(-1), 0x47, 0x0d, 0, 0x0b];

/** x-loop: an endless loop; x-grow: all the memory there is; x-greedy: that, and dies of having no more. */
function hostilePlugin(options: { readonly initialize?: readonly number[]; readonly pages?: number } = {}) {
  const module = new ModuleBuilder();
  const getHeader = module.importFunction('env', 'proxy_get_header_map_value', 'iiiii>i');
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(1024), 'malloc');
  if (options.initialize !== undefined) module.function('>', options.initialize, '_initialize');
  module.function(
    'iii>i',
    [
      ...whenAsked(getHeader, 'x-loop', op.forever),
      ...whenAsked(getHeader, 'x-grow', GROW),
      ...whenAsked(getHeader, 'x-greedy', [...GROW, ...op.unreachable]),
      ...op.i32(0),
    ],
    'proxy_on_request_headers',
  );
  module.memory({ minimum: options.pages ?? 1 });
  for (const [name, address] of Object.entries(NAMES)) module.data(address, name);
  return module.build();
}

function configOf(pluginPath: string, upstreamPort: number, limits: object): string {
  return `
node: { metadata: { dragoman: { wasm_limits: ${JSON.stringify(limits)} } } }
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
static_resources:
  clusters:
  - name: app
    type: STATIC
    load_assignment:
      cluster_name: app
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${upstreamPort} } } } }] }]
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
            virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: app } }] }]
          http_filters:
          - name: hostile
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config: { name: hostile, vm_config: { runtime: envoy.wasm.runtime.v8, code: { local: { filename: "${pluginPath}" } } } }
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;
}

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'dragoman-limits-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function pluginFile(name: string, bytes: Uint8Array): string {
  const path = join(folder, `${name}.wasm`);
  writeFileSync(path, bytes);
  return path;
}

describe('a hostile plugin', () => {
  let gateway: GatewayProcess;
  let upstream: ScriptedServer;
  let url: string;
  let answerSlowOnes: () => void = () => {};
  let onSlowRequest: () => void = () => {};

  before(async () => {
    upstream = await ScriptedServer.listen(async connection => {
      while (connection.isOpen) {
        const request = await connection.readMessage().catch(() => null);
        if (request === null) return;
        if (request.startLine.startsWith('GET /slow')) {
          const released = new Promise<void>(resolve => {
            answerSlowOnes = resolve;
          });
          onSlowRequest();
          await released;
        }
        connection.send(RESPONSE);
      }
    });
    const config = configOf(pluginFile('hostile', hostilePlugin()), upstream.port, {
      cpu_ms: { request: DEADLINE_MS },
      memory_mib: 2,
    });
    gateway = await GatewayProcess.start({ config, args: ['--concurrency', '1'] });
    url = `http://127.0.0.1:${(await gateway.ports()).main}`;
  });
  after(async () => {
    await gateway.kill();
    await upstream.close();
  });

  const get = async (path: string, headers: Record<string, string> = {}) => {
    const startMs = performance.now();
    const response = await fetch(url + path, { headers });
    await response.text();
    return { status: response.status, tookMs: performance.now() - startMs };
  };

  test('an endless loop costs its request 503, within twice the deadline, and no other request', async () => {
    const slowArrived = new Promise<void>(resolve => {
      onSlowRequest = resolve;
    });
    const slow = get('/slow');
    await slowArrived;
    const [looped, beside] = await Promise.all([get('/', { 'x-loop': '1' }), get('/beside')]);
    assert.equal(looped.status, 503);
    assert.ok(looped.tookMs >= DEADLINE_MS, `after ${looped.tookMs} ms`);
    assert.ok(looped.tookMs <= 2 * DEADLINE_MS + 20, `after ${looped.tookMs} ms`);
    assert.equal(beside.status, 200);
    answerSlowOnes();
    assert.equal((await slow).status, 200);
    assert.equal((await get('/next')).status, 200);
    assert.match(gateway.log, /proxy_on_request_headers failed: Uncaught the deadline of 150 ms has passed/);
  });

  test('loop after loop, each next request is served, and the worker is the same', async () => {
    for (let i = 0; i < 3; i++) {
      assert.equal((await get('/', { 'x-loop': '1' })).status, 503);
      assert.equal((await get('/')).status, 200);
    }
    const stats = await (await gateway.admin('/stats?filter=worker_restarts')).text();
    assert.match(stats, /dragoman\.worker_restarts: 0/);
    assert.doesNotMatch(gateway.log, /died/);
  });

  test('a plugin that takes all the memory gets as much as it may have, and lives', async () => {
    assert.equal((await get('/', { 'x-grow': '1' })).status, 200);
    assert.equal((await get('/')).status, 200);
  });

  test('one that dies of it costs its request, and the log says why', async () => {
    assert.equal((await get('/', { 'x-greedy': '1' })).status, 503);
    assert.equal((await get('/')).status, 200);
    assert.match(gateway.log, /Uncaught the memory limit was reached/);
  });
});

describe('a plugin that cannot start', () => {
  const refusal = async (name: string, bytes: Uint8Array, limits: object) => {
    const { code, stderr } = await GatewayProcess.run({
      config: configOf(pluginFile(name, bytes), 1, limits),
    });
    assert.equal(code, 1, stderr);
    return stderr;
  };

  test('because it does not end', async () => {
    const stderr = await refusal('endless', hostilePlugin({ initialize: op.forever }), {
      cpu_ms: { start: 50 },
    });
    assert.match(stderr, /Unable to create Wasm plugin hostile .*the deadline of 50 ms has passed/);
  });

  test('because it starts with too much memory', async () => {
    const stderr = await refusal('large', hostilePlugin({ pages: 33 }), { memory_mib: 2 });
    assert.match(stderr, /starts at 33 pages of 64 KiB, the limit is 32/);
  });

  test('because its limits are nonsense', async () => {
    const stderr = await refusal('fine', hostilePlugin(), { cpu_ms: 5 });
    assert.match(stderr, /node\.metadata\.dragoman\.wasm_limits\.cpu_ms: expected an object/);
  });

  test('because it cannot be limited, where that is demanded; otherwise it runs, with a warning', async () => {
    const shared = new ModuleBuilder();
    shared.function('>', [], 'proxy_abi_version_0_2_1');
    shared.function('i>i', op.i32(1024), 'malloc');
    shared.memory({ minimum: 1, maximum: 1 });
    const bytes = shared.build();
    // The flags of the only memory: with a maximum, and shared.
    bytes[bytes.indexOf(Uint8Array.from([5, 4, 1, 1, 1, 1])) + 3] = 3;
    const stderr = await refusal('shared', bytes, { memory_mib: 64 });
    assert.match(stderr, /its time and memory cannot be limited: shared memory \(at byte \d+\)/);
    const gateway = await GatewayProcess.start({ config: configOf(pluginFile('shared', bytes), 1, {}) });
    await gateway.kill();
    assert.match(gateway.log, /plugin hostile runs without limits, .*shared memory/);
  });
});

test('a worker that does not come out of a call that was told to end is replaced', async () => {
  const guard = new Guard();
  const terminated = Promise.withResolvers<number>();
  const fleet: Pick<WorkerFleet, 'watchGuards' | 'terminate'> = {
    watchGuards: watcher => watcher.watch(3, guard.memory),
    terminate: terminated.resolve,
  };
  const watch = new PluginWatch(fleet, silentLogger);
  guard.enter(1);
  assert.equal(await terminated.promise, 3);
  assert.equal(guard.leave(), true);
  await watch.close();
});
