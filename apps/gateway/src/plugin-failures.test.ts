// How an operator of the real program learns why a plugin failed, and what FAIL_OPEN makes of a plugin that does not load.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { GatewayProcess, ModuleBuilder, op, ScriptedServer } from '@dragoman/testkit';

/** Grows page by page until that is refused. */
const GROW = [0x03, 0x40, ...op.i32(1), ...op.memoryGrow, ...op.i32(-1), 0x47, 0x0d, 0, 0x0b];

/** A plugin that dies in the way the request's header x-die says, by its first letter. */
function dyingPlugin(): Uint8Array {
  const module = new ModuleBuilder();
  const getHeader = module.importFunction('env', 'proxy_get_header_map_value', 'iiiii>i');
  const missing = module.importFunction('env', 'proxy_no_such_call', '>');
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(1024), 'malloc');
  const recurse = module.function('ii>i', [
    ...op.get(0),
    ...op.get(1),
    ...op.call(4),
    ...op.i32(1),
    ...op.add,
  ]);
  assert.equal(recurse, 4);
  const ask = [0, 64, 5, 16, 20].flatMap(value => op.i32(value));
  const when = (letter: string, code: readonly number[]): number[] => [
    ...[...op.i32(1024), 0x2d, 0, 0, ...op.i32(letter.charCodeAt(0)), 0x46, 0x04, 0x40],
    ...[...code, 0x0b],
  ];
  module.function(
    'iii>i',
    [
      ...[...ask, ...op.call(getHeader), 0x45, 0x04, 0x40],
      ...when('t', op.unreachable),
      ...when('s', [...op.get(0), ...op.get(1), ...op.call(recurse), ...op.drop]),
      ...when('d', op.forever),
      ...when('o', [...GROW, ...op.unreachable]),
      ...when('c', op.call(missing)),
      ...[0x0b, ...op.i32(0)],
    ],
    'proxy_on_request_headers',
  );
  module.memory({ minimum: 1 });
  module.data(64, 'x-die');
  return module.build();
}

interface Config {
  readonly plugin: string;
  readonly upstreamPort?: number;
  readonly accessLog?: string;
  readonly policy?: string;
  readonly limits?: object;
}

const configOf = ({ plugin, upstreamPort = 1, accessLog = '/dev/null', policy, limits = {} }: Config) => `
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
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: ${accessLog}
              log_format: { text_format_source: { inline_string: "%REQ(X-DIE)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %DYNAMIC_METADATA(envoy.filters.http.wasm:failed_plugin)%\\n" } }
          route_config:
            virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: app } }] }]
          http_filters:
          - name: dying
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: dying
                ${policy === undefined ? '' : `failure_policy: ${policy}`}
                vm_config: { runtime: envoy.wasm.runtime.v8, code: { local: { filename: "${plugin}" } } }
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;

const CAUSES: Readonly<Record<string, string>> = {
  t: 'trap',
  s: 'stack_overflow',
  d: 'deadline',
  o: 'out_of_memory',
  c: 'contract_violation',
};

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'dragoman-failures-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('a plugin that dies', () => {
  let gateway: GatewayProcess;
  let upstream: ScriptedServer;
  let url: string;
  before(async () => {
    upstream = await ScriptedServer.answering('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    const plugin = join(folder, 'dying.wasm');
    writeFileSync(plugin, dyingPlugin());
    const limits = { cpu_ms: { request: 100 }, memory_mib: 1 };
    const accessLog = join(folder, 'access.log');
    gateway = await GatewayProcess.start({
      config: configOf({ plugin, upstreamPort: upstream.port, accessLog, limits }),
      args: ['--concurrency', '1'],
    });
    url = `http://127.0.0.1:${(await gateway.ports()).main}/`;
  });
  after(async () => {
    await gateway.kill();
    await upstream.close();
  });

  const statusWith = async (headers: Record<string, string>): Promise<number> => {
    const response = await fetch(url, { headers });
    await response.text();
    return response.status;
  };

  test('has a code for each cause in access log, statistics, metrics and log; the next request is served', async () => {
    for (const letter of Object.keys(CAUSES)) {
      assert.equal(await statusWith({ 'x-die': letter }), 503, letter);
      assert.equal(await statusWith({}), 200, `after ${letter}`);
    }
    const stats = await (await gateway.admin('/stats')).text();
    const metrics = await (await gateway.admin('/stats/prometheus')).text();
    for (const cause of Object.values(CAUSES)) {
      assert.match(stats, new RegExp(`^wasm\\.dying\\.failures\\.${cause}: 1$`, 'm'));
      assert.match(
        metrics,
        new RegExp(`^envoy_wasm_failures\\{dragoman_plugin="dying",dragoman_cause="${cause}"\\} 1$`, 'm'),
      );
      assert.match(
        gateway.log,
        new RegExp(`Function: \\S+ failed: Uncaught .* \\[cause: ${cause}, plugin: dying\\]`),
      );
    }
    assert.match(gateway.log, /Proxy-Wasm plugin in-VM backtrace:\n\s*0: /);
    assert.match(stats, /^dragoman\.plugin\.dying\.instances: 1$/m);
    assert.match(stats, /^dragoman\.worker_restarts: 0$/m);
    await gateway.stop();
    const lines = readFileSync(join(folder, 'access.log'), 'utf8').split('\n');
    for (const [letter, cause] of Object.entries(CAUSES))
      assert.ok(lines.includes(`${letter} 503 wasm_fail_stream{${cause}} dying`), lines.join('\n'));
  });
});

