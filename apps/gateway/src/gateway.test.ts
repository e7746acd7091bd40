import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { GatewayProcess, RawConnection, ScriptedServer } from '@dragoman/testkit';

const ROOT = resolve(import.meta.dirname, '../../..');
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';

interface Parts {
  readonly upstreamPort?: number;
  readonly listenerPort?: number;
  readonly adminPort?: number;
  /** Lines before the router, indented by six spaces. */
  readonly filters?: string;
}

/** A listener `main` in front of one upstream; without an upstream it answers itself. */
function config({ upstreamPort, listenerPort = 0, adminPort = 0, filters = '' }: Parts): string {
  const action = upstreamPort === undefined ? 'direct_response: { status: 200 }' : 'route: { cluster: app }';
  return `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${adminPort} } } }
static_resources:
  listeners:
  - name: main
    address: { socket_address: { address: 127.0.0.1, port_value: ${listenerPort} } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
            virtual_hosts:
            - { name: all, domains: ["*"], routes: [{ match: { prefix: "/" }, ${action} }] }
          http_filters:${filters}
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: app
    load_assignment:
      cluster_name: app
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${upstreamPort ?? 9} } } }
`;
}

const wasmFilter = (filename: string) => `
          - name: envoy.filters.http.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: mine
                root_id: my_root
                vm_config: { runtime: envoy.wasm.runtime.v8, code: { local: { filename: "${filename}" } } }`;

async function get(
  port: number,
  path = '/',
): Promise<{ status: string; body: string; headers: ReadonlyMap<string, string[]> }> {
  const client = await RawConnection.connect(port);
  client.send(`GET ${path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n`);
  const { startLine, body, headers } = await client.readMessage();
  client.close();
  return { status: startLine.slice('HTTP/1.1 '.length), body, headers };
}

test('requests go through all workers, and the admin interface knows of them', async t => {
  const upstream = await ScriptedServer.answering(ANSWER);
  const gateway = await GatewayProcess.start({
    config: config({ upstreamPort: upstream.port }),
    args: ['--concurrency', '2'],
  });
  t.after(async () => {
    await gateway.kill();
    await upstream.close();
  });
  const { main } = await gateway.ports();
  for (let i = 0; i < 20; i++) assert.equal((await get(main!)).body, 'hello');
  assert.equal(await (await gateway.admin('/ready')).text(), 'LIVE\n');
  const stats = await (await gateway.admin('/stats?filter=^(http.ingress|cluster.app)')).text();
  assert.match(stats, /^http\.ingress\.downstream_rq_total: 20$/m);
  assert.match(stats, /^cluster\.app\.upstream_rq_200: 20$/m);
  assert.match(await (await gateway.admin('/clusters')).text(), /^app::127\.0\.0\.1:\d+::rq_total::20$/m);
});

test('SIGTERM lets the request in flight finish, takes no new ones, and the exit status is 0', async t => {
  const { promise: arrived, resolve: onArrival } = Promise.withResolvers<RawConnection>();
  const upstream = await ScriptedServer.listen(async connection => {
    await connection.readMessage();
    onArrival(connection);
  });
  t.after(() => upstream.close());
  const gateway = await GatewayProcess.start({ config: config({ upstreamPort: upstream.port }) });
  t.after(() => gateway.kill());
  const { main } = await gateway.ports();
  const client = await RawConnection.connect(main!);
  client.send('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
  const waiting = await arrived;
  gateway.signal('SIGTERM');
  await gateway.logged('caught SIGTERM');
  waiting.send(ANSWER);
  const response = await client.readMessage();
  assert.equal(response.startLine, 'HTTP/1.1 200 OK');
  assert.equal(response.body, 'hello');
  client.close();
  const { code, signal } = await gateway.exited;
  assert.deepEqual({ code, signal }, { code: 0, signal: null });
  await assert.rejects(RawConnection.connect(main!));
});

test('/drain_listeners stops accepting, kept connections go on; inboundonly spares the others', async t => {
  const gateway = await GatewayProcess.start({ config: config({}) });
  t.after(() => gateway.kill());
  const main = (await gateway.ports()).main!;
  assert.equal(await (await gateway.admin('/drain_listeners?inboundonly', 'POST')).text(), 'OK\n');
  await gateway.admin('/ready');
  const kept = await RawConnection.connect(main);
  kept.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.equal((await kept.readMessage()).startLine, 'HTTP/1.1 200 OK');
  await gateway.admin('/drain_listeners', 'POST');
  for (;;) {
    const text = await (await gateway.admin('/stats?filter=listener_stopped')).text();
    if (text === 'listener_manager.listener_stopped: 1\n') break;
  }
  await assert.rejects(RawConnection.connect(main));
  kept.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.equal((await kept.readMessage()).startLine, 'HTTP/1.1 200 OK');
  kept.close();
});

test('/quitquitquit ends the process with status 0', async t => {
  const gateway = await GatewayProcess.start({ config: config({}) });
  t.after(() => gateway.kill());
  assert.equal(await (await gateway.admin('/quitquitquit', 'POST')).text(), 'OK\n');
  assert.equal((await gateway.exited).code, 0);
});

test('SIGHUP changes nothing, log levels change while it runs', async t => {
  const gateway = await GatewayProcess.start({ config: config({}) });
  t.after(() => gateway.kill());
  gateway.signal('SIGHUP');
  await gateway.logged('eating SIGHUP');
  assert.match(await (await gateway.admin('/logging?wasm=debug', 'POST')).text(), /^ {2}wasm: debug$/m);
  assert.equal((await gateway.admin('/ready')).status, 200);
});

test('SIGUSR1 opens the log file anew', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'dragoman-log-'));
  const path = join(folder, 'log');
  t.after(() => rmSync(folder, { recursive: true }));
  // With a log file nothing is said on standard error.
  const gateway = GatewayProcess.launch({ config: config({}), args: ['--log-path', path] });
  t.after(() => gateway.kill());
  await gateway.fileHas(path, 'starting main dispatch loop');
  renameSync(path, `${path}.1`);
  gateway.signal('SIGUSR1');
  await gateway.fileHas(path, '');
  gateway.signal('SIGHUP');
  await gateway.fileHas(path, 'eating SIGHUP');
});

