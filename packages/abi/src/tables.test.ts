import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CALLBACKS } from './callbacks.ts';
import { HOST_CALLS, hostCall } from './host-calls.ts';
import { parsePropertyPath } from './property-path.ts';
import { detectAbiVersion, versionOfMarker } from './versions.ts';
import { WASI_FUNCTIONS } from './wasi.ts';

describe('tables', () => {
  test('each version has its number of host calls', () => {
    const count = (version: string) =>
      HOST_CALLS.filter(({ versions }) => (versions as string[]).includes(version)).length;
    assert.deepEqual([count('0.1.0'), count('0.2.0'), count('0.2.1')], [40, 38 + 0, 39]);
  });

  test('names are unique and types well formed', () => {
    for (const table of [HOST_CALLS, CALLBACKS, WASI_FUNCTIONS]) {
      assert.equal(new Set(table.map(({ name }) => name)).size, table.length);
      for (const { name, type } of table) assert.match(type, /^[iI]*>i?$/, name);
    }
    assert.equal(hostCall.get('proxy_http_call')?.type, 'iiiiiiiiii>i');
  });

  test('S1: markers', () => {
    assert.deepEqual(
      ['0_1_0', '0_2_0', '0_2_1', '0_2_7', '0_3_0', '0_x_x', '1_0_0'].map(version =>
        versionOfMarker(`proxy_abi_version_${version}`),
      ),
      ['0.1.0', '0.2.0', '0.2.1', '0.2.1', null, null, null],
    );
  });

  test('S2: the first marker decides', () => {
    assert.equal(detectAbiVersion(['malloc', 'proxy_abi_version_0_2_0', 'proxy_abi_version_0_2_1']), '0.2.0');
    assert.equal(detectAbiVersion(['malloc']), null);
  });

  test('S94: property paths', () => {
    assert.deepEqual(parsePropertyPath('a\0b\0c'), ['a', 'b', 'c']);
    assert.deepEqual(parsePropertyPath('a\0b\0'), ['a', 'b']);
    assert.deepEqual(parsePropertyPath('a\0\0b'), ['a', '', 'b']);
    assert.deepEqual(parsePropertyPath(''), []);
  });
});
