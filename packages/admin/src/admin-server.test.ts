// Tests of the admin server as a client sees it; the expected texts are Envoy 1.40's.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Bootstrap, Cluster, Secret } from '@dragoman/config';
import { ENDPOINTS, helpText } from './endpoints.ts';
import { cluster, Fixture, host } from './test-fixture.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = new Fixture();
  await fixture.start();
});
afterEach(() => fixture.server!.close());

test('header lines are in lower case and in the order of Envoy', async () => {
  const answer = (await fixture.raw('GET', '/ready')).replace(/date: .*/, 'date: {date}');
  assert.equal(
    answer,
    'HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=UTF-8\r\ncache-control: no-cache, max-age=0\r\n' +
      'x-content-type-options: nosniff\r\ndate: {date}\r\nserver: envoy\r\ntransfer-encoding: chunked\r\n\r\n' +
      '5\r\nLIVE\n\r\n0\r\n\r\n',
  );
});

test('HEAD has the same head and no body; PUT reads like GET', async () => {
  assert.match(
    await fixture.raw('HEAD', '/ready'),
    /^HTTP\/1.1 200 OK\r\n[\s\S]*transfer-encoding: chunked\r\n\r\n$/,
  );
  assert.equal((await fixture.get('/ready', 'PUT')).body, 'LIVE\n');
});

test('connection: close is answered and done', async () => {
  assert.match(await fixture.raw('GET', '/ready', { connection: 'close' }), /\r\nconnection: close\r\n/);
});

test('an unknown path gets the list of commands', async () => {
  const { status, body } = await fixture.get('/nope');
  assert.equal(status, 404);
  assert.equal(body, `invalid path. ${helpText()}`);
  assert.equal((await fixture.get('/help')).body, helpText());
});

test('what changes something needs POST', async () => {
  for (const { path } of ENDPOINTS.filter(endpoint => endpoint.mutates)) {
    const { status, body } = await fixture.get(path);
    assert.deepEqual([path, status, body], [path, 405, 'Method GET not allowed, POST required.']);
  }
  assert.deepEqual(fixture.calls, []);
});

test('every endpoint answers, and the home page has them all', async () => {
  const home = await fixture.get('/');
  assert.equal(home.type, 'text/html; charset=UTF-8');
  for (const { path, mutates } of ENDPOINTS) {
    const { status } = await fixture.get(path, mutates ? 'POST' : 'GET');
    assert.ok([200, 400, 501].includes(status), `${path}: ${status}`);
    assert.ok(home.body.includes(`"${path.slice(1) || '/'}"`) || path === '/', path);
  }
});

test('allow_paths forbids the rest', async () => {
  await fixture.server!.close();
  await fixture.start({ allowPath: path => path === '/ready' });
  assert.equal((await fixture.get('/ready')).status, 200);
  assert.deepEqual(await fixture.get('/stats?x'), {
    status: 403,
    type: 'text/plain; charset=UTF-8',
    body: 'request to path /stats not allowed',
  });
});

test('/ready and /server_info follow the state', async () => {
  fixture.state = 'DRAINING';
  assert.deepEqual(await fixture.get('/ready'), {
    status: 503,
    type: 'text/plain; charset=UTF-8',
    body: 'DRAINING\n',
  });
  const info = JSON.parse((await fixture.get('/server_info')).body);
  assert.equal(info.state, 'DRAINING');
  assert.equal(info.uptime_current_epoch, '5s');
  assert.equal(info.command_line_options.service_node, 'the-node');
  assert.equal(Object.keys(info.command_line_options).length, 39);
});

test('commands reach their actions', async () => {
  const commands = [
    '/healthcheck/fail',
    '/healthcheck/ok',
    '/reopen_logs',
    '/drain_listeners?graceful&inboundonly',
    '/quitquitquit',
  ];
  for (const path of commands)
    assert.deepEqual(await fixture.get(path, 'POST'), {
      status: 200,
      type: 'text/plain; charset=UTF-8',
      body: 'OK\n',
    });
  assert.deepEqual(fixture.calls, [
    'failHealthCheck',
    'passHealthCheck',
    'reopenLogs',
    ['drainListeners', { graceful: true, skipExit: false, inboundOnly: true }],
    'quit',
  ]);
});

