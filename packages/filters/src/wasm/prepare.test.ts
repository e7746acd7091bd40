import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { BufferType, HOST_CALLS, MetricType } from '@dragoman/abi';
import type { Any } from '@dragoman/config';
import { Arena, type ArenaMemory, SharedQueueStore, StatLane, StatTable } from '@dragoman/shm';
import { ModuleBuilder, op } from '@dragoman/testkit';
import { type CompiledCode, METRIC_TOTALS_ATTACHMENT, SHARED_STATE_ATTACHMENT } from './attachments.ts';
import { configurationBytes } from './configuration-bytes.ts';
import { LaneMetrics } from './lane-metrics.ts';
import { readPluginLimits } from './plugin-limits.ts';
import { checkPluginConfig, readPluginConfig, vmKey, type WasmPluginConfig } from './plugin-settings.ts';
import { prepareWasmPlugins } from './prepare.ts';
import { arenaOwner, releaseWorkerSharedState } from './shared-state.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasm-prepare-'));
after(() => rmSync(folder, { recursive: true }));

/** A plugin whose on_configure answers `configured`, and which logs its configuration's status of reading. */
function pluginBytes(configured: number): Buffer {
  const module = new ModuleBuilder();
  const getBuffer = module.importFunction(
    'env',
    'proxy_get_buffer_bytes',
    HOST_CALLS.find(({ name }) => name === 'proxy_get_buffer_bytes')!.type,
  );
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(2048), 'malloc');
  const read = [
    ...op.i32(BufferType.PluginConfiguration),
    ...op.i32(0),
    ...op.get(1),
    ...op.i32(16),
    ...op.i32(20),
    ...op.call(getBuffer),
    ...op.drop,
  ];
  module.function('ii>i', [...read, ...op.i32(configured)], 'proxy_on_configure');
  module.memory({ minimum: 1 });
  return module.build();
}

const good = join(folder, 'good.wasm');
const refusing = join(folder, 'refusing.wasm');
const text = join(folder, 'text.wasm');
writeFileSync(good, pluginBytes(1));
writeFileSync(refusing, pluginBytes(0));
writeFileSync(text, 'no wasm');

const config = (
  code: object | undefined,
  more: Partial<WasmPluginConfig> = {},
  vm: object = {},
): WasmPluginConfig =>
  ({
    name: 'p',
    rootId: 'r',
    failOpen: false,
    vmConfig: { vmId: '', runtime: '', code, allowPrecompiled: false, nackOnCodeCacheMiss: false, ...vm },
    ...more,
  }) as WasmPluginConfig;
const file = (filename: string, more: Partial<WasmPluginConfig> = {}) =>
  config({ local: { filename } }, more);
const any = (typeName: string, value: unknown): Any => ({
  typeUrl: `type.googleapis.com/${typeName}`,
  typeName,
  value,
});
/** A configuration that holds the plugins somewhere deep inside. */
const holding = (...plugins: WasmPluginConfig[]) => ({
  staticResources: {
    listeners: plugins.map(plugin => ({
      filters: [{ typedConfig: any('envoy.extensions.filters.http.wasm.v3.Wasm', { config: plugin }) }],
    })),
  },
});

