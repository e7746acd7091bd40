import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyMessage } from '../decode/json-decoder.ts';
import { Problems } from '../errors.ts';
import { messageNames, messageSchema, type RuleValues } from '../schema/descriptor.ts';
import { brokenRule, checkRules } from './rules.ts';

const broken = (kind: string, value: unknown, rules: RuleValues, typeName = ''): string | null =>
  brokenRule(kind, value, rules, typeName);

test('strings: lengths in characters and bytes', () => {
  assert.equal(broken('string', '', { min_len: 1 }), 'value length must be at least 1 characters');
  assert.equal(broken('string', 'é', { min_len: 1, max_bytes: 1 }), 'value length must be at most 1 bytes');
  assert.equal(broken('string', '😀😀', { max_len: 2 }), null);
  assert.equal(broken('string', 'abc', { max_len: 2 }), 'value length must be at most 2 characters');
  assert.equal(broken('string', 'a', { min_bytes: 2 }), 'value length must be at least 2 bytes');
});

test('strings: pattern, prefix, lists, const, uri', () => {
  const pattern = '^[^?#]+[^?#/]$';
  assert.equal(broken('string', '/a/', { pattern }), `value does not match regex pattern "${pattern}"`);
  assert.equal(broken('string', '/a', { pattern }), null);
  assert.match(broken('string', 'x', { prefix: 'y' })!, /prefix/);
  assert.equal(broken('string', 'x', { in: ['a', 'b'] }), 'value must be in list [a, b]');
  assert.equal(broken('string', 'a', { not_in: ['a'] }), 'value must not be in list [a]');
  assert.equal(broken('string', 'a', { const: 'b' }), 'value must equal b');
  assert.equal(broken('string', 'no uri', { uri: true }), 'value must be a valid URI');
});

test('header names and values, strict and not', () => {
  const name = { well_known_regex: 'HTTP_HEADER_NAME' };
  const value = { well_known_regex: 'HTTP_HEADER_VALUE' };
  for (const good of ['x-a', ':path', 'a_b']) assert.equal(broken('string', good, name), null);
  for (const bad of ['a b', 'a:b', 'ä', 'a\n']) assert.notEqual(broken('string', bad, name), null, bad);
  assert.equal(broken('string', 'a\tb', value), null);
  assert.notEqual(broken('string', 'a\x01', value), null);
  assert.equal(broken('string', 'a b', { ...name, strict: false }), null);
  for (const bad of ['a\nb', 'a\rb', 'a\0'])
    assert.notEqual(broken('string', bad, { ...value, strict: false }), null);
});

test('ignore_empty lets the empty value pass', () => {
  assert.equal(broken('string', '', { min_len: 3, ignore_empty: true }), null);
  assert.notEqual(broken('string', 'a', { min_len: 3, ignore_empty: true }), null);
});

test('numbers: one bound, two bounds, holes', () => {
  assert.equal(broken('uint32', 70000, { lte: 65535 }), 'value must be less than or equal to 65535');
  assert.equal(broken('uint32', 0, { gt: 0 }), 'value must be greater than 0');
  assert.equal(broken('uint32', 600, { gte: 200, lt: 600 }), 'value must be inside range [200, 600)');
  assert.equal(broken('uint32', 599, { gte: 200, lt: 600 }), null);
  assert.equal(broken('double', 5, { lt: 1, gt: 10 }), 'value must be outside range (1, 10)');
  assert.equal(broken('double', 11, { lt: 1, gt: 10 }), null);
  assert.equal(broken('int32', 3, { in: [1, 2] }), 'value must be in list [1, 2]');
  assert.equal(broken('int32', 3, { not_in: [3] }), 'value must not be in list [3]');
  assert.equal(broken('int32', 3, { const: 4 }), 'value must equal 4');
});

test('durations speak in seconds', () => {
  assert.equal(broken('duration', 0, { gt: 0 }), 'value must be greater than 0s');
  assert.equal(broken('duration', 0, { gte: 1 }), 'value must be greater than or equal to 0.001s');
  assert.equal(broken('duration', 1, { gte: 1 }), null);
});

