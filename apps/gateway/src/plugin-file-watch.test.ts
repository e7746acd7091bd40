// A plugin whose file is replaced while the real program serves.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { GatewayProcess, ModuleBuilder, op, RawConnection } from '@dragoman/testkit';

const NAME = 64;
const VALUE = 96;
let folder: string;
let gateway: GatewayProcess;

/** Adds the header x-version to responses; with `refuses` it does not take its configuration. */
function plugin(version: string, refuses = false): Buffer {
  const module = new ModuleBuilder();
  const add = module.importFunction('env', 'proxy_add_header_map_value', 'iiiii>i');
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(1024), 'malloc');
  module.function('ii>i', op.i32(refuses ? 0 : 1), 'proxy_on_configure');
  module.function(
    'iii>i',
    [
      ...[2, NAME, 9, VALUE, version.length].flatMap(value => op.i32(value)),
      ...op.call(add),
      ...op.drop,
      ...op.i32(0),
    ],
    'proxy_on_response_headers',
  );
  module.memory({ minimum: 1 });
  module.data(NAME, 'x-version');
  module.data(VALUE, version);
  return module.build();
}

function put(bytes: Uint8Array): void {
  const path = join(folder, 'plugin.wasm');
  writeFileSync(`${path}.new`, bytes);
  renameSync(`${path}.new`, path);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dragoman-code-'));
  put(plugin('one'));
  gateway = await GatewayProcess.start({
    args: ['--concurrency', '1'],
    config: `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
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
            virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, direct_response: { status: 200 } }] }]
          http_filters:
          - name: plugin
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: plugin
                failure_policy: FAIL_OPEN
                vm_config: { runtime: envoy.wasm.runtime.v8, code: { local: { filename: "${folder}/plugin.wasm" } } }
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`,
  });
});

after(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('new code serves the next requests of kept connections; code that does not start is not used', async () => {
  const { main } = await gateway.ports();
  const client = await RawConnection.connect(main!);
  const version = async (): Promise<string[] | undefined> => {
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    const answer = await client.readMessage();
    assert.equal(answer.startLine, 'HTTP/1.1 200 OK');
    return answer.headers.get('x-version');
  };
  assert.deepEqual(await version(), ['one']);

  put(plugin('bad', true));
  await gateway.logged('plugin.wasm has changed and is not used: Unable to create Wasm plugin');
  assert.deepEqual(await version(), ['one']);

  put(Buffer.from('no module'));
  await gateway.logged('not a wasm file');
  assert.deepEqual(await version(), ['one']);

  put(plugin('two'));
  await gateway.logged('plugin.wasm has changed: new requests use it');
  const limitMs = Date.now() + 10_000;
  while ((await version())?.[0] !== 'two')
    assert.ok(Date.now() < limitMs, 'requests still reach the old code');
  const stats = await (await gateway.admin('/stats?filter=wasm_file|recycled')).text();
  assert.match(stats, /dragoman\.wasm_file_updates: 1/);
  assert.match(stats, /dragoman\.plugin\.plugin\.recycled\.code: 1/);
  client.socket.destroy();
});