test('/logging: all, one, several, none', async () => {
  assert.match(
    (await fixture.get('/logging?level=debug', 'POST')).body,
    /^active loggers:\n {2}a2a: debug\n {2}admin: debug\n[\s\S]* {2}ip_tagging: debug\n\n$/,
  );
  const nope = await fixture.get('/logging?level=nope', 'POST');
  assert.equal(nope.status, 400);
  assert.ok(
    nope.body.startsWith(
      'error: unknown logger level\n\nusage: /logging?<name>=<level> (change single level)\n' +
        'usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n' +
        'usage: /logging?level=<level> (change all levels)\n' +
        'usage: /logging?group=<group_name>:<level> (change group of loggers)\n' +
        'levels: trace debug info warning error critical off \nactive loggers:\n',
    ),
  );
  assert.match(
    (await fixture.get('/logging?http=trace&upstream=debug', 'POST')).body,
    /^error: invalid number of parameters\n/,
  );
  assert.match((await fixture.get('/logging?nope=debug', 'POST')).body, /^error: unknown logger name\n/);
  assert.match(
    (await fixture.get('/logging?paths=http', 'POST')).body,
    /^error: empty logger name or empty logger level\n/,
  );
  await fixture.get('/logging?paths=http:error,nope:info', 'POST');
  assert.equal(fixture.levels.get('http'), 'debug');
  await fixture.get('/logging?paths=http:error,upstream:warning', 'POST');
  assert.deepEqual(
    ['http', 'upstream', 'config'].map(name => fixture.levels.get(name)),
    ['error', 'warning', 'debug'],
  );
  assert.equal((await fixture.get('/logging?paths=&level=', 'POST')).status, 200);
});

test('/runtime and /runtime_modify', async () => {
  assert.equal((await fixture.get('/runtime')).body, '{\n "entries": {},\n "layers": []\n}\n');
  assert.deepEqual((await fixture.get('/runtime_modify?a.b=1', 'POST')).body, 'No admin layer specified');
  assert.equal((await fixture.get('/runtime_modify', 'POST')).status, 400);
  fixture.runtimeLayers = [{ name: 'base', values: { 'a.b': '0', c: 'x' } }];
  fixture.adminLayer = {};
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  assert.equal((await fixture.get('/runtime_modify', 'POST', form, 'a.b=1')).body, 'OK\n');
  assert.deepEqual(JSON.parse((await fixture.get('/runtime')).body), {
    entries: {
      'a.b': { final_value: '1', layer_values: ['0', '1'] },
      c: { final_value: 'x', layer_values: ['x', ''] },
    },
    layers: ['base', 'admin'],
  });
});

test('/stats: filters, types, formats and their mistakes', async () => {
  const { lane, table } = fixture;
  lane.inc(lane.counter('cluster.app.upstream_rq_200'));
  lane.counter('cluster.app.upstream_rq_retry');
  lane.gaugeSet(lane.gauge('cluster.app.membership_total'), 1);
  const histogram = lane.histogram('cluster.app.upstream_rq_time', 'ms');
  lane.record(histogram, 1);
  const body = async (query: string): Promise<string> => (await fixture.get(`/stats?${query}`)).body;
  assert.equal(
    await body('filter=cluster\\.app'),
    'cluster.app.membership_total: 1\ncluster.app.upstream_rq_200: 1\ncluster.app.upstream_rq_retry: 0\ncluster.app.upstream_rq_time: No recorded values\n',
  );
  table.flush();
  assert.equal(await body('usedonly&type=Counters&filter=^cluster'), 'cluster.app.upstream_rq_200: 1\n');
  assert.equal(
    await body('format=json&filter=upstream_rq_200'),
    '{"stats":[{"name":"cluster.app.upstream_rq_200","value":1}]}',
  );
  assert.equal(
    await body('filter=upstream_rq_time'),
    'cluster.app.upstream_rq_time: P0(1,1) P25(1.025,1.025) P50(1.05,1.05) P75(1.075,1.075) P90(1.09,1.09) P95(1.095,1.095) P99(1.099,1.099) P99.5(1.0995,1.0995) P99.9(1.0999,1.0999) P100(1.1,1.1)\n',
  );
  assert.match(
    await body('filter=upstream_rq_time&histogram_buckets=cumulative'),
    /: B0.5\(0,0\) B1\(0,0\) B5\(1,1\) B10\(1,1\) /,
  );
  assert.match(await body('filter=upstream_rq_time&histogram_buckets=disjoint'), /B5\(1,1\) B10\(0,0\) /);
  assert.match(
    await body('filter=upstream_rq_time&histogram_buckets=detailed'),
    /:\n {2}totals=1,0.1:1\n {2}intervals=1,0.1:1\n {2}summary=P0/,
  );
  assert.deepEqual(
    Object.keys(JSON.parse(await body('format=json&filter=upstream_rq_time')).stats[0].histograms),
    ['supported_quantiles', 'computed_quantiles'],
  );
  const refused = async (query: string): Promise<unknown> => {
    const { status, body: text } = await fixture.get(`/stats?${query}`);
    return [status, text];
  };
  assert.deepEqual(await refused('format=nope'), [
    400,
    'usage: /stats?format=(html|active-html|json|prometheus|text)\n\n',
  ]);
  assert.deepEqual(await refused('filter=('), [400, 'Invalid re2 regex: missing ): (']);
  assert.deepEqual(await refused('type=Nope'), [400, 'invalid &type= param']);
  assert.equal(await body('filter=NOTHING'), '');
  await fixture.get('/reset_counters', 'POST');
  assert.equal(await body('filter=upstream_rq_200'), 'cluster.app.upstream_rq_200: 0\n');
});

