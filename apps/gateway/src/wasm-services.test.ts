// Plugins without traffic in the real program: services on every worker or once, and stats sinks, each on its thread.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { GatewayProcess, ModuleBuilder, op } from '@dragoman/testkit';

const TYPES = 'type.googleapis.com/envoy.extensions';

/** A guest that says `configured` when it is, and `told` when a sink is told of statistics. */
function talkative(): string {
  const module = new ModuleBuilder();
  const log = module.importFunction('env', 'proxy_log', 'iii>i');
  const say = (at: number, length: number) => [
    ...op.i32(2),
    ...op.i32(at),
    ...op.i32(length),
    ...op.call(log),
    ...op.drop,
  ];
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(0), 'malloc');
  module.function('ii>i', [...say(0, 10), ...op.i32(1)], 'proxy_on_configure');
  module.function('ii>', say(16, 4), 'envoy_on_stats_update');
  module.memory({ minimum: 1 });
  module.data(0, 'configured');
  module.data(16, 'told');
  return module.build().toString('base64');
}

const plugin = (name: string): object => ({
  name,
  root_id: name,
  vm_config: { vm_id: name, code: { local: { inline_bytes: talkative() } } },
});

async function start(t: TestContext, bootstrap: object): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.start({
    config: JSON.stringify({
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
      ...bootstrap,
    }),
    args: ['--concurrency', '2'],
  });
  t.after(() => gateway.kill());
  return gateway;
}

const linesWith = (gateway: GatewayProcess, text: string): number => gateway.log.split(text).length - 1;

test('a singleton service runs once, another one on each worker', async t => {
  const service = (name: string, singleton: boolean) => ({
    name,
    typed_config: { '@type': `${TYPES}.wasm.v3.WasmService`, singleton, config: plugin(name) },
  });
  const gateway = await start(t, { bootstrap_extensions: [service('once', true), service('each', false)] });
  assert.equal(linesWith(gateway, 'wasm log once once: configured'), 1);
  assert.equal(linesWith(gateway, 'wasm log each each: configured'), 2);
});

test('a stats sink runs once and is told at every flush', async t => {
  const sink = {
    name: 'envoy.stat_sinks.wasm',
    typed_config: { '@type': `${TYPES}.stat_sinks.wasm.v3.Wasm`, config: plugin('sink') },
  };
  const gateway = await start(t, { stats_sinks: [sink], stats_flush_interval: '0.05s' });
  assert.equal(linesWith(gateway, 'wasm log sink sink: configured'), 1);
  const limitMs = Date.now() + 5000;
  while (linesWith(gateway, 'wasm log sink sink: told') < 2 && Date.now() < limitMs)
    await new Promise(resolve => setTimeout(resolve, 20));
  assert.ok(linesWith(gateway, 'wasm log sink sink: told') >= 2);
});

test('other extensions are refused by name', async t => {
  const other = {
    name: 'envoy.bootstrap.internal_listener',
    typed_config: { '@type': `${TYPES}.bootstrap.internal_listener.v3.InternalListener` },
  };
  await assert.rejects(start(t, { bootstrap_extensions: [other] }), /internal_listener/);
});
