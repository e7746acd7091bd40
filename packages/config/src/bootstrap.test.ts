import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Any, Bootstrap, HttpConnectionManager, Wasm } from '../descriptor/types.ts';
import { loadBootstrap } from './bootstrap.ts';
import { formatConfigError } from './errors.ts';

const fixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');

function loadFixture(name: string): { bootstrap: Bootstrap; warnings: string[] } {
  const result = loadBootstrap({ texts: [{ file: name, text: fixture(name) }] }, { checkFiles: false });
  assert.deepEqual(result.errors.map(formatConfigError), []);
  return { bootstrap: result.bootstrap!, warnings: result.warnings.map(({ message }) => message) };
}

const managerOf = (bootstrap: Bootstrap): HttpConnectionManager =>
  bootstrap.staticResources!.listeners[0]!.filterChains[0]!.filters[0]!.typedConfig!
    .value as HttpConnectionManager;

test('flow maps, a router without type, LOGICAL_DNS, a CLA of another name: loads', () => {
  const { bootstrap, warnings } = loadFixture('httpbin.yaml');
  const cluster = bootstrap.staticResources!.clusters[0]!;
  assert.deepEqual(
    [cluster.type, cluster.dnsLookupFamily, cluster.connectTimeout],
    ['LOGICAL_DNS', 'V4_ONLY', 5000],
  );
  assert.equal(cluster.loadAssignment!.clusterName, 'httpbin');
  const route = managerOf(bootstrap).routeConfig!.virtualHosts[0]!.routes[0]!;
  assert.deepEqual(
    [route.match!.prefix, route.route!.timeout, route.route!.autoHostRewrite],
    ['/', 1000, true],
  );
  assert.equal(warnings.length, 1);
});

test('a TypedStruct around a Wasm filter with nested Any and empty Any: loads', () => {
  const { bootstrap } = loadFixture('go-wasm.yaml');
  assert.equal(bootstrap.admin!.accessLogPath, '/tmp/admin_access.log');
  assert.equal(bootstrap.staticResources!.clusters[0]!.type, 'STATIC');
  const [filter, router] = managerOf(bootstrap).httpFilters;
  assert.equal(filter!.typedConfig!.typeName, 'envoy.extensions.filters.http.wasm.v3.Wasm');
  const { config } = (filter!.typedConfig as Any<Wasm>).value;
  assert.deepEqual(
    [config!.name, config!.rootId, config!.configuration!.value],
    ['my_plugin', 'my_root_id', '{}\n'],
  );
  assert.equal(config!.vmConfig!.configuration, undefined);
  assert.equal(config!.vmConfig!.code!.local!.filename, '/etc/envoy/optimized.wasm');
  assert.equal(router!.typedConfig!.typeName, 'envoy.extensions.filters.http.router.v3.Router');
});

test('a host name in a STATIC cluster, a comment sign in a block scalar: loads', () => {
  const { bootstrap } = loadFixture('rust-wasm.yaml');
  const cluster = bootstrap.staticResources!.clusters[0]!;
  assert.deepEqual([cluster.type, cluster.connectTimeout], ['STRICT_DNS', 250]);
  const { config } = (managerOf(bootstrap).httpFilters[0]!.typedConfig as Any<Wasm>).value;
  assert.equal(config!.configuration!.value, '{"config_key": "config_value"} # a comment inside the text\n');
});

test('the result can be frozen and cloned to a worker', () => {
  const { bootstrap } = loadFixture('go-wasm.yaml');
  assert.deepEqual(structuredClone(bootstrap), bootstrap);
});

test('a missing file that the configuration names is reported where it is named', () => {
  const { bootstrap, errors } = loadBootstrap({ texts: [{ file: 'a.yaml', text: fixture('go-wasm.yaml') }] });
  assert.equal(bootstrap, null);
  assert.equal(
    formatConfigError(errors[0]!),
    'a.yaml:51:25: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[0].typed_config.config.vm_config.code.local.filename: Invalid path: /etc/envoy/optimized.wasm (expected a readable file)',
  );
});