test('/stats/prometheus counts the admin itself', async () => {
  await fixture.get('/ready');
  const { body } = await fixture.get(
    '/stats/prometheus?filter=^http\\.admin\\.downstream_rq_(total|completed)',
  );
  assert.equal(
    body,
    '# TYPE envoy_http_downstream_rq_completed counter\nenvoy_http_downstream_rq_completed{envoy_http_conn_manager_prefix="admin"} 1\n' +
      '# TYPE envoy_http_downstream_rq_total counter\nenvoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="admin"} 2\n',
  );
});

test('/clusters: the lines of a cluster in their order, and the JSON', async () => {
  const { lane } = fixture;
  fixture.clusters = [
    cluster({
      outlier: {
        successRateAverage: -1,
        successRateEjectionThreshold: -1,
        localOriginSuccessRateAverage: -1,
        localOriginSuccessRateEjectionThreshold: -1,
      },
      hosts: [
        host({ hostname: 'named', region: 'r', weight: 5, canary: true, healthFlags: '/failed_active_hc' }),
      ],
    }),
  ];
  lane.add(lane.counter('@host.app.127.0.0.1:8000.rq_total'), 2);
  const { body } = await fixture.get('/clusters');
  const lines = body.split('\n');
  assert.deepEqual(lines.slice(0, 5), [
    'app::observability_name::app',
    'app::outlier::success_rate_average::-1',
    'app::outlier::success_rate_ejection_threshold::-1',
    'app::outlier::local_origin_success_rate_average::-1',
    'app::outlier::local_origin_success_rate_ejection_threshold::-1',
  ]);
  assert.deepEqual(lines.slice(12, 16), [
    'app::high_priority::max_retries::3',
    'app::added_via_api::false',
    'app::127.0.0.1:8000::cx_active::0',
    'app::127.0.0.1:8000::cx_connect_fail::0',
  ]);
  assert.deepEqual(lines.slice(22), [
    'app::127.0.0.1:8000::rq_total::2',
    'app::127.0.0.1:8000::hostname::named',
    'app::127.0.0.1:8000::health_flags::/failed_active_hc',
    'app::127.0.0.1:8000::weight::5',
    'app::127.0.0.1:8000::region::r',
    'app::127.0.0.1:8000::zone::',
    'app::127.0.0.1:8000::sub_zone::',
    'app::127.0.0.1:8000::canary::true',
    'app::127.0.0.1:8000::priority::0',
    'app::127.0.0.1:8000::success_rate::-1',
    'app::127.0.0.1:8000::local_origin_success_rate::-1',
    '',
  ]);
  const [status] = JSON.parse((await fixture.get('/clusters?format=json')).body).cluster_statuses;
  assert.deepEqual(status.host_statuses[0].health_status, {
    failed_active_health_check: true,
    eds_health_status: 'HEALTHY',
  });
  assert.deepEqual(status.host_statuses[0].stats.at(5), { value: '2', name: 'rq_total' });
  assert.deepEqual(status.host_statuses[0].locality, { region: 'r' });
  assert.equal((await fixture.get('/clusters?filter=^b')).body, '');
});

