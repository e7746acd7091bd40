// How each plugin's host is to be, as it stands in a bootstrap's node metadata, and what becomes of it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Node } from '@dragoman/config';
import { ModuleBuilder, op } from '@dragoman/testkit';
import { localHost, Vm } from '@dragoman/vm';
import { readPluginHostSettings } from './plugin-host-settings.ts';
import { vmKey, type WasmPluginConfig } from './plugin-settings.ts';
import { prepareWasmPlugins } from './prepare.ts';
import { readWorkerPlugin } from './worker-plugin.ts';

const nodeWith = (wasm_host: unknown) => ({ metadata: { dragoman: { wasm_host } } }) as unknown as Node;

/** What is wrong with those settings. */
function mistakes(wasm_host: unknown): string[] {
  const found: string[] = [];
  readPluginHostSettings(nodeWith(wasm_host), (path, message) => found.push(`${path}: ${message}`));
  return found;
}

describe('settings of plugins’ hosts', () => {
  test('none without settings', () => {
    for (const node of [undefined, { metadata: {} } as Node, nodeWith({})])
      assert.deepEqual(readPluginHostSettings(node)('any'), {});
  });

  test('for all, and what a plugin has of its own; files and rules one by one', () => {
    const settingsOf = readPluginHostSettings(
      nodeWith({
        strict_imports: true,
        files: { '/etc/all.json': '/srv/all.json' },
        sanitization: { clusters: ['auth'], read_headers: ['X-*'] },
        plugins: {
          own: {
            abi_version: '0.2.0',
            strict_imports: false,
            files: { '/etc/own.json': '/srv/own.json' },
            sanitization: { clusters: [] },
          },
        },
      }),
    );
    assert.deepEqual(settingsOf('any'), {
      strictImports: true,
      files: { '/etc/all.json': '/srv/all.json' },
      sanitization: { clusters: ['auth'], readHeaders: ['x-*'] },
    });
    assert.deepEqual(settingsOf('own'), {
      abiVersion: '0.2.0',
      strictImports: false,
      files: { '/etc/all.json': '/srv/all.json', '/etc/own.json': '/srv/own.json' },
      sanitization: { clusters: [], readHeaders: ['x-*'] },
    });
  });

  test('mistakes are named with their path, all of them', () => {
    const path = 'node.metadata.dragoman.wasm_host';
    assert.deepEqual(mistakes([]), [`${path}: expected an object`]);
    assert.deepEqual(
      mistakes({
        strict: true,
        abi_version: '0.3.0',
        strict_imports: 'yes',
        files: { 'etc/a': '/a', '/etc/../a': '/a', '/etc': '/a', '/etc/b': '', '/etc/c': '/c' },
        plugins: { a: { sanitization: { clusters: 'auth', header: [] } } },
      }),
      [
        `${path}.strict: no such setting; there is abi_version, strict_imports, files, sanitization`,
        `${path}.abi_version: expected one of 0.1.0, 0.2.0, 0.2.1`,
        `${path}.strict_imports: expected true or false`,
        `${path}.files.etc/a: expected an absolute path without "." and ".." as the plugin will see it`,
        `${path}.files./etc/../a: expected an absolute path without "." and ".." as the plugin will see it`,
        `${path}.files./etc/b: expected the path of a file`,
        `${path}.files./etc: is a file and a directory at the same time`,
        `${path}.plugins.a.sanitization.header: no such setting; there is read_headers, write_headers, clusters, read_properties, write_properties, shared_data, foreign_functions`,
        `${path}.plugins.a.sanitization.clusters: expected a list of texts`,
      ],
    );
  });
});

