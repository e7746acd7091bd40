import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { GatewayProcess, RawConnection } from '@dragoman/testkit';
import { startDemoUpstream } from './demo/demo-upstream.ts';
import { greeting } from './greeting.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../../examples');

/** An example as it stands in the repository, apart from its ports. */
async function startExample(
  t: TestContext,
  file: string,
  concurrency = 1,
): Promise<{ gateway: GatewayProcess; port: number }> {
  const upstream = await startDemoUpstream(0);
  const upstreamPort = (upstream.address() as AddressInfo).port;
  const config = readFileSync(join(EXAMPLES, file), 'utf8')
    .replaceAll(/port_value: (9901|10000|15000|15001)\b/g, 'port_value: 0')
    .replaceAll('port_value: 10080', `port_value: ${upstreamPort}`)
    // The administrator's own log has no place in a test.
    .replaceAll('/tmp/admin_access.log', '/dev/null');
  const gateway = await GatewayProcess.start({ config, args: ['--concurrency', String(concurrency)] });
  t.after(async () => {
    await gateway.kill();
    upstream.close();
    upstream.closeAllConnections();
  });
  const [port] = Object.values(await gateway.ports());
  return { gateway, port: port! };
}

async function answer(
  port: number,
  path: string,
): Promise<{ startLine: string; head: string; body: string; sent: Record<string, string> }> {
  const client = await RawConnection.connect(port);
  client.send(`GET ${path} HTTP/1.1\r\nhost: example.test\r\nconnection: close\r\n\r\n`);
  const { startLine, headerLines, body } = await client.readMessage();
  client.close();
  const sent = body.startsWith('{') ? (JSON.parse(body) as { headers: Record<string, string> }).headers : {};
  return { startLine, head: headerLines.join('\n'), body, sent };
}

test('the default: a Go plugin adds a header and a token that it fetches on its own', async t => {
  const { gateway, port } = await startExample(t, 'default/envoy.yaml');
  const { startLine, head } = await answer(port, '/headers');
  assert.equal(startLine, 'HTTP/1.1 200 OK');
  assert.match(head, /^x-wasm-filter: hello from wasm$/m);
  assert.match(head, /^x-auth: /m);
  assert.match(await (await gateway.admin('/stats?filter=wasm.*active')).text(), /v8\.active: [1-9]/);
});

test('configs/go-wasm-filter.yaml: the notation of 2021 runs as it is', async t => {
  const { port } = await startExample(t, 'configs/go-wasm-filter.yaml');
  assert.match((await answer(port, '/headers')).head, /^x-wasm-filter: hello from wasm$/m);
});

test('configs/rust-wasm-isolation.yaml: a STATIC cluster with a host name is resolved, with a warning', async t => {
  const { gateway, port } = await startExample(t, 'configs/rust-wasm-isolation.yaml');
  const { startLine } = await answer(port, '/headers');
  assert.equal(startLine, 'HTTP/1.1 200 OK');
  assert.match(gateway.log, /\[warning\].*localhost/);
});

test('configs/envoy-introduction.yaml: the host is rewritten and the upstream knows how long it has', async t => {
  const { gateway, port } = await startExample(t, 'configs/envoy-introduction.yaml');
  const { sent } = await answer(port, '/headers');
  assert.equal(sent.host, 'localhost');
  assert.equal(sent['x-envoy-expected-rq-timeout-ms'], '15000');
  assert.match(
    await (await gateway.admin('/clusters')).text(),
    /^httpbin_service::127\.0\.0\.1:\d+::hostname::localhost$/m,
  );
});

test('configs/envoy-introduction-timeout.yaml: a slow upstream is answered for', async t => {
  const { port } = await startExample(t, 'configs/envoy-introduction-timeout.yaml');
  assert.equal((await answer(port, '/headers')).sent['x-envoy-expected-rq-timeout-ms'], '1000');
  assert.equal((await answer(port, '/delay/2')).startLine, 'HTTP/1.1 504 Gateway Timeout');
});

test('configs/wasm-service.yaml: a service counts what the filter of every worker puts into its queue', async t => {
  const { gateway, port } = await startExample(t, 'configs/wasm-service.yaml', 2);
  assert.match(gateway.log, /wasm log counter visits: counting what comes through the queue visits/);
  for (let i = 0; i < 10; i++) await answer(port, '/headers');
  const limitMs = Date.now() + 5000;
  let counted = '';
  while (counted !== '10\n' && Date.now() < limitMs) counted = (await answer(port, '/visits/headers')).body;
  assert.equal(counted, '10\n');
});

test('every example configuration is among these tests', () => {
  const own = readFileSync(import.meta.filename, 'utf8');
  for (const file of readdirSync(join(EXAMPLES, 'configs'))) assert.ok(own.includes(`configs/${file}`), file);
});

test('the greeting names listeners, plugins and something to try', () => {
  const text = greeting({
    bootstrap: {
      admin: { address: { socketAddress: { address: '127.0.0.1', portValue: 9901 } } },
      filters: [
        {
          typeName: 'a.wasm.v3.Wasm',
          value: { config: { name: 'go', vmConfig: { code: { local: { filename: 'go.wasm' } } } } },
        },
      ],
    } as never,
    listeners: [{ key: 'l/0', listenerName: 'l', address: '0.0.0.0', port: 10_000 }],
    concurrency: 2,
    readyMs: 200.4,
  });
  assert.match(text, /ready \(200 ms, 2 workers\)/);
  assert.match(text, /listener {2}l on 0\.0\.0\.0:10000/);
  assert.match(text, /plugin {4}go \(go\.wasm\)/);
  assert.match(text, /curl -i localhost:10000\/headers/);
});