test('a configuration text is merged over the file', async t => {
  const gateway = await GatewayProcess.start({
    config: config({}),
    args: ['--config-yaml', 'node: { id: from-text }', '--service-cluster', 'edge'],
  });
  t.after(() => gateway.kill());
  const info = (await (await gateway.admin('/server_info')).json()) as {
    node: { id: string; cluster: string };
  };
  assert.equal(info.node.id, 'from-text');
  assert.equal(info.node.cluster, 'edge');
});

test('--mode validate says OK, or every mistake, for people and for tools', async () => {
  const good = await GatewayProcess.run({ config: config({}), args: ['--mode', 'validate'] });
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /^configuration '.*envoy\.yaml' OK\n$/);
  const broken = config({})
    .replace('stat_prefix: ingress', 'stat_prefx: a')
    .replace('name: app\n', 'nome: b\n');
  const bad = await GatewayProcess.run({ config: broken, args: ['--mode', 'validate'] });
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /stat_prefx/);
  assert.match(bad.stderr, /nome/);
  const json = await GatewayProcess.run({ config: broken, args: ['--mode', 'validate', '--format', 'json'] });
  const answer = JSON.parse(json.stdout) as { ok: boolean; errors: { line: number; path: string }[] };
  assert.equal(answer.ok, false);
  assert.ok(answer.errors.every(({ line }) => line > 0));
});

test('what cannot be started is refused with one line and status 1', async t => {
  const occupied = createServer();
  await new Promise<void>(done => occupied.listen(0, '127.0.0.1', done));
  t.after(() => occupied.close());
  const { port } = occupied.address() as { port: number };
  const notWasm = resolve(ROOT, 'package.json');
  const cases: [string, { config?: string; args?: string[] }, RegExp][] = [
    ['malformed YAML', { config: 'admin: [' }, /envoy\.yaml:1:\d+/],
    ['unknown field', { config: 'admim: {}' }, /admim.*did you mean.*admin/],
    ['missing file', { args: ['-c', '/nowhere/envoy.yaml'] }, /Invalid path: \/nowhere\/envoy\.yaml/],
    ['not a wasm file', { config: config({ filters: wasmFilter(notWasm) }) }, /plugin mine .*my_root/i],
    [
      'missing wasm file',
      { config: config({ filters: wasmFilter('/nowhere/a.wasm') }) },
      /\/nowhere\/a\.wasm/,
    ],
    [
      'listener port in use',
      { config: config({ listenerPort: port }) },
      new RegExp(`127\\.0\\.0\\.1:${port}.*in use`, 'i'),
    ],
    ['admin port in use', { config: config({ adminPort: port }) }, /admin server cannot listen.*EADDRINUSE/],
    ['unknown flag', { args: ['--nope'] }, /unknown option '--nope'/],
    [
      'unwritable log',
      { config: config({}), args: ['--log-path', '/nowhere/log'] },
      /--log-path \/nowhere\/log/,
    ],
  ];
  for (const [name, options, message] of cases) {
    const { code, stderr } = await GatewayProcess.run(options);
    assert.equal(code, 1, `${name}: ${stderr}`);
    const lines = stderr.split('\n').filter(line => line !== '' && !/\]\[(info|warning)\]/.test(line));
    assert.equal(lines.length, 1, `${name}: ${stderr}`);
    assert.match(lines[0]!, message, name);
  }
});

test('the sidecar is the same program, but wants a configuration', async t => {
  const refused = await GatewayProcess.run({ program: 'dragoman-sidecar' });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /give a configuration/);
  const sidecar = await GatewayProcess.start({ program: 'dragoman-sidecar', config: config({}) });
  t.after(() => sidecar.kill());
  assert.equal((await get((await sidecar.ports()).main!)).status, '200 OK');
});
