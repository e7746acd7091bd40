// Redirects that the proxy follows itself, seen from the client's and the upstream's connection. Recorded from Envoy 1.40.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type RawMessage, ScriptedServer } from '@dragoman/testkit';
import { WorkerFixture } from '../testing/worker-fixture.ts';

const PREDICATES = 'type.googleapis.com/envoy.extensions.internal_redirect';
let upstream: ScriptedServer;
let seen: RawMessage[] = [];
before(async () => {
  upstream = await ScriptedServer.listen(async connection => {
    for (;;) {
      const message = await connection.readMessage();
      seen.push(message);
      const path = message.startLine.split(' ')[1]!;
      const at = path.indexOf('?to=');
      const to = at < 0 ? null : decodeURIComponent(path.slice(at + 4));
      const status = path.slice(1, 4);
      connection.send(
        to === null
          ? 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
          : `HTTP/1.1 ${status} x\r\nlocation: ${to}\r\nx-copy: me\r\ncontent-length: 5\r\n\r\nmoved`,
      );
    }
  });
});
after(() => upstream.close());

async function ask(request: string, policy: object = {}) {
  seen = [];
  const route = { cluster: 'app', internal_redirect_policy: policy };
  const worker = await WorkerFixture.start({
    clusters: { app: upstream.port },
    routes: [
      { match: { prefix: '/alone' }, name: 'alone', route: { cluster: 'app' } },
      { match: { prefix: '/' }, name: 'following', route },
    ],
    manager: { stat_prefix: 'test' },
  });
  const client = await worker.connect();
  client.send(request);
  const answer = await client.readMessage();
  const stat = (name: string) => worker.stat(name);
  client.close();
  worker.close();
  return { answer, status: Number(answer.startLine.split(' ')[1]), stat };
}

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nhost: a.test\r\n\r\n`;

test('the request begins anew, with the target as its address', async () => {
  const { status, stat } = await ask(GET('/302?to=http://b.test/next?x=1%23y'));
  assert.equal(status, 200);
  assert.equal(seen[1]!.startLine, 'GET /next?x=1 HTTP/1.1');
  assert.deepEqual(seen[1]!.headers.get('host'), ['b.test']);
  assert.deepEqual(seen[1]!.headers.get('x-envoy-original-url'), [
    'http://a.test/302?to=http://b.test/next?x=1%23y',
  ]);
  assert.deepEqual(seen[1]!.headers.get('x-request-id'), seen[0]!.headers.get('x-request-id'));
  assert.equal(stat('cluster.app.upstream_internal_redirect_succeeded_total'), 1);
  assert.equal(stat('http.test.downstream_rq_total'), 2);
  assert.equal(stat('http.test.downstream_rq_active'), 0);
});

test('a body goes again with 307; 303 makes it a GET', async () => {
  const policy = { redirect_response_codes: [303, 307], response_headers_to_copy: ['X-Copy'] };
  const post = (status: number) =>
    `POST /${status}?to=http://b.test/next HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nbody`;
  await ask(post(307), policy);
  assert.deepEqual([seen[1]!.startLine, seen[1]!.body], ['POST /next HTTP/1.1', 'body']);
  assert.deepEqual(seen[1]!.headers.get('x-copy'), ['me']);
  await ask(post(303), policy);
  assert.deepEqual([seen[1]!.startLine, seen[1]!.body], ['GET /next HTTP/1.1', '']);
  assert.equal(seen[1]!.headers.get('content-length'), undefined);
});

test('what is not followed goes to the client, and is counted', async () => {
  const predicate = (type: string, config: object = {}) => ({
    predicates: [{ name: 'p', typed_config: { '@type': `${PREDICATES}.${type}`, ...config } }],
  });
  const allow = (name: string) =>
    predicate('allow_listed_routes.v3.AllowListedRoutesConfig', { allowed_route_names: [name] });
  const cases: readonly [string, object, string | null][] = [
    ['/302?to=/relative', {}, 'bad_location'],
    ['/302?to=https://b.test/', {}, 'unsafe_scheme'],
    ['/302?to=http://b.test/302?to=http://c.test/', {}, 'too_many_redirects'],
    ['/302?to=http://b.test/alone', allow('following'), 'predicate'],
    [
      '/302?to=https://b.test/',
      { allow_cross_scheme_redirect: true, ...predicate('safe_cross_scheme.v3.SafeCrossSchemeConfig') },
      'predicate',
    ],
    ['/302?to=http://b.test/next', predicate('previous_routes.v3.PreviousRoutesConfig'), null],
    ['/301?to=http://b.test/next', {}, null],
  ];
  for (const [path, policy, stat] of cases) {
    const result = await ask(GET(path), policy);
    const followed = stat === null && path.startsWith('/302');
    assert.equal(result.status, followed ? 200 : Number(path.slice(1, 4)), path);
    if (stat !== null) assert.equal(result.stat(`http.test.passthrough_internal_redirect_${stat}`), 1, path);
  }
});

test('a body that is too long to be kept is not sent again', async () => {
  const body = 'x'.repeat(100);
  seen = [];
  const worker = await WorkerFixture.start({
    clusters: { app: upstream.port },
    routes: [
      {
        match: { prefix: '/' },
        route: { cluster: 'app', internal_redirect_policy: { redirect_response_codes: [307] } },
        request_body_buffer_limit: 10,
      },
    ],
  });
  const client = await worker.connect();
  client.send(`POST /307?to=http://b.test/ HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n${body}`);
  assert.match((await client.readMessage()).startLine, / 307 /);
  assert.equal(seen[0]!.body, body);
  assert.equal(worker.stat('cluster.app.retry_or_shadow_abandoned'), 1);
  client.close();
  worker.close();
});