describe('a plugin with settings', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'dragoman-host-'));
    writeFileSync(join(folder, 'rules.json'), '{}');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** A plugin that dies at its start when it cannot open /rules.json. */
  function pluginBytes(options: { marker?: string; unknownImport?: boolean } = {}): Buffer {
    const { marker = 'proxy_abi_version_0_2_1', unknownImport = false } = options;
    const module = new ModuleBuilder();
    const open = module.importFunction('wasi_snapshot_preview1', 'path_open', 'iiiiiIIii>i');
    if (unknownImport) module.importFunction('env', 'nobody_knows', '>i');
    if (marker !== '') module.function('>', [], marker);
    module.function('i>i', op.i32(1024), 'malloc');
    const [path, result] = [64, 16];
    const args = [3, 0, path, 10, 0].flatMap(value => op.i32(value));
    const code = [...args, ...op.i64(0), ...op.i64(0), ...op.i32(0), ...op.i32(result), ...op.call(open)];
    module.function('>', [...code, 0x04, 0x40, ...op.unreachable, ...op.end], '_initialize');
    module.memory({ minimum: 1 });
    module.data(path, 'rules.json');
    return module.build();
  }

  const bootstrapOf = (bytes: Buffer, wasm_host: unknown) => {
    const config = {
      name: 'p',
      rootId: '',
      failOpen: false,
      vmConfig: {
        vmId: '',
        runtime: '',
        code: { local: { inlineBytes: bytes } },
        allowPrecompiled: false,
        nackOnCodeCacheMiss: false,
      },
    } as unknown as WasmPluginConfig;
    const filter = { typeName: 'envoy.extensions.filters.http.wasm.v3.Wasm', value: { config } };
    return { config, bootstrap: { node: nodeWith(wasm_host), filter } };
  };
  const prepare = async (bytes: Buffer, wasm_host: unknown) => {
    const { config, bootstrap } = bootstrapOf(bytes, wasm_host);
    const prepared = await prepareWasmPlugins(bootstrap, { canary: true });
    return { ...prepared, worker: readWorkerPlugin(config, prepared.attachments) };
  };
  const files = () => ({ '/rules.json': join(folder, 'rules.json') });

  test('opens its files at its start, on the main thread and on workers', async () => {
    const { errors, worker } = await prepare(pluginBytes(), { files: files() });
    assert.deepEqual(errors, []);
    const { settings, code } = worker;
    assert.equal(settings.vm.files?.get('/rules.json')?.toString(), '{}');
    assert.equal(Vm.start(code!, localHost(), settings.vm).failure, null);
    const without = await prepare(pluginBytes(), {});
    assert.match(without.errors[0]!, /_initialize failed: RuntimeError: unreachable/);
  });

  test('is another VM when the contents of its files, its rules or its version are others', async () => {
    const key = async (wasm_host: unknown) => {
      const { worker } = await prepare(pluginBytes(), wasm_host);
      return vmKey(worker.settings, 'code');
    };
    const same = [await key({ files: files() }), await key({ files: files() })];
    assert.equal(same[0], same[1]);
    const keys = [
      same[0],
      await key({ files: files(), sanitization: { clusters: [] } }),
      await key({ files: files(), strict_imports: true }),
      await key({ files: files(), abi_version: '0.2.0' }),
    ];
    writeFileSync(join(folder, 'rules.json'), '{"more": 1}');
    keys.push(await key({ files: files() }));
    assert.equal(new Set(keys).size, keys.length);
  });

  test('whose file cannot be read is refused with the file', async () => {
    const { errors } = await prepare(pluginBytes(), { files: { '/rules.json': join(folder, 'none.json') } });
    assert.match(
      errors[0]!,
      /^Unable to create Wasm plugin p .*cannot read the file for its \/rules\.json: ENOENT.*none\.json/,
    );
  });

  test('is refused next to a section of settings that does not exist', async () => {
    const { bootstrap } = bootstrapOf(pluginBytes(), { files: files() });
    Object.assign(bootstrap.node.metadata!.dragoman as object, { wasm_hosts: {} });
    const { errors } = await prepareWasmPlugins(bootstrap);
    assert.deepEqual(errors, [
      'node.metadata.dragoman.wasm_hosts: no such setting; there is wasm_host, wasm_limits, wasm_shared_state',
    ]);
  });

  test('S1: without a version marker is refused, unless abi_version says which one is meant', async () => {
    const bytes = pluginBytes({ marker: '' });
    const refused = await prepare(bytes, { files: files() });
    assert.match(refused.errors[0]!, /missing or unknown Proxy-Wasm ABI version/);
    const named = await prepare(bytes, { files: files(), plugins: { p: { abi_version: '0.2.0' } } });
    assert.deepEqual(named.errors, []);
    assert.equal(named.worker.code?.info.abiVersion, '0.2.0');
  });

  test('S1: with the marker of a later 0.2 loads', async () => {
    const { errors, worker } = await prepare(pluginBytes({ marker: 'proxy_abi_version_0_2_100' }), {
      files: files(),
    });
    assert.deepEqual(errors, []);
    assert.equal(worker.code?.info.abiVersion, '0.2.1');
  });

  test('S5: with an import that nobody knows loads, unless strict_imports forbids it', async () => {
    const bytes = pluginBytes({ unknownImport: true });
    assert.deepEqual((await prepare(bytes, { files: files() })).errors, []);
    const strict = await prepare(bytes, { files: files(), strict_imports: true });
    assert.match(strict.errors[0]!, /the module imports env\.nobody_knows, which this host does not offer/);
  });
});