describe('preparing plugins on the main thread', () => {
  test('code is compiled once for all plugins that use it, wherever they stand', async () => {
    const { attachments, errors } = await prepareWasmPlugins(holding(file(good), file(good, { name: 'q' })));
    assert.deepEqual(errors, []);
    assert.deepEqual([...attachments.keys()].sort(), [
      `wasm:file:${good}`,
      METRIC_TOTALS_ATTACHMENT,
      SHARED_STATE_ATTACHMENT,
    ]);
    const code = attachments.get(`wasm:file:${good}`) as CompiledCode;
    assert.ok(code.module instanceof WebAssembly.Module);
    assert.equal(code.sha256.length, 64);
    structuredClone(code.info);
  });

  test('a configuration without plugins needs nothing', async () => {
    const { attachments, errors } = await prepareWasmPlugins({ node: { id: 'n' }, staticResources: {} });
    assert.deepEqual([attachments.size, errors.length], [0, 0]);
  });

  for (const [what, plugin, expected] of [
    [
      'a missing file',
      file(join(folder, 'none.wasm')),
      /^Unable to create Wasm plugin p \(root id "r"\): cannot read the code .*none\.wasm: no such file$/,
    ],
    ['a directory', file(folder), /it is a directory$/],
    [
      'a file that is no wasm',
      file(text),
      /^Unable to create Wasm plugin p \(root id "r"\): not a wasm file: it begins with 6e6f207761736d/,
    ],
    [
      'an environment variable that is not set',
      config({ local: { environmentVariable: 'NO_SUCH_VARIABLE_HERE' } }),
      /NO_SUCH_VARIABLE_HERE is not set/,
    ],
  ] as const) {
    test(`S107: ${what} is an error that names plugin, root id and reason`, async () => {
      const { errors } = await prepareWasmPlugins(holding(plugin));
      assert.equal(errors.length, 1);
      assert.match(errors[0]!, expected);
    });
  }

  test('a plugin that is to fail open and does not load is a warning', async () => {
    const { errors, warnings } = await prepareWasmPlugins(
      holding(file(text, { failurePolicy: 'FAIL_OPEN' }), file(good)),
    );
    assert.deepEqual(errors, []);
    assert.match(warnings[0] ?? '', /Unable to create Wasm plugin p/);
  });

  test('the canary finds a plugin that refuses its configuration', async () => {
    const without = await prepareWasmPlugins(holding(file(refusing)));
    assert.deepEqual(without.errors, []);
    const { errors } = await prepareWasmPlugins(holding(file(refusing)), { canary: true });
    assert.match(
      errors[0] ?? '',
      /^Unable to create Wasm plugin p \(root id "r"\): .*proxy_on_configure returned false$/,
    );
  });

  test('remote code is fetched and its sha256 compared', async () => {
    const fetchCode = async () => pluginBytes(1);
    const wrong = await prepareWasmPlugins(holding(config({ remote: { sha256: 'ab' } })), { fetchCode });
    assert.deepEqual(wrong.errors, [], 'requests are answered by the failure policy');
    assert.match(
      wrong.warnings[0] ?? '',
      /remote code has the sha256 [0-9a-f]{64}, the configuration says ab/,
    );
  });

  test('code that was compiled for the configuration before is used again', async () => {
    const first = await prepareWasmPlugins(holding(file(good)));
    const second = await prepareWasmPlugins(holding(file(good)), { previous: first.attachments });
    const key = `wasm:file:${good}`;
    assert.equal(second.attachments.get(key), first.attachments.get(key));
    assert.equal(
      second.attachments.get(SHARED_STATE_ATTACHMENT),
      first.attachments.get(SHARED_STATE_ATTACHMENT),
      'plugins find their data again',
    );
  });

  test('S108: the VMs that Envoy would have besides those of workers are counted once per VM', async () => {
    const table = new StatTable();
    const memory = StatLane.create();
    table.addLane(memory);
    await prepareWasmPlugins(holding(file(good), file(good, { name: 'q' })), { lane: new StatLane(memory) });
    const { counters, gauges } = table.snapshot();
    assert.equal(counters.get('wasm.envoy.wasm.runtime.v8.created'), 3);
    assert.equal(gauges.get('wasm.wasm_vm_count')?.value, 2);
  });
});

test('what a worker that has died held is free for the others', async () => {
  const { attachments } = await prepareWasmPlugins(holding(file(good)));
  const memory = attachments.get(SHARED_STATE_ATTACHMENT) as ArenaMemory;
  const queues = [0, 1].map(index => new SharedQueueStore(new Arena(memory, arenaOwner(index)))) as [
    SharedQueueStore,
    SharedQueueStore,
  ];
  const token = queues[0].register('vm', 'queue');
  releaseWorkerSharedState(attachments, 0);
  queues[1].enqueue(token, Buffer.from('item'));
  assert.deepEqual(queues[0].takeNotices(), [], 'nobody owns the queue');
  assert.equal(queues[1].register('vm', 'queue'), token);
  queues[0].enqueue(token, Buffer.from('item'));
  assert.deepEqual(queues[1].takeNotices(), [{ token, count: 1 }]);
  releaseWorkerSharedState(new Map(), 0);
});