test('/listeners as text and JSON', async () => {
  fixture.listeners = [
    {
      name: 'main',
      addresses: [
        { address: '127.0.0.1', port: 80, pipe: '' },
        { address: '::1', port: 80, pipe: '' },
      ],
    },
    { name: 'local', addresses: [{ address: '', port: 0, pipe: '/run/x.sock' }] },
  ];
  assert.equal(
    (await fixture.get('/listeners')).body,
    'main::127.0.0.1:80\nmain::[::1]:80\nlocal::/run/x.sock\n',
  );
  const { listener_statuses } = JSON.parse((await fixture.get('/listeners?format=json')).body);
  assert.deepEqual(listener_statuses[1], { name: 'local', local_address: { pipe: { path: '/run/x.sock' } } });
  assert.deepEqual(listener_statuses[0].additional_local_addresses, [
    { socket_address: { address: '::1', port_value: 80 } },
  ]);
});

test('/config_dump: whole, by resource, mask and name; secrets are blotted out', async () => {
  fixture.bootstrap = { node: { id: 'n' } } as Bootstrap;
  fixture.staticClusters = ['a', 'b'].map(name => ({ name, connectTimeout: 1000 }) as Cluster);
  fixture.staticSecrets = [
    {
      name: 's',
      tlsCertificate: { privateKey: { inlineString: 'KEY' }, certificateChain: { filename: 'c.pem' } },
    } as Secret,
  ];
  const dump = async (query = '') => JSON.parse((await fixture.get(`/config_dump${query}`)).body).configs;
  const whole = await dump();
  assert.deepEqual(
    whole.map((config: { '@type': string }) => config['@type'].split('.').at(-1)),
    [
      'BootstrapConfigDump',
      'ClustersConfigDump',
      'ListenersConfigDump',
      'ScopedRoutesConfigDump',
      'RoutesConfigDump',
      'SecretsConfigDump',
    ],
  );
  assert.deepEqual(whole[0].bootstrap, { node: { id: 'n' } });
  assert.deepEqual(whole[1].static_clusters[0], {
    cluster: {
      '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
      name: 'a',
      connect_timeout: '1s',
    },
    last_updated: '2023-11-14T22:13:20Z',
  });
  assert.deepEqual(whole[5].static_secrets[0].secret.tls_certificate, {
    certificate_chain: { filename: 'c.pem' },
    private_key: { inline_string: '[redacted]' },
  });
  assert.deepEqual(await dump('?resource=static_clusters&mask=cluster.name&name_regex=b'), [
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster',
      cluster: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'b' },
    },
  ]);
  const masked = await dump('?mask=static_clusters');
  assert.equal(masked.length, 1);
});

test('/config_dump: wrong parameters', async () => {
  const nope = await fixture.raw('GET', '/config_dump?resource=nope');
  assert.match(
    nope,
    /^HTTP\/1.1 404 Not Found\r\nx-content-type-options: nosniff\r\ncontent-type: text\/plain\r\ncache-control: no-cache, max-age=0\r\nx-content-type-options: nosniff\r\n/,
  );
  const refused = async (query: string): Promise<unknown> => {
    const { status, body } = await fixture.get(`/config_dump?${query}`);
    return [status, body];
  };
  assert.deepEqual(await refused('resource=nope'), [404, 'nope not found in config dump']);
  assert.deepEqual(await refused('mask=nope'), [
    400,
    'FieldMask nope could not be successfully applied to any configs.',
  ]);
  assert.deepEqual(await refused('resource=bootstrap'), [
    400,
    'bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field',
  ]);
  assert.equal((await fixture.get('/config_dump?name_regex=(')).status, 400);
});

test('server stats exist from the start and follow the state', async () => {
  fixture.state = 'DRAINING';
  const { body } = await fixture.get('/stats?filter=^server\\.(live|state|uptime|concurrency|version)$');
  assert.equal(
    body,
    `server.concurrency: 1\nserver.live: 0\nserver.state: 1\nserver.uptime: 5\nserver.version: ${0xababab}\n`,
  );
});
