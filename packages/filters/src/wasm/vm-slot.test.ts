// How instances are replaced, with a stopped clock: spares, age, and what dies again and again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CALLBACKS, HOST_CALLS, Status } from '@dragoman/abi';
import { StatLane, StatTable } from '@dragoman/shm';
import { Puppet, StoppedClock } from '@dragoman/testkit';
import { compileModuleSync, HeaderList, LocalStream } from '@dragoman/vm';
import { readPluginLimits } from './plugin-limits.ts';
import { readPluginConfig, type WasmPluginConfig } from './plugin-settings.ts';
import { PluginVms } from './plugin-vms.ts';

const immediates = () => new Promise(resolve => setImmediate(resolve));
const trap = (): never => {
  throw new WebAssembly.RuntimeError('unreachable');
};

function pluginWith(wasm_limits: object, fields: Partial<WasmPluginConfig> = {}) {
  const puppet = new Puppet({ hostCalls: HOST_CALLS, callbacks: CALLBACKS });
  const clock = new StoppedClock();
  const table = new StatTable();
  const memory = StatLane.create();
  table.addLane(memory);
  const log: string[] = [];
  const logger = {
    enabled: () => true,
    log: (_level: string, _from: string, line: string) => log.push(line),
  };
  const vms = new PluginVms({
    clock,
    lane: new StatLane(memory),
    logger: logger as never,
    asyncClient: {} as never,
  });
  const node = { metadata: { dragoman: { wasm_limits } } } as never;
  const config = {
    ...{ name: 'plugin', rootId: 'root', failOpen: false },
    vmConfig: { vmId: 'vm', runtime: '', code: { local: { inlineString: '' } } },
    ...fields,
  } as WasmPluginConfig;
  const settings = readPluginConfig(config, readPluginLimits(node)('plugin'));
  let made = 0;
  const imports = new Map(
    [...puppet.imports].map(([name, bind], index) => [
      name,
      (instance: Parameters<typeof bind>[0]) => {
        if (index === 0) made++;
        return bind(instance);
      },
    ]),
  );
  const code = { ...compileModuleSync(puppet.bytes), sha256: 'abc' };
  const plugin = vms.start(
    { ...settings, vm: { ...settings.vm, imports: imports as never } },
    code,
    () => undefined,
  );
  const stat = (name: string) => {
    table.refresh();
    return table.value(name);
  };
  /** One request; what became of it, or null where the plugin cannot be had. */
  const request = () => {
    const root = plugin.acquire();
    if (root === null) return null;
    const stream = new LocalStream(root);
    const result = stream.request(HeaderList.from({ ':path': '/' }));
    stream.end();
    return result;
  };
  return { puppet, clock, plugin, request, stat, log, made: () => made };
}

test('a spare that has run its start functions takes the place of an instance that dies', async () => {
  const { puppet, clock, request, made, stat } = pluginWith({});
  assert.equal(made(), 1);
  clock.advance(1000);
  assert.equal(made(), 2);
  assert.equal(stat('wasm.envoy.wasm.runtime.v8.active'), 1);
  puppet.trace.length = 0;
  puppet.on.proxy_on_request_headers = trap;
  assert.equal(request(), 'failed');
  await immediates();
  assert.equal(made(), 2, 'nothing had to be instantiated');
  assert.ok(puppet.trace.some(line => line.startsWith('proxy_on_configure')));
  puppet.on.proxy_on_request_headers = () => 0;
  assert.equal(request(), 'continue');
  clock.advance(1000);
  assert.equal(made(), 3, 'and there is another spare');
});

test('without spares nothing is instantiated beforehand', () => {
  const { clock, made } = pluginWith({ spare: false });
  clock.advance(5000);
  assert.equal(made(), 1);
});