describe('plugin configuration', () => {
  test('S99: text and bytes as they are, a Struct as JSON, nothing for nothing', () => {
    const bytes = (typeName: string, value: unknown) => configurationBytes(any(typeName, value)).toString();
    assert.equal(bytes('google.protobuf.StringValue', 'täxt'), 'täxt');
    assert.equal(bytes('google.protobuf.BytesValue', Buffer.from('raw')), 'raw');
    assert.equal(bytes('google.protobuf.Struct', { a: [1, null] }), '{"a":[1,null]}');
    assert.equal(configurationBytes(undefined).length, 0);
  });

  test('S99: any other message arrives in its wire form', () => {
    const bytes = configurationBytes(any('google.protobuf.Duration', 1500));
    // seconds 1, nanos 500,000,000.
    assert.deepEqual([...bytes], [0x08, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]);
  });

  test('S100: the VM key changes with id, configuration and code, and with what the guest may do', () => {
    const key = (plugin: WasmPluginConfig, sha256 = 'a') =>
      vmKey(readPluginConfig(plugin, readPluginLimits(undefined)('p')), sha256);
    const base = config({ local: { filename: 'x' } });
    const keys = new Set([
      key(base),
      key(base, 'b'),
      key(config({ local: { filename: 'x' } }, {}, { vmId: 'other' })),
      key(
        config({ local: { filename: 'x' } }, {}, { configuration: any('google.protobuf.StringValue', 'c') }),
      ),
      key(
        config(
          { local: { filename: 'x' } },
          { capabilityRestrictionConfig: { allowedCapabilities: { proxy_log: {} } } },
        ),
      ),
    ]);
    assert.equal(keys.size, 5);
    assert.equal(
      key(base),
      key({
        ...base,
        name: 'other',
        configuration: any('google.protobuf.StringValue', 'c'),
      } as WasmPluginConfig),
    );
  });

  test('S101, S106: what the schema cannot know to be wrong', () => {
    const check = (plugin: WasmPluginConfig | undefined) => {
      const found: string[] = [];
      checkPluginConfig(plugin, path => found.push(path));
      return found;
    };
    const local = { local: { filename: 'x' } };
    assert.deepEqual(check(config(local)), []);
    assert.deepEqual(check(undefined), ['vm_config']);
    assert.deepEqual(check(config(undefined)), ['vm_config.code']);
    assert.deepEqual(check(config({ remote: { sha256: '' } })), ['vm_config.code.remote.sha256']);
    assert.deepEqual(check(config(local, {}, { runtime: 'envoy.wasm.runtime.null' })), ['vm_config.runtime']);
    assert.deepEqual(check(config(local, { failOpen: true, failurePolicy: 'FAIL_CLOSED' })), ['fail_open']);
    const twice = { environmentVariables: { hostEnvKeys: ['A', 'B', 'A'], keyValues: { B: '1' } } };
    assert.equal(check(config(local, {}, twice)).length, 2);
  });
});

test('metrics of plugins are statistics of the worker; a name taken by another type cannot be had', () => {
  const table = new StatTable();
  const memory = StatLane.create();
  table.addLane(memory);
  const metrics = new LaneMetrics(new StatLane(memory));
  const [counter, gauge, histogram] = [MetricType.Counter, MetricType.Gauge, MetricType.Histogram].map(
    (type, i) => metrics.define(type, `m${i}`),
  ) as [number, number, number];
  metrics.add(counter, 3);
  metrics.add(gauge, 5);
  metrics.add(gauge, -7);
  metrics.record(histogram, 10);
  assert.deepEqual([metrics.get(counter), metrics.get(gauge)], [3, -2]);
  metrics.record(gauge, 4);
  const { counters, gauges } = table.snapshot();
  assert.deepEqual([counters.get('wasmcustom.m0'), gauges.get('wasmcustom.m1')?.value], [3, 4]);
  assert.equal(metrics.define(MetricType.Gauge, 'm0'), -1);
});
