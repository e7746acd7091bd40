import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryMessage } from '../../fixtures/arbitrary-message.ts';
import { sample } from '../../fixtures/sample.ts';
import { JsonDecoder } from '../decode/json-decoder.ts';
import { Problems } from '../errors.ts';
import type { Json, JsonObject } from '../text/source.ts';
import { toProtoJson } from './proto-json.ts';

function decode(typeName: string, json: Json): unknown {
  const problems = new Problems();
  const value = new JsonDecoder(problems).value(typeName, json);
  assert.deepEqual(problems.list, []);
  return value;
}

test('what was written comes back under proto names, without defaults', () => {
  const json = sample();
  json.static_resources.clusters[0].type = 'STRICT_DNS';
  assert.deepEqual(
    toProtoJson('envoy.config.bootstrap.v3.Bootstrap', decode('envoy.config.bootstrap.v3.Bootstrap', json)),
    json,
  );
});

test('JSON names become proto names, durations and enums their canonical text', () => {
  const cluster = decode('envoy.config.cluster.v3.Cluster', {
    name: 'a',
    connectTimeout: '0.25s',
    type: 'strict_dns',
    dnsLookupFamily: 2,
    respect_dns_ttl: false,
  });
  assert.deepEqual(toProtoJson('envoy.config.cluster.v3.Cluster', cluster), {
    name: 'a',
    connect_timeout: '0.250s',
    type: 'STRICT_DNS',
    dns_lookup_family: 'V6_ONLY',
  });
});

test('64-bit integers are text, set scalars with presence are printed though they are 0', () => {
  const range = decode('envoy.type.v3.Int64Range', { start: -5, end: '7' });
  assert.deepEqual(toProtoJson('envoy.type.v3.Int64Range', range), { start: '-5', end: '7' });
  const route = decode('envoy.config.route.v3.RouteMatch', { prefix: '', case_sensitive: false });
  assert.deepEqual(toProtoJson('envoy.config.route.v3.RouteMatch', route), {
    prefix: '',
    case_sensitive: false,
  });
});

test('Any: messages inline, well-known types in value, TypedStructs as they came, empty ones empty', () => {
  const any = 'google.protobuf.Any';
  const examples: JsonObject[] = [
    { '@type': 'x/envoy.type.v3.Int64Range', end: '7' },
    { '@type': 't/google.protobuf.BytesValue', value: '+/8=' },
    { '@type': 't/google.protobuf.Duration', value: '1s' },
    {
      '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
      type_url: 't/envoy.type.v3.Int64Range',
      value: { end: '7' },
    },
    { '@type': 'type.googleapis.com/xds.type.v3.TypedStruct', type_url: 't/my.Own', value: { a: [1] } },
  ];
  for (const json of examples) assert.deepEqual(toProtoJson(any, decode(any, json)), json);
  assert.deepEqual(toProtoJson(any, { typeUrl: '', typeName: '', value: {} }), {});
});

test('property: every message survives the way to JSON and back', () => {
  for (const typeName of [
    'envoy.config.cluster.v3.Cluster',
    'envoy.config.route.v3.RouteConfiguration',
    'envoy.config.listener.v3.Listener',
    'envoy.extensions.filters.http.fault.v3.HTTPFault',
  ]) {
    fc.assert(
      fc.property(arbitraryMessage(typeName), message => {
        assert.deepEqual(decode(typeName, toProtoJson(typeName, message)), message);
      }),
      { numRuns: 60 },
    );
  }
});
