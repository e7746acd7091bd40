import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Any, decodeMessage } from '@dragoman/config';
import { configurationBytes } from './configuration-bytes.ts';

/** What a guest gets for an Any of the configuration, in hexadecimal. */
function bytesOf(any: object): string {
  const { message, errors } = decodeMessage('envoy.extensions.wasm.v3.PluginConfig', {
    configuration: any,
  } as never);
  assert.deepEqual(errors, []);
  return configurationBytes((message as { configuration: Any }).configuration).toString('hex');
}

const typed = (name: string, rest: object) => bytesOf({ '@type': `type.googleapis.com/${name}`, ...rest });
const hexOf = (text: string) => Buffer.from(text).toString('hex');

test('S99: text, bytes and Struct are given as they are', () => {
  assert.equal(typed('google.protobuf.StringValue', { value: 'täxt' }), hexOf('täxt'));
  assert.equal(typed('google.protobuf.BytesValue', { value: 'AAH/' }), '0001ff');
  assert.equal(typed('google.protobuf.Struct', { value: { a: [1, 'b'] } }), hexOf('{"a":[1,"b"]}'));
  assert.equal(configurationBytes(undefined).length, 0);
});

test('S99: messages of other types are given serialised', () => {
  assert.equal(typed('google.protobuf.Duration', { value: '1.5s' }), '08011080cab5ee01');
  assert.equal(typed('google.protobuf.UInt32Value', { value: 300 }), '08ac02');
  assert.equal(
    typed('envoy.config.core.v3.SocketAddress', { address: 'h', port_value: 80 }),
    // address 2, port_value 3
    '1201681850',
  );
  assert.equal(typed('envoy.config.core.v3.SocketAddress', {}), '');
});

test('S99: a TypedStruct is given as it is, whatever type it names', () => {
  for (const url of ['type.googleapis.com/foo.Bar', 'type.googleapis.com/google.protobuf.Struct']) {
    const bytes = typed('xds.type.v3.TypedStruct', { type_url: url, value: { a: 'b' } });
    // type_url 1, value 2: Struct { fields { key "a", value { string_value "b" } } }
    assert.equal(bytes, `0a${url.length.toString(16)}${hexOf(url)}120a0a080a016112031a0162`);
  }
});
