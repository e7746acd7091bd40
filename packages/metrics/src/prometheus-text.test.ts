// Tests of the Prometheus exposition against lines that Envoy 1.40 prints.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatLane, StatTable } from '@dragoman/shm';
import { compileStatsMatcher, regexFromRe2 } from './name-matcher.ts';
import { metricName, PrometheusText } from './prometheus-text.ts';
import { TagExtractor } from './tag-extractor.ts';

const lineOf = (name: string, extractor = new TagExtractor()): string => {
  const { name: rest, tags } = extractor.extract(name);
  return `${metricName(rest)}{${tags.map(tag => `${tag.name.replaceAll('.', '_')}="${tag.value}"`).join(',')}}`;
};

test('default tags come out with the labels and the order of Envoy', () => {
  const expected: Record<string, string> = {
    'cluster.app.upstream_rq_200':
      'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="app"}',
    'cluster.app.external.upstream_rq_5xx':
      'envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="app"}',
    'cluster.app.circuit_breakers.default.rq_open':
      'envoy_cluster_circuit_breakers_default_rq_open{envoy_cluster_name="app"}',
    'http.ingress.downstream_rq_1xx':
      'envoy_http_downstream_rq_xx{envoy_response_code_class="1",envoy_http_conn_manager_prefix="ingress"}',
    'listener.127.0.0.1_80.http.ingress.downstream_rq_completed':
      'envoy_listener_http_downstream_rq_completed{envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_80"}',
    'listener.127.0.0.1_80.worker_3.downstream_cx_active':
      'envoy_listener_worker_downstream_cx_active{envoy_worker_id="3",envoy_listener_address="127.0.0.1_80"}',
    'listener.[__1]_80.downstream_cx_total':
      'envoy_listener_downstream_cx_total{envoy_listener_address="[__1]_80"}',
    'listener.admin.http.admin.downstream_rq_2xx':
      'envoy_listener_admin_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="admin"}',
    'vhost.all.vcluster.all-gets.upstream_rq_200':
      'envoy_vhost_vcluster_upstream_rq{envoy_response_code="200",envoy_virtual_cluster="all-gets",envoy_virtual_host="all"}',
    'vhost.v.route.r.upstream_rq_total':
      'envoy_vhost_route_upstream_rq_total{envoy_virtual_host="v",envoy_route="r"}',
    'http.in.rds.routes.v1.config_reload':
      'envoy_http_rds_config_reload{envoy_rds_route_config="routes.v1",envoy_http_conn_manager_prefix="in"}',
    'limiter.http_local_rate_limit.ok':
      'envoy_http_local_rate_limit_ok{envoy_local_http_ratelimit_prefix="limiter"}',
    'listener.0.0.0.0_443.ssl.versions.TLSv1.3':
      'envoy_listener_ssl_versions{envoy_ssl_version="TLSv1.3",envoy_listener_address="0.0.0.0_443"}',
    'tcp.echo.downstream_cx_total': 'envoy_tcp_downstream_cx_total{envoy_tcp_prefix="echo"}',
    'mongo.m.collection.users.query.total':
      'envoy_mongo_collection_query_total{envoy_mongo_collection="users",envoy_mongo_prefix="m"}',
    'server.live': 'envoy_server_live{}',
    'server.worker_0.watchdog_miss': 'envoy_server_worker_watchdog_miss{envoy_worker_id="0"}',
    'cluster_manager.active_clusters': 'envoy_cluster_manager_active_clusters{}',
    'wasmcustom.go_shared.requests': 'go_shared_requests{}',
    'wasm.envoy.wasm.runtime.v8.active': 'envoy_wasm_envoy_wasm_runtime_v8_active{}',
    'wasm.my.plugin.failures.stack_overflow':
      'envoy_wasm_failures{dragoman_plugin="my.plugin",dragoman_cause="stack_overflow"}',
    'dragoman.plugin.my.plugin.memory_bytes':
      'envoy_dragoman_plugin_memory_bytes{dragoman_plugin="my.plugin"}',
    'dragoman.shared_state.my.vm.used_bytes':
      'envoy_dragoman_shared_state_used_bytes{dragoman_vm_id="my.vm"}',
    'dragoman.plugin.my.plugin.recycled.age':
      'envoy_dragoman_plugin_recycled{dragoman_plugin="my.plugin",dragoman_cause="age"}',
    'wasm.my.plugin.vm_reload': 'envoy_wasm_my_plugin_vm_reload{}',
  };
  const extractor = new TagExtractor();
  for (const [name, line] of Object.entries(expected)) assert.equal(lineOf(name, extractor), line);
});

test('stats_tags: own regexes, fixed values and selected defaults', () => {
  const extractor = new TagExtractor({
    useAllDefaultTags: false,
    statsTags: [
      { tagName: 'cluster_name', regex: '^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)' },
      { tagName: 'response_code_class', regex: '_rq(_(\\dxx))$' },
      { tagName: 'mesh', fixedValue: 'm1' },
      { tagName: 'envoy.http_conn_manager_prefix' },
    ],
  });
  assert.equal(
    lineOf('cluster.outbound|80||x.y.svc.cluster.local.upstream_rq_5xx', extractor),
    'envoy_cluster_upstream_rq{response_code_class="5xx",mesh="m1",cluster_name="outbound|80||x.y.svc.cluster.local"}',
  );
  assert.equal(
    lineOf('http.in.no_route', extractor),
    'envoy_http_no_route{mesh="m1",envoy_http_conn_manager_prefix="in"}',
  );
  assert.throws(() => new TagExtractor({ statsTags: [{ tagName: 'x', regex: '(' }] }), {
    code: 'ERR_DRAGOMAN_STATS_TAG_REGEX',
  });
  assert.throws(() => new TagExtractor({ statsTags: [{ tagName: 'x' }] }), {
    code: 'ERR_DRAGOMAN_STATS_TAG_REGEX',
  });
});

