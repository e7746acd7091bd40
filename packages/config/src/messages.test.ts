import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage } from './encode/wire.ts';
import { decodeBytes, decodeMessage, decodeResource } from './messages.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';

test('decodeMessage gives the message or every mistake', () => {
  const good = decodeMessage(CLUSTER, { name: 'a', connect_timeout: '1s' });
  assert.equal(good.message!.connectTimeout, 1000);
  const bad = decodeMessage(CLUSTER, { nam: 'a', connect_timeout: 1 }, { name: 'my cluster' });
  assert.equal(bad.message, undefined);
  assert.deepEqual(
    bad.errors.map(({ file, path }) => [file, path]),
    [
      ['my cluster', 'nam'],
      ['my cluster', 'connect_timeout'],
    ],
  );
});

test('decodeResource checks rules and support, from JSON and from bytes', () => {
  assert.equal(decodeResource(CLUSTER, { name: '' }).errors[0]!.path, 'name');
  const { message } = decodeMessage(CLUSTER, { name: 'a', eds_cluster_config: { service_name: 'x' } });
  const bytes = encodeMessage(CLUSTER, message);
  assert.equal(decodeBytes(CLUSTER, bytes).edsClusterConfig!.serviceName, 'x');
  assert.match(decodeResource(CLUSTER, bytes).errors[0]!.message, /^not supported: .*eds_cluster_config$/);
});

test('broken bytes are an error, not an exception', () => {
  const { message, errors } = decodeResource(CLUSTER, new Uint8Array([0x0a, 0x05, 0x61]));
  assert.equal(message, undefined);
  assert.match(errors[0]!.message, /^not a envoy\.config\.cluster\.v3\.Cluster/);
});

test('routes to unknown clusters are refused only when clusters are known', () => {
  const routes = {
    name: 'r',
    virtual_hosts: [
      { name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'x' } }] },
    ],
  };
  const type = 'envoy.config.route.v3.RouteConfiguration';
  assert.deepEqual(decodeResource(type, routes).errors, []);
  assert.equal(decodeResource(type, routes, { clusterNames: new Set(['y']) }).errors.length, 1);
});
