import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ModuleBuilder, op } from '@dragoman/testkit';
import { ModuleError } from '../errors.ts';
import { checkModule, compileModule, compileModuleSync } from './plugin-module.ts';

/** A module with an allocator, a memory, and what `add` adds. */
function moduleWith(add: (module: ModuleBuilder) => void, markers = ['proxy_abi_version_0_2_1']): Buffer {
  const module = new ModuleBuilder();
  add(module);
  for (const marker of markers) module.function('>', [], marker);
  module.function('i>i', op.i32(0), 'malloc');
  module.memory({ minimum: 1 });
  return module.build();
}
const nothing = () => {};

function refused(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => checkModule(bytes),
    (error: Error) => {
      assert.ok(error instanceof ModuleError);
      assert.match(error.message, message);
      return true;
    },
  );
}

describe('checking a module', () => {
  for (const [marker, version] of [
    ['proxy_abi_version_0_1_0', '0.1.0'],
    ['proxy_abi_version_0_2_0', '0.2.0'],
    ['proxy_abi_version_0_2_1', '0.2.1'],
    ['proxy_abi_version_0_2_100', '0.2.1'],
  ] as const) {
    test(`S1: ${marker} loads as ${version}`, () => {
      assert.equal(checkModule(moduleWith(nothing, [marker])).abiVersion, version);
    });
  }

  test('S1: no marker, an unknown one and a global of that name are refused', () => {
    refused(
      moduleWith(nothing, []),
      /missing or unknown Proxy-Wasm ABI version: the module exports no function/,
    );
    refused(
      moduleWith(nothing, ['proxy_abi_version_0_3_0']),
      /proxy_abi_version_0_3_0 is of no version this host knows/,
    );
    refused(
      moduleWith(module => module.exportGlobal('proxy_abi_version_0_2_1'), []),
      /is a global, not a function/,
    );
  });

  test('S1: a module without a marker loads as the version that is given for it', () => {
    assert.equal(checkModule(moduleWith(nothing, []), { abiVersion: '0.1.0' }).abiVersion, '0.1.0');
  });

  test('S2: of two markers the first exported decides', () => {
    assert.equal(
      checkModule(moduleWith(nothing, ['proxy_abi_version_0_2_0', 'proxy_abi_version_0_1_0'])).abiVersion,
      '0.2.0',
    );
  });

  test('S3: a module without an allocator is refused', () => {
    const module = new ModuleBuilder();
    module.function('>', [], 'proxy_abi_version_0_2_1');
    module.memory({ minimum: 1 });
    refused(module.build(), /exports neither malloc nor proxy_on_memory_allocate/);
  });

  test('a module without memory is refused', () => {
    const module = new ModuleBuilder();
    module.function('>', [], 'proxy_abi_version_0_2_1');
    module.function('i>i', op.i32(0), 'malloc');
    refused(module.build(), /exports no memory/);
  });

  test('S5: an imported global is refused with its name', () => {
    refused(
      moduleWith(module => module.importGlobal('env', 'base')),
      /imports the global env\.base/,
    );
  });

  test('a callback of a type the host cannot call is refused', () => {
    const bytes = moduleWith(module => module.function('I>i', op.i32(0), 'proxy_on_done'));
    refused(bytes, /the export proxy_on_done is a function of type I>i, expected i>i/);
  });

  test('what is not a wasm file says so, with its first bytes', () => {
    refused(Buffer.from('#!/bin/sh\n'), /not a wasm file: it begins with 23212f62696e2f73/);
    refused(Buffer.alloc(0), /not a wasm file: it is empty/);
    // A component, not a core module.
    refused(Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), /not a wasm file/);
  });

  test('a module cut at any byte is refused, never a crash', () => {
    const whole = moduleWith(module => module.importFunction('env', 'proxy_log', 'iii>i'));
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => compileModuleSync(whole.subarray(0, length)), ModuleError, `cut at ${length}`);
    }
  });

  test('code that V8 refuses is a corrupted module', async () => {
    // i32.add without operands.
    const bytes = moduleWith(module => module.function('>i', op.add, 'broken'));
    await assert.rejects(compileModule(bytes), /corrupted module: .*not enough arguments/);
  });

  test('what is known of a module can be posted to a thread', () => {
    const info = checkModule(moduleWith(module => module.importFunction('env', 'proxy_log', 'iii>i')));
    assert.deepEqual(structuredClone(info), info);
    assert.deepEqual(
      info.imports.map(({ module, name, type }) => [module, name, type]),
      [['env', 'proxy_log', 'iii>i']],
    );
    assert.equal(info.functionExports.malloc, 'i>i');
    assert.equal(info.initialMemoryPages, 1);
  });
});
