import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { arbitraryMessage } from '../../fixtures/arbitrary-message.ts';
import { JsonDecoder } from '../decode/json-decoder.ts';
import { WireDecoder } from '../decode/wire-decoder.ts';
import { Problems } from '../errors.ts';
import type { Json } from '../text/source.ts';
import { encodeMessage } from './wire.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const decode = (typeName: string, json: Json): unknown =>
  new JsonDecoder(new Problems()).value(typeName, json);

test('known bytes: scalars, negative and 64-bit numbers, enums, nested messages', () => {
  assert.equal(
    hex(encodeMessage('envoy.type.v3.Int64Range', { start: -1, end: 300 })),
    '08ffffffffffffffffff0110ac02',
  );
  assert.equal(hex(encodeMessage('google.protobuf.Duration', 1500)), '08011080cab5ee01');
  assert.equal(
    hex(encodeMessage('google.protobuf.Duration', -1500)),
    hex(
      new Uint8Array([
        8,
        ...new Uint8Array(9).fill(255),
        1,
        16,
        0x80,
        0xb6,
        0xca,
        0x91,
        0xfe,
        255,
        255,
        255,
        255,
        1,
      ]),
    ),
  );
  assert.equal(hex(encodeMessage('google.protobuf.StringValue', 'ab')), '0a026162');
  assert.equal(hex(encodeMessage('google.protobuf.StringValue', '')), '');
  assert.equal(
    hex(encodeMessage('envoy.config.core.v3.SocketAddress', { protocol: 'UDP', address: 'a', portValue: 0 })),
    '0801' + '120161' + '1800',
  );
});

test('protobufjs reads what we write', () => {
  const { root } = protobuf.parse(
    'syntax="proto3"; message S { map<string, V> fields = 1; } message V { oneof k { int32 n=1; double d=2; string s=3; bool b=4; S t=5; L l=6; } } message L { repeated V values = 1; }',
  );
  const struct = { a: 1, b: [true, null, 'x'], c: { d: 0.5 } };
  const read = root.lookupType('S').decode(encodeMessage('google.protobuf.Struct', struct)) as unknown as {
    fields: Record<string, { d: number }>;
  };
  assert.equal(read.fields.a!.d, 1);
  assert.deepEqual(Object.keys(read.fields), ['a', 'b', 'c']);
});

test('an Any holds the bytes of its message, a TypedStruct those of its struct', () => {
  const url = 't/envoy.type.v3.Int64Range';
  const bytes = encodeMessage('google.protobuf.Any', {
    typeUrl: url,
    typeName: 'envoy.type.v3.Int64Range',
    value: { start: 0, end: 7 },
  });
  assert.equal(hex(bytes), `0a${url.length.toString(16)}${hex(Buffer.from(url))}12021007`);
  const json = { '@type': 'type.googleapis.com/xds.type.v3.TypedStruct', type_url: url, value: { end: '7' } };
  const wrapped = decode('google.protobuf.Any', json);
  assert.deepEqual(
    new WireDecoder().decode('google.protobuf.Any', encodeMessage('google.protobuf.Any', wrapped)),
    wrapped,
  );
});

test('fields the schema lacks are skipped and counted; types it lacks stay bytes', () => {
  const decoder = new WireDecoder();
  assert.deepEqual(decoder.decode('envoy.type.v3.Int64Range', Buffer.from('1007a0060152027878', 'hex')), {
    start: 0,
    end: 7,
  });
  assert.equal(decoder.unknownFieldCount, 2);
  const any = decoder.decode(
    'google.protobuf.Any',
    Buffer.from(`0a03${hex(Buffer.from('t/x'))}1201ff`, 'hex'),
  );
  assert.deepEqual(any, { typeUrl: 't/x', typeName: 'x', value: new Uint8Array([255]) });
});

test('the last member of a oneof in the bytes wins, packed and unpacked lists are both read', () => {
  const source = new WireDecoder().decode(
    'envoy.config.core.v3.DataSource',
    Buffer.from('0a01611a0162', 'hex'),
  );
  assert.deepEqual(source, { inlineString: 'b' });
  const ports = 'envoy.config.listener.v3.FilterChainMatch';
  const read = (bytes: string) =>
    (new WireDecoder().decode(ports, Buffer.from(bytes, 'hex')) as { sourcePorts: number[] }).sourcePorts;
  assert.deepEqual(read('3a020102'), [1, 2]);
  assert.deepEqual(read('38013802'), [1, 2]);
});

test('truncated bytes throw, they do not loop or give half a message', () => {
  const bytes = encodeMessage('envoy.config.core.v3.SocketAddress', { address: 'abcdef', portValue: 80 });
  for (let end = 1; end < bytes.length; end++) {
    if (end === 8) continue;
    assert.throws(
      () => new WireDecoder().decode('envoy.config.core.v3.SocketAddress', bytes.subarray(0, end)),
      `${end}`,
    );
  }
});

test('property: every message survives the way to bytes and back', () => {
  for (const typeName of [
    'envoy.config.cluster.v3.Cluster',
    'envoy.config.route.v3.RouteConfiguration',
    'envoy.config.listener.v3.Listener',
    'envoy.extensions.wasm.v3.PluginConfig',
  ]) {
    fc.assert(
      fc.property(arbitraryMessage(typeName), message => {
        assert.deepEqual(new WireDecoder().decode(typeName, encodeMessage(typeName, message)), message);
      }),
      { numRuns: 60 },
    );
  }
});