test('every mistake is reported in one run, at its line', () => {
  const text = fixture('httpbin.yaml')
    .replace('timeout: 1s', 'timeout: 250ms')
    .replace('type: LOGICAL_DNS', 'type: LOGICAL')
    .replace('port_value: 8000', 'port: 8000')
    .replace('prefix: "/"', 'safe_regex: { regex: "(?=x)" }');
  const { errors } = loadBootstrap({ texts: [{ file: 'a.yaml', text }] });
  assert.deepEqual(
    errors.map(({ line, message }) => [line, message.split(':')[0]]),
    [
      [24, 'invalid perl operator'],
      [28, 'duration must end with a single \'s\' after decimal seconds, not "250ms"'],
      [32, 'unknown enum value'],
      [43, 'no such field'],
    ],
  );
});

test('the hint for port names port_value', () => {
  const text = fixture('httpbin.yaml').replace('port_value: 8000', 'port: 8000');
  const { errors } = loadBootstrap({ texts: [{ file: 'a.yaml', text }] });
  assert.match(
    formatConfigError(errors[0]!),
    /no such field: 'port' in envoy\.config\.core\.v3\.SocketAddress; did you mean port_value\?$/,
  );
});

test('--config-yaml is merged over the file: scalars win, lists append, errors name their text', () => {
  const texts = [{ file: 'a.yaml', text: 'node: {id: one}\nstatic_resources: {clusters: [{name: a}]}\n' }];
  const { bootstrap, configured } = loadBootstrap({
    texts,
    configYaml: 'node: {id: two}\nstatic_resources: {clusters: [{name: b}]}',
  });
  assert.equal(bootstrap!.node!.id, 'two');
  assert.deepEqual(
    bootstrap!.staticResources!.clusters.map(({ name }) => name),
    ['a', 'b'],
  );
  assert.equal(configured.length, 2);
  const { errors } = loadBootstrap({
    texts,
    configYaml: 'static_resources:\n  clusters:\n  - name: b\n    connect_timeout: 0s\n  - name: a',
  });
  assert.deepEqual(
    errors.map(({ file, line, path }) => [file, line, path]),
    [
      ['<config-yaml>', 4, 'static_resources.clusters[1].connect_timeout'],
      ['<config-yaml>', 5, 'static_resources.clusters[2].name'],
    ],
  );
});

test('either part alone is enough, none is an error, an unreadable file is one', () => {
  assert.equal(loadBootstrap({ configYaml: 'static_resources: {}' }).errors.length, 0);
  assert.match(loadBootstrap({}).errors[0]!.message, /no configuration given/);
  assert.equal(
    loadBootstrap({ configPath: '/nonexistent/envoy.yaml' }).errors[0]!.message,
    'Invalid path: /nonexistent/envoy.yaml',
  );
});

test('unknown fields can be allowed; they are counted', () => {
  const texts = [{ file: 'a.yaml', text: 'nope: 1\nstatic_resources: {}\n' }];
  assert.equal(loadBootstrap({ texts }).bootstrap, null);
  const { bootstrap, warnings, unknownFieldCount } = loadBootstrap({ texts }, { unknownFields: 'warn' });
  assert.notEqual(bootstrap, null);
  assert.deepEqual([warnings.length, unknownFieldCount], [1, 1]);
});

test('an empty map is a configuration, a list or text is none', () => {
  assert.deepEqual(loadBootstrap({ configYaml: '{}' }).errors, []);
  assert.equal(loadBootstrap({ configYaml: '[]' }).errors.length, 1);
  assert.match(
    loadBootstrap({ configYaml: 'hello' }).errors[0]!.message,
    /^Unable to convert YAML as JSON: hello/,
  );
  assert.match(
    loadBootstrap({ texts: [{ file: 'a.yaml', text: '' }] }).errors[0]!.message,
    /^Unable to convert YAML as JSON/,
  );
});

test('binary and text protos are refused by their names', () => {
  for (const file of ['a.pb', 'a.pb_text']) {
    assert.match(loadBootstrap({ texts: [{ file, text: '' }] }).errors[0]!.message, /^not supported: a\.pb/);
  }
});

test('broken YAML is placed', () => {
  const { errors } = loadBootstrap({
    texts: [{ file: 'a.yaml', text: 'static_resources:\n\tclusters: []\n' }],
  });
  assert.match(formatConfigError(errors[0]!), /^a\.yaml:2:1: Unexpected YAML: .*; indent with spaces$/);
});