test('an instance is replaced when it is old enough, also when nobody asks for it', () => {
  const { puppet, clock, request, stat } = pluginWith({ spare: false, recycle: { age_s: 60 } });
  puppet.trace.length = 0;
  clock.advance(59_000);
  assert.equal(puppet.trace.length, 0);
  clock.advance(1000);
  assert.deepEqual(
    puppet.trace.map(line => line.replace(/\(.*/, '')),
    [
      'proxy_on_context_create',
      'proxy_on_vm_start',
      'proxy_on_configure',
      'proxy_on_done',
      'proxy_on_delete',
    ],
  );
  assert.equal(stat('dragoman.plugin.plugin.recycled.age'), 1);
  assert.equal(stat('dragoman.plugin.plugin.instances'), 1);
  assert.equal(stat('wasm.envoy.wasm.runtime.v8.created'), 2);
  assert.equal(request(), 'continue');
});

test('an instance that cannot be replaced goes on, and the log says so', () => {
  const { puppet, clock, request, log, stat } = pluginWith({ spare: false, recycle: { requests: 1 } });
  puppet.on.proxy_on_configure = () => 0;
  assert.equal(request(), 'continue');
  for (let i = 0; i < 100; i++) assert.equal(request(), 'continue');
  assert.equal(log.filter(line => /was to be replaced \(requests\) and goes on/.test(line)).length, 1);
  puppet.on.proxy_on_configure = () => 1;
  clock.advance(1000);
  assert.equal(request(), 'continue');
  assert.equal(stat('dragoman.plugin.plugin.recycled.requests'), 1);
});

test('what dies again and again without having served is started less and less often', async () => {
  const { puppet, clock, request, stat, log } = pluginWith({ spare: false });
  puppet.on.proxy_on_request_headers = trap;
  // Each start takes half a second.
  puppet.on.proxy_on_configure = () => {
    clock.advance(500);
    return 1;
  };
  const deaths = async () => {
    let count = 0;
    for (; request() === 'failed' && count < 50; count++) await immediates();
    return count;
  };
  // The first instance's start was not one after a failure; five starts and two seconds later it is enough.
  const first = await deaths();
  assert.ok(first >= 4 && first <= 6, `${first}`);
  assert.equal(request(), null);
  assert.match(log.join('\n'), /Plugin plugin dies again and again .*; next start in 1000 ms/);
  clock.advance(1000);
  assert.equal(stat('dragoman.plugin.plugin.backing_off'), 0);
  assert.equal(await deaths(), 1);
  clock.advance(1999);
  assert.equal(request(), null);
  assert.equal(stat('dragoman.plugin.plugin.backing_off'), 1);
  puppet.on.proxy_on_request_headers = () => 0;
  clock.advance(1);
  assert.equal(request(), 'continue');
  puppet.on.proxy_on_request_headers = trap;
  const again = await deaths();
  assert.ok(again >= 4, `one request served and there is patience again: ${again}`);
});

test('FAIL_RELOAD renews after the back-off what has stood in', async () => {
  const { puppet, clock, request, stat } = pluginWith({ spare: false }, { failurePolicy: 'FAIL_RELOAD' });
  puppet.on.proxy_on_request_headers = trap;
  request();
  await immediates();
  puppet.on.proxy_on_request_headers = () => 0;
  assert.equal(request(), 'continue');
  puppet.trace.length = 0;
  clock.advance(999);
  assert.equal(puppet.trace.length, 0);
  clock.advance(1);
  assert.ok(puppet.trace.some(line => line.startsWith('proxy_on_configure')));
  assert.equal(stat('dragoman.plugin.plugin.recycled.reload'), 1);
  assert.equal(request(), 'continue');
});

test('a log flood is cut off, counted and told once in a second; the next second begins anew', () => {
  const { puppet, clock, request, log, stat } = pluginWith({ spare: false, log_lines_per_s: 10 });
  puppet.on.proxy_on_request_headers = () => {
    for (let i = 0; i < 100; i++) puppet.call('proxy_log', 2, 'flood');
    return 0;
  };
  const lines = (text: RegExp) => log.filter(line => text.test(line)).length;
  request();
  assert.equal(lines(/flood$/), 10);
  assert.equal(lines(/Plugin plugin logs more than 10 lines in a second/), 1);
  assert.equal(stat('dragoman.plugin.plugin.log_lines_dropped'), 90);
  clock.advance(1000);
  request();
  assert.equal(lines(/flood$/), 20);
  assert.equal(lines(/logs more than 10 lines/), 2);
});

test('a metric flood does not take the room of the other statistics', () => {
  const { puppet, request, stat } = pluginWith({ spare: false });
  const defined: number[] = [0, 0, 0];
  puppet.on.proxy_on_request_headers = () => {
    for (const [type, count] of [
      [2, 600],
      [0, 9000],
    ] as const)
      for (let i = 0; i < count; i++)
        if (puppet.call('proxy_define_metric', type, `m${type}.${i}`, puppet.slot(0)) === 0) defined[type]++;
    assert.equal(
      puppet.call('proxy_define_metric', 0, 'x'.repeat(513), puppet.slot(0)),
      Status.InternalFailure,
    );
    return 0;
  };
  request();
  assert.ok(defined[2]! > 400 && defined[2]! < 600, `${defined[2]} histograms`);
  assert.equal(stat('dragoman.stat_lane_overflow'), undefined);
  puppet.on.proxy_on_request_headers = trap;
  request();
  assert.equal(stat('wasm.plugin.failures.trap'), 1);
});