describe('a plugin that does not load', () => {
  test('lets the proxy start and everything pass under FAIL_OPEN, and keeps it from starting otherwise', async t => {
    const upstream = await ScriptedServer.answering('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    t.after(() => upstream.close());
    const plugin = join(folder, 'broken.wasm');
    writeFileSync(plugin, 'this is no wasm');
    const config = configOf({ plugin, upstreamPort: upstream.port, policy: 'FAIL_OPEN' });
    const gateway = await GatewayProcess.start({ config, args: ['--concurrency', '1'] });
    const { status } = await fetch(`http://127.0.0.1:${(await gateway.ports()).main}/`);
    assert.equal(status, 200);
    const stats = await (await gateway.admin('/stats?filter=dragoman.plugin')).text();
    assert.match(stats, /dragoman\.plugin\.dying\.bypassed: 1/);
    await gateway.kill();
    assert.match(gateway.log, /Unable to create Wasm plugin dying/);
    for (const policy of ['FAIL_RELOAD', 'FAIL_CLOSED']) {
      const { code, stderr } = await GatewayProcess.run({ config: configOf({ plugin, policy }) });
      assert.equal(code, 1, stderr);
    }
    // A path that leads nowhere is a mistake in the configuration, whatever the policy.
    const absent = configOf({ plugin: join(folder, 'absent.wasm'), policy: 'FAIL_OPEN' });
    const { code, stderr } = await GatewayProcess.run({ config: absent });
    assert.equal(code, 1);
    assert.match(stderr, /vm_config\.code\.local\.filename: Invalid path/);
  });

  test('because it does not end is found out by --mode validate', async () => {
    const module = new ModuleBuilder();
    module.function('>', [], 'proxy_abi_version_0_2_1');
    module.function('i>i', op.i32(1024), 'malloc');
    module.function('>', op.forever, '_initialize');
    module.memory({ minimum: 1 });
    const plugin = join(folder, 'endless.wasm');
    writeFileSync(plugin, module.build());
    const { code, stderr } = await GatewayProcess.run({
      config: configOf({ plugin, limits: { cpu_ms: { start: 50 } } }),
      args: ['--mode', 'validate'],
    });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /Unable to create Wasm plugin dying .*the deadline of 50 ms has passed/);
  });
});
