import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpFilterType } from '@dragoman/proxy';
import { request, TestBench, type TestStream } from '../test-stream.ts';
import { rbacFilterType } from './rbac.ts';

const type = rbacFilterType as unknown as HttpFilterType<never, never>;
const any = [{ any: true }];
const policy = (permissions: unknown[], principals: unknown[] = any) => ({ permissions, principals });
const rules = (action: string, policies: Record<string, unknown>) => ({ rules: { action, policies } });
const header = (name: string, exact: string) => ({ header: { name, string_match: { exact } } });
const path = (prefix: string) => ({ url_path: { path: { prefix } } });
const cidr = (address_prefix: string, prefix_len: number) => ({ address_prefix, prefix_len });

interface Case {
  path?: string;
  headers?: Record<string, string>;
  route?: Record<string, unknown>;
  prepare?: (stream: TestStream) => void;
}

/** The details of the refusal, '' when the request passes. */
function run(config: Record<string, unknown>, settings: Case = {}) {
  const bench = new TestBench();
  const headers = request(settings.path ?? '/', settings.headers);
  const levels = settings.route === undefined ? [] : [bench.routeConfig(type, settings.route)];
  const stream = bench.stream(headers, ...levels);
  settings.prepare?.(stream);
  const filter = bench.instance(type, config).createFilter(stream.asStream);
  filter?.decodeHeaders?.(stream.asStream, headers, true);
  const reply = stream.replies[0];
  if (reply !== undefined) assert.deepEqual([reply.status, reply.body], [403, 'RBAC: access denied']);
  return { refused: reply?.details ?? '', bench, stream };
}

const denied = (name: string): string => `rbac_access_denied_matched_policy[${name}]`;

test('ALLOW: a policy has to match, in permissions and principals', () => {
  const config = rules('ALLOW', {
    admin: policy([path('/admin')], [header('x-role', 'admin')]),
    'two words': policy([path('/public')]),
    post: policy([{ and_rules: { rules: [header(':method', 'POST'), { not_rule: path('/private') }] } }]),
  });
  assert.equal(run(config, { path: '/admin' }).refused, denied('none'));
  assert.equal(run(config, { path: '/admin', headers: { 'x-role': 'admin' } }).refused, '');
  assert.equal(run(config, { path: '/public/x?y' }).refused, '');
  assert.equal(run(config, { path: '/x', headers: { ':method': 'POST' } }).refused, '');
  const last = run(config, { path: '/private', headers: { ':method': 'POST' } });
  assert.equal(last.refused, denied('none'));
  assert.equal(last.bench.counter('http.test.rbac.denied'), 1);
});

test('DENY names the policy that matched', () => {
  const config = rules('DENY', {
    'my rule': policy([{ or_rules: { rules: [path('/secret'), header('x-bad', '1')] } }]),
  });
  assert.equal(run(config, { path: '/secret' }).refused, denied('my_rule'));
  const fine = run(config, { path: '/fine' });
  assert.equal(fine.refused, '');
  assert.equal(fine.bench.counter('http.test.rbac.allowed'), 1);
});

test('no policy at all refuses everyone; no rules refuse nobody; LOG only counts', () => {
  assert.equal(run(rules('ALLOW', {})).refused, denied('none'));
  const none = run({});
  assert.equal(none.refused, '');
  assert.equal(none.bench.counter('http.test.rbac.allowed'), 0);
  const log = run(rules('LOG', { all: policy(any) }));
  assert.equal(log.refused, '');
  assert.equal(log.bench.counter('http.test.rbac.logged'), 1);
});

test('addresses, ports, metadata, server names, TLS', () => {
  const allow = (permissions: unknown[], principals: unknown[] = any, prepare?: Case['prepare']): boolean =>
    run(rules('ALLOW', { p: policy(permissions, principals) }), { prepare }).refused === '';
  assert.equal(allow(any, [{ direct_remote_ip: cidr('127.0.0.0', 8) }]), true);
  assert.equal(allow(any, [{ remote_ip: cidr('10.0.0.0', 8) }]), false);
  const trusted = (stream: TestStream) => void (stream.info.downstreamRemoteAddress = '10.1.2.3');
  assert.equal(allow(any, [{ remote_ip: cidr('10.0.0.0', 8) }], trusted), true);
  assert.equal(allow([{ destination_port: 80 }]), true);
  assert.equal(allow([{ destination_port_range: { start: 1, end: 80 } }]), false);
  assert.equal(allow([{ destination_ip: cidr('::1', 128) }]), false);
  const metadata = { filter: 'ns', path: [{ key: 'k' }], value: { string_match: { exact: 'v' } } };
  assert.equal(allow([{ metadata }]), false);
  assert.equal(
    allow([{ metadata }], any, stream => stream.info.setDynamicMetadata('ns', 'k', 'v')),
    true,
  );
  assert.equal(allow([{ requested_server_name: { exact: 'a.test' } }]), false);
  assert.equal(allow(any, [{ authenticated: {} }]), false);
  assert.equal(allow(any, [{ not_id: { any: true } }]), false);
});

test('a certificate is asked for its URI, its DNS names, its subject', () => {
  const principals = [{ authenticated: { principal_name: { exact: 'spiffe://x' } } }];
  const peer = (uriSans: string[]) => (stream: TestStream) => {
    const none = {
      subject: 'CN=x',
      uriSans,
      dnsSans: ['d'],
      ipSans: [],
      emailSans: [],
      issuer: '',
      serial: '',
    };
    const certificate = {
      ...none,
      fingerprint256: '',
      fingerprint1: '',
      pem: '',
      validFromMs: 0,
      validToMs: 0,
    };
    const tls = { version: '', cipher: '', sessionId: '', alpn: '', peer: certificate, peerValidated: true };
    stream.connection = { ...stream.connection, tls: { ...tls, local: null } };
  };
  const config = rules('ALLOW', { p: policy(any, principals) });
  assert.equal(run(config, { prepare: peer(['spiffe://x']) }).refused, '');
  assert.equal(run(config, { prepare: peer([]) }).refused, denied('none'));
});

test('shadow rules are counted and told, not obeyed', () => {
  const { refused, bench, stream } = run({
    shadow_rules: { action: 'DENY', policies: { all: policy(any) } },
    shadow_rules_stat_prefix: 'dry_',
  });
  assert.equal(refused, '');
  assert.equal(bench.counter('http.test.rbac.dry_.shadow_denied'), 1);
  assert.deepEqual(
    { ...stream.info.dynamicMetadata?.['envoy.filters.http.rbac'] },
    {
      dry_shadow_effective_policy_id: 'all',
      dry_shadow_engine_result: 'denied',
    },
  );
});

test('per route: other rules, or none', () => {
  const config = rules('ALLOW', {});
  const here = { rbac: rules('DENY', { here: policy(any) }) };
  assert.equal(run(config, { route: here }).refused, denied('here'));
  assert.equal(run(config, { route: {} }).refused, '');
});

test('what is not supported is refused', () => {
  const condition = { permissions: any, principals: any, condition: { const_expr: { bool_value: true } } };
  assert.throws(() => run(rules('ALLOW', { p: condition })), /policy p: condition is not supported/);
});