function filledTable() {
  const memory = StatLane.create();
  const table = new StatTable();
  table.addLane(memory);
  const lane = new StatLane(memory);
  lane.inc(lane.counter('cluster.b.upstream_rq_total'));
  lane.counter('cluster.a.upstream_rq_total');
  lane.gaugeSet(lane.gauge('cluster.a.membership_total'), 1);
  lane.record(lane.histogram('cluster.a.upstream_rq_time', 'ms'), 7);
  lane.textReadout('control_plane.identifier', 'a"b');
  table.flush();
  return table;
}

test('groups are counters, gauges, histograms; series of one name stand together', () => {
  const text = new PrometheusText(filledTable()).renderStats({});
  const lines = text.split('\n');
  assert.deepEqual(lines.slice(0, 6), [
    '# TYPE envoy_cluster_upstream_rq_total counter',
    'envoy_cluster_upstream_rq_total{envoy_cluster_name="a"} 0',
    'envoy_cluster_upstream_rq_total{envoy_cluster_name="b"} 1',
    '# TYPE envoy_cluster_membership_total gauge',
    'envoy_cluster_membership_total{envoy_cluster_name="a"} 1',
    '# TYPE envoy_cluster_upstream_rq_time histogram',
  ]);
  assert.ok(lines.includes('envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="5"} 0'));
  assert.ok(lines.includes('envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="10"} 1'));
  assert.ok(lines.includes('envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="+Inf"} 1'));
  assert.deepEqual(lines.slice(-3), [
    'envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="a"} 7',
    'envoy_cluster_upstream_rq_time_count{envoy_cluster_name="a"} 1',
    '',
  ]);
});

test('filter, usedonly, text readouts, summary and own bounds', () => {
  const table = filledTable();
  const exposition = new PrometheusText(table, {
    histogramBucketSettings: [{ match: { prefix: 'cluster.' }, buckets: [1, 100] }],
  });
  assert.equal(exposition.renderStats({ filter: name => name === 'nothing' }), '');
  const used = exposition.renderStats({ usedOnly: true, filter: name => name.endsWith('upstream_rq_total') });
  assert.equal(
    used,
    '# TYPE envoy_cluster_upstream_rq_total counter\nenvoy_cluster_upstream_rq_total{envoy_cluster_name="b"} 1\n',
  );
  assert.match(
    exposition.renderStats({ textReadouts: true }),
    /envoy_control_plane_identifier\{text_value="a\\"b"\} 0/,
  );
  const summary = exposition.renderStats({
    histogramBuckets: 'summary',
    filter: name => name.endsWith('_time'),
  });
  assert.match(summary, /^# TYPE envoy_cluster_upstream_rq_time summary\n/);
  assert.match(summary, /envoy_cluster_upstream_rq_time\{envoy_cluster_name="a",quantile="0.5"\} 7.05\n/);
  const bounds = exposition.renderStats({ filter: name => name.endsWith('_time') }).match(/le="[^"]+"/g);
  assert.deepEqual(bounds, ['le="1"', 'le="100"', 'le="+Inf"']);
});

test('the runtime metrics follow when wanted', async () => {
  const exposition = new PrometheusText(filledTable());
  assert.match(await exposition.render({ runtime: true }), /\nprocess_cpu_seconds_total \d/);
  assert.equal(await exposition.render({ runtime: true, filter: () => false }), '');
});

test('ten thousand stats are rendered in well under a second', () => {
  const memory = StatLane.create();
  const table = new StatTable();
  table.addLane(memory);
  const lane = new StatLane(memory);
  for (let i = 0; i < 10_000; i++) lane.counter(`cluster.c${i % 100}.upstream_rq_${i}`);
  const exposition = new PrometheusText(table);
  exposition.renderStats({});
  const start = performance.now();
  assert.equal(exposition.renderStats({}).match(/\n/g)!.length > 10_000, true);
  assert.ok(performance.now() - start < 500);
});

test('stats_matcher and RE2 syntax', () => {
  assert.equal(compileStatsMatcher(undefined), null);
  assert.equal(compileStatsMatcher({ rejectAll: true })!('x'), false);
  const included = compileStatsMatcher({
    inclusionList: { patterns: [{ prefix: 'cluster.' }, { safeRegex: { regex: 'http\\..*_total' } }] },
  })!;
  assert.deepEqual(['cluster.x', 'http.a.b_total', 'http.a.b_totals'].map(included), [true, true, false]);
  const excluded = compileStatsMatcher({
    exclusionList: { patterns: [{ contains: 'ZONE', ignoreCase: true }] },
  })!;
  assert.deepEqual(['a.zone.b', 'a.b'].map(excluded), [false, true]);
  assert.ok(regexFromRe2('(?i)CLUSTER\\.(?P<name>app)').test('cluster.app'));
});
