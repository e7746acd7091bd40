import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problems } from '../errors.ts';
import type { Json } from '../text/source.ts';
import { JsonDecoder } from './json-decoder.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const ANY = 'google.protobuf.Any';
const ROUTER_URL = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

// biome-ignore lint/suspicious/noExplicitAny: tests look anywhere
function decode(typeName: string, json: Json): { value: any; errors: string[]; warnings: string[] } {
  const problems = new Problems();
  const value = new JsonDecoder(problems).value(typeName, json);
  const texts = (warning: boolean) =>
    problems.list
      .filter(p => p.warning === warning)
      .map(p => `${p.path.join('.')}: ${p.message}${p.hint && ` (${p.hint})`}`);
  return { value, errors: texts(false), warnings: texts(true) };
}

test('absent fields have proto3 defaults, absent messages and oneof members are undefined', () => {
  const { value } = decode(CLUSTER, {});
  assert.equal(value.name, '');
  assert.equal(value.lbPolicy, 'ROUND_ROBIN');
  assert.equal(value.respectDnsTtl, false);
  assert.deepEqual(value.healthChecks, []);
  assert.deepEqual(value.typedExtensionProtocolOptions, {});
  for (const field of ['connectTimeout', 'type', 'maxRequestsPerConnection', 'loadAssignment']) {
    assert.equal(value[field], undefined);
  }
});

test('both name forms, in one message; odd ones too', () => {
  assert.equal(decode(CLUSTER, { connect_timeout: '1s' }).value.connectTimeout, 1000);
  assert.equal(decode(CLUSTER, { connectTimeout: '1s' }).value.connectTimeout, 1000);
  const options = decode('envoy.config.core.v3.Http1ProtocolOptions', {
    acceptHttp10: true,
    default_host_for_http_10: 'x',
  });
  assert.equal(options.value.acceptHttp10, true);
  assert.equal(options.value.defaultHostForHttp10, 'x');
});

test('wrappers are bare values whose absence shows', () => {
  const { value } = decode(CLUSTER, { per_connection_buffer_limit_bytes: 0, wait_for_warm_on_init: null });
  assert.equal(value.perConnectionBufferLimitBytes, 0);
  assert.equal(value.waitForWarmOnInit, undefined);
});

test('null is absence for every field, but not inside lists', () => {
  const { value, errors } = decode(CLUSTER, { health_checks: null, name: null, metadata: null, type: null });
  assert.deepEqual(errors, []);
  assert.deepEqual(value.healthChecks, []);
  assert.deepEqual(decode(CLUSTER, { health_checks: [null] }).errors, ['health_checks.0: null in a list']);
});

test('shapes that do not fit are refused at their paths, all of them', () => {
  const { errors } = decode(CLUSTER, {
    name: 5,
    health_checks: {},
    load_assignment: [],
    metadata: { filter_metadata: 1 },
    connect_timeout: 5,
  });
  assert.deepEqual(
    errors.map(text => text.split(':')[0]),
    ['name', 'health_checks', 'load_assignment', 'metadata.filter_metadata', 'connect_timeout'],
  );
});

test('unknown fields are named with the nearest known one', () => {
  const { errors } = decode('envoy.config.core.v3.SocketAddress', { address: 'a', port: 1 });
  assert.deepEqual(errors, [
    "port: no such field: 'port' in envoy.config.core.v3.SocketAddress (did you mean port_value?)",
  ]);
});

test('unknown fields may be warnings or nothing, and are counted', () => {
  for (const [mode, count] of [
    ['warn', 1],
    ['ignore', 0],
  ] as const) {
    const problems = new Problems();
    const decoder = new JsonDecoder(problems, mode);
    decoder.value(CLUSTER, { nope: 1 });
    assert.equal(problems.failed, false);
    assert.equal(problems.list.length, count);
    assert.equal(decoder.unknownFieldCount, 1);
  }
});

test('two members of a oneof are refused; null does not count', () => {
  const action = 'envoy.config.route.v3.RouteAction';
  assert.match(
    decode(action, { auto_host_rewrite: true, host_rewrite_literal: 'x' }).errors[0]!,
    /'host_rewrite_literal' has already been set/,
  );
  assert.deepEqual(decode(action, { auto_host_rewrite: true, host_rewrite_literal: null }).errors, []);
  assert.match(
    decode(action, { cluster: 'a', cluster_header: 'b' }).errors[0]!,
    /remove cluster or cluster_header/,
  );
});

test('Struct, Value and ListValue are plain JSON', () => {
  const { value } = decode('envoy.config.core.v3.Metadata', {
    filter_metadata: { 'envoy.lb': { a: [1, null, { b: 'c' }] } },
  });
  assert.deepEqual(value.filterMetadata, { 'envoy.lb': { a: [1, null, { b: 'c' }] } });
  assert.equal(decode('google.protobuf.Value', null).value, null);
});