test('enums: defined_only, in, not_in, const', () => {
  const type = 'envoy.config.cluster.v3.Cluster.DiscoveryType';
  assert.equal(
    broken('enum', '99', { defined_only: true }, type),
    'value must be one of the defined enum values',
  );
  assert.equal(broken('enum', 'EDS', { defined_only: true }, type), null);
  assert.equal(broken('enum', 'STATIC', { not_in: [0] }, type), 'value must not be in list [0]');
  assert.equal(broken('enum', 'EDS', { in: [0, 1] }, type), 'value must be in list [0, 1]');
  assert.equal(broken('enum', 'EDS', { const: 0 }, type), 'value must equal 0');
});

test('bools and bytes', () => {
  assert.equal(broken('bool', false, { const: true }), 'value must equal true');
  assert.equal(broken('bytes', new Uint8Array(3), { max_len: 2 }), 'value length must be at most 2 bytes');
  assert.equal(broken('bytes', new Uint8Array(0), { min_len: 1 }), 'value length must be at least 1 bytes');
});

function check(typeName: string, fields: object): string[] {
  const schema = messageSchema(typeName);
  const problems = new Problems();
  checkRules(schema, { ...emptyMessage(schema), ...fields }, [], problems);
  return problems.list.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('required messages and durations', () => {
  assert.deepEqual(check('envoy.config.core.v3.HealthCheck', { healthChecker: {}, httpHealthCheck: {} }), [
    'timeout: value is required',
    'interval: value is required',
    'unhealthy_threshold: value is required',
    'healthy_threshold: value is required',
  ]);
});

test("required oneofs, in Envoy's words", () => {
  assert.deepEqual(check('envoy.config.route.v3.RouteMatch', {}), [
    ': field: "path_specifier", reason: is required',
  ]);
  assert.deepEqual(check('envoy.config.route.v3.RouteMatch', { prefix: '' }), []);
});

test('lists: items, least, most, unique', () => {
  const host = 'envoy.config.route.v3.VirtualHost';
  assert.deepEqual(check(host, { name: 'x' }), ['domains: value must contain at least 1 item(s)']);
  assert.deepEqual(check(host, { name: 'x', domains: ['a\n'] }), [
    'domains.0: value does not match regex pattern "^[^\\0\\n\\r]*$"',
  ]);
  const many = Array.from({ length: 1001 }, () => ({}));
  assert.deepEqual(check(host, { name: 'x', domains: ['a'], requestHeadersToAdd: many }), [
    'request_headers_to_add: value must contain no more than 1000 item(s)',
  ]);
  const codes = { statusCodeFilter: {}, flags: ['DC', 'XX'] };
  assert.match(
    check('envoy.config.accesslog.v3.ResponseFlagFilter', codes)[0]!,
    /^flags\.1: value must be in list/,
  );
});

test('maps: keys', () => {
  const type = 'envoy.config.core.v3.Metadata';
  assert.deepEqual(check(type, { filterMetadata: { '': {} } }), [
    'filter_metadata.: value length must be at least 1 characters',
  ]);
});

test('what could not be decoded is not also required', () => {
  const schema = messageSchema('envoy.config.core.v3.HeaderValueOption');
  const problems = new Problems();
  problems.error(['header'], 'broken');
  checkRules(schema, emptyMessage(schema), [], problems);
  assert.equal(problems.list.length, 1);
});

test('every rule in the schema can be evaluated', () => {
  const samples: Record<string, unknown> = {
    string: 'x',
    bytes: new Uint8Array(1),
    bool: true,
    duration: 1,
    enum: 'X',
  };
  for (const name of messageNames()) {
    for (const field of messageSchema(name).fields) {
      for (const [kind, rules] of Object.entries(field.rules ?? {})) {
        if (kind === 'enum') assert.doesNotThrow(() => broken(kind, 'X', rules, field.typeName), name);
        else assert.doesNotThrow(() => broken(kind, samples[kind] ?? 1, rules), `${name}.${field.name}`);
      }
    }
  }
});
