// Which protocol a cluster speaks and with what limits, from the new message and from the old fields.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster as ClusterConfig } from '@dragoman/config';
import { compileProtocolOptions, UpstreamProtocol } from './protocol-options.ts';
import { clusterConfig } from './test-fixture.ts';

const typed = (value: object) =>
  ({
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': { typeUrl: '', typeName: '', value },
    },
  }) as Partial<ClusterConfig>;

const compile = (settings: object) =>
  compileProtocolOptions(clusterConfig(settings as Partial<ClusterConfig>));

test('the protocol', () => {
  const cases: [object, UpstreamProtocol][] = [
    [{}, UpstreamProtocol.HTTP1],
    [{ http2ProtocolOptions: {} }, UpstreamProtocol.HTTP2],
    [{ protocolSelection: 'USE_DOWNSTREAM_PROTOCOL' }, UpstreamProtocol.DOWNSTREAM],
    [typed({ explicitHttpConfig: { httpProtocolOptions: {} } }), UpstreamProtocol.HTTP1],
    [typed({ explicitHttpConfig: { http2ProtocolOptions: {} } }), UpstreamProtocol.HTTP2],
    [typed({ useDownstreamProtocolConfig: {} }), UpstreamProtocol.DOWNSTREAM],
    [typed({ autoConfig: {} }), UpstreamProtocol.AUTO],
  ];
  for (const [settings, protocol] of cases)
    assert.equal(compile(settings).protocol, protocol, JSON.stringify(settings));
});

test('times and limits: defaults, 0 for none, the new message before the old fields', () => {
  const preset = compile({});
  assert.equal(preset.idleTimeoutMs, 3_600_000);
  assert.equal(preset.maxRequestsPerConnection, Number.POSITIVE_INFINITY);
  assert.equal(compile({ maxRequestsPerConnection: 5 }).maxRequestsPerConnection, 5);
  assert.equal(
    compile({ commonHttpProtocolOptions: { idleTimeout: 0 } }).idleTimeoutMs,
    Number.POSITIVE_INFINITY,
  );
  const both = compile({
    commonHttpProtocolOptions: { idleTimeout: 1000 },
    ...typed({ commonHttpProtocolOptions: { idleTimeout: 2000, maxRequestsPerConnection: 7 } }),
  });
  assert.equal(both.idleTimeoutMs, 2000);
  assert.equal(both.maxRequestsPerConnection, 7);
});
