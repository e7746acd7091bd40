// A plugin whose code the real program fetches from a cluster before it serves.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { GatewayProcess, ModuleBuilder, op } from '@dragoman/testkit';

const module = new ModuleBuilder();
const reply = module.importFunction('env', 'proxy_send_local_response', 'iiiiiiii>i');
module.function('>', [], 'proxy_abi_version_0_2_1');
module.function(
  'iii>i',
  [
    ...[202, 0, 0, 0, 0, 0, 0, -1].flatMap(value => op.i32(value)),
    ...op.call(reply),
    ...op.drop,
    ...op.i32(1),
  ],
  'proxy_on_request_headers',
);
module.function('i>i', op.i32(1024), 'malloc');
module.memory({ minimum: 1 });
const CODE = module.build();
const SHA256 = createHash('sha256').update(CODE).digest('hex');

let server: Server;
before(async () => {
  server = createServer((request, response) => {
    response.statusCode = request.url === '/plugin.wasm' ? 200 : 404;
    response.end(request.url === '/plugin.wasm' ? CODE : 'no');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
});
after(() => {
  server.close();
});

function config(path: string, plugin: object = {}): string {
  const { port } = server.address() as AddressInfo;
  const TYPES = 'type.googleapis.com/envoy.extensions.filters';
  const address = (number: number) => ({ socket_address: { address: '127.0.0.1', port_value: number } });
  const retryPolicy = { num_retries: 1, retry_back_off: { base_interval: '0.01s' } };
  const uri = { uri: `http://code.test${path}`, cluster: 'code', timeout: '2s' };
  const code = { remote: { sha256: SHA256, http_uri: uri, retry_policy: retryPolicy } };
  const wasm = { config: { name: 'p', vm_config: { code }, ...plugin } };
  const manager = {
    '@type': `${TYPES}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'main',
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
        },
      ],
    },
    http_filters: [
      { name: 'wasm', typed_config: { '@type': `${TYPES}.http.wasm.v3.Wasm`, ...wasm } },
      { name: 'router', typed_config: { '@type': `${TYPES}.http.router.v3.Router` } },
    ],
  };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }];
  return JSON.stringify({
    admin: { address: address(0) },
    static_resources: {
      listeners: [
        {
          name: 'main',
          address: address(0),
          filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
        },
      ],
      clusters: [{ name: 'code', type: 'STATIC', load_assignment: { cluster_name: 'code', endpoints } }],
    },
  });
}

for (const [what, path, plugin, status] of [
  ['code that can be had runs', '/plugin.wasm', {}, 202],
  ['code that cannot be had: 503', '/none', {}, 503],
  ['code that cannot be had, FAIL_OPEN: requests pass', '/none', { failure_policy: 'FAIL_OPEN' }, 200],
] as const)
  test(what, async t => {
    const gateway = await GatewayProcess.start({ config: config(path, plugin) });
    t.after(() => gateway.stop());
    const { main } = await gateway.ports();
    assert.equal((await fetch(`http://127.0.0.1:${main}/`)).status, status, gateway.log);
  });