test('Any: the type after the last slash counts, fields are inline', () => {
  const { value, errors } = decode(ANY, {
    '@type': 'example.com/x/envoy.extensions.filters.http.router.v3.Router',
    suppress_envoy_headers: true,
  });
  assert.deepEqual(errors, []);
  assert.equal(value.typeUrl, 'example.com/x/envoy.extensions.filters.http.router.v3.Router');
  assert.equal(value.typeName, 'envoy.extensions.filters.http.router.v3.Router');
  assert.equal(value.value.suppressEnvoyHeaders, true);
});

test('Any of a well-known type has its value in `value`', () => {
  assert.equal(
    decode(ANY, { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'x' }).value.value,
    'x',
  );
  assert.equal(decode(ANY, { '@type': 'type.googleapis.com/google.protobuf.StringValue' }).value.value, '');
  assert.deepEqual(
    decode(ANY, { '@type': 'type.googleapis.com/google.protobuf.Struct', value: { a: 1 } }).value.value,
    { a: 1 },
  );
  assert.equal(
    decode(ANY, { '@type': 'type.googleapis.com/google.protobuf.Duration', value: '1s' }).value.value,
    1000,
  );
});

test('an empty Any is undefined, fields without a type are refused', () => {
  assert.deepEqual(decode(ANY, {}), { value: undefined, errors: [], warnings: [] });
  assert.match(decode(ANY, { a: 1 }).errors[0]!, /"@type" is missing/);
});

test('both TypedStructs give the inner type, also without value, and are remembered', () => {
  for (const wrapper of ['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct']) {
    const json = { '@type': `type.googleapis.com/${wrapper}`, type_url: ROUTER_URL };
    const { value } = decode(ANY, { ...json, value: { strict_check_headers: ['x-a'] } });
    assert.equal(value.typeName, 'envoy.extensions.filters.http.router.v3.Router');
    assert.deepEqual(value.value.strictCheckHeaders, ['x-a']);
    assert.equal(value.wrapper, wrapper);
    assert.equal(decode(ANY, json).value.value.suppressEnvoyHeaders, false);
    assert.match(decode(ANY, { ...json, value: { nope: 1 } }).errors[0]!, /^nope: no such field/);
  }
});

test('a TypedStruct of unknown type stays a struct', () => {
  const { value, errors } = decode(ANY, {
    '@type': 't/xds.type.v3.TypedStruct',
    type_url: 'x/my.Own',
    value: { a: 1 },
  });
  assert.deepEqual(errors, []);
  assert.equal(value.typeName, 'xds.type.v3.TypedStruct');
  assert.deepEqual(value.value, { typeUrl: 'x/my.Own', value: { a: 1 } });
});

test('an Any nested in a TypedStruct is a real Any', () => {
  const { value } = decode(ANY, {
    '@type': 't/udpa.type.v1.TypedStruct',
    type_url: 't/envoy.extensions.filters.http.wasm.v3.Wasm',
    value: {
      config: {
        configuration: { '@type': 't/google.protobuf.StringValue', value: 'x' },
        vm_config: { configuration: {} },
      },
    },
  });
  assert.equal(value.value.config.configuration.value, 'x');
  assert.equal(value.value.config.vmConfig.configuration, undefined);
});

test('an unknown @type is refused, within is_optional warned about', () => {
  const filter = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter';
  const typed_config = { '@type': 't/my.Unknown', a: 1 };
  assert.match(
    decode(filter, { name: 'x', typed_config }).errors[0]!,
    /could not find @type 't\/my\.Unknown'/,
  );
  const optional = decode(filter, { name: 'x', is_optional: true, typed_config });
  assert.deepEqual(optional.errors, []);
  assert.match(optional.warnings[0]!, /could not find @type/);
});

test('within a known optional extension an unknown type is still refused', () => {
  const { errors } = decode('envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter', {
    name: 'x',
    is_optional: true,
    typed_config: {
      '@type': 't/envoy.extensions.filters.http.wasm.v3.Wasm',
      config: { configuration: { '@type': 't/my.Unknown' } },
    },
  });
  assert.equal(errors.length, 1);
});

test('v2 types get a hint', () => {
  const { errors } = decode(ANY, {
    '@type': 'type.googleapis.com/envoy.config.filter.http.router.v2.Router',
  });
  assert.match(errors[0]!, /the v2 API is gone/);
});

test('keys of hostile names do no harm', () => {
  const json = JSON.parse('{"filter_metadata": {"__proto__": {"polluted": true}}, "constructor": 1}');
  const { errors } = decode('envoy.config.core.v3.Metadata', json);
  assert.equal(errors.length, 1);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});
