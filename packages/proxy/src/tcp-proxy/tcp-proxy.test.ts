import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { RawConnection, ScriptedServer } from '@dragoman/testkit';
import { listener, ProxyFixture, staticCluster, TYPES, tcpProxy } from '../testing/proxy-fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'tcp-proxy-'));
const log = join(folder, 'access.log');
let proxy: ProxyFixture;
let echo: ScriptedServer;
let flood: ScriptedServer;

before(async () => {
  echo = await ScriptedServer.listen(connection => {
    connection.socket.on('data', bytes => connection.socket.write(bytes));
    connection.socket.on('end', () => connection.socket.end('bye'));
  });
  flood = await ScriptedServer.listen(connection => {
    connection.socket.end(Buffer.alloc(8_000_000, 'x'));
  });
  const accessLog = {
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': `${TYPES}.access_loggers.file.v3.FileAccessLog`,
          path: log,
          log_format: {
            text_format_source: {
              inline_string:
                '%UPSTREAM_CLUSTER% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %ACCESS_LOG_TYPE%\n',
            },
          },
        },
      },
    ],
  };
  const chain = (settings: object): object[] => [{ filters: [tcpProxy(settings)] }];
  proxy = await ProxyFixture.start({
    listeners: [
      listener('echo', chain({ cluster: 'echo', stat_prefix: 'echo', ...accessLog })),
      listener('flood', chain({ cluster: 'flood', stat_prefix: 'flood' })),
      listener('idle', chain({ cluster: 'echo', stat_prefix: 'idle', idle_timeout: '0.1s' })),
      listener(
        'short',
        chain({ cluster: 'echo', stat_prefix: 'short', max_downstream_connection_duration: '0.1s' }),
      ),
      listener('nowhere', chain({ cluster: 'nobody', stat_prefix: 'nowhere', ...accessLog })),
      listener('empty', chain({ cluster: 'empty', stat_prefix: 'empty', ...accessLog })),
    ],
    clusters: [
      staticCluster('echo', echo.port),
      staticCluster('flood', flood.port),
      { name: 'empty', type: 'STATIC' },
    ],
  });
});

after(async () => {
  proxy.close();
  await echo.close();
  await flood.close();
});

test('bytes both ways, and each side may finish first', async () => {
  const client = await RawConnection.connect(proxy.port('echo'));
  client.send('hello');
  assert.equal(await client.read(5), 'hello');
  client.finish();
  assert.equal(await client.read(3), 'bye');
  await client.closed();
  client.close();
  await proxy.until('listener.echo.downstream_cx_active', 0);
  assert.equal(proxy.stat('tcp.echo.downstream_cx_rx_bytes_total'), 5);
  assert.equal(proxy.stat('tcp.echo.downstream_cx_tx_bytes_total'), 8);
  await proxy.until('cluster.echo.upstream_cx_active', 0);
});

test('a client that does not read holds the upstream back, and gets all of it', async () => {
  const client = await RawConnection.connect(proxy.port('flood'));
  client.socket.pause();
  await proxy.until('cluster.flood.upstream_flow_control_paused_reading_total', 1);
  assert.ok((proxy.stat('cluster.flood.upstream_cx_rx_bytes_total') ?? 0) < 8_000_000);
  client.socket.resume();
  await client.closed();
  client.close();
  assert.equal(proxy.stat('tcp.flood.downstream_cx_tx_bytes_total'), 8_000_000);
});

test('idle connections and old ones are closed', async () => {
  const idle = await RawConnection.connect(proxy.port('idle'));
  await idle.closed();
  idle.close();
  assert.equal(proxy.stat('tcp.idle.idle_timeout'), 1);
  const old = await RawConnection.connect(proxy.port('short'));
  await old.closed();
  old.close();
  assert.equal(proxy.stat('tcp.short.max_downstream_connection_duration'), 1);
});

test('no cluster and no host: closed, counted, logged', async () => {
  const nowhere = await RawConnection.connect(proxy.port('nowhere'));
  await nowhere.closed();
  nowhere.close();
  assert.equal(proxy.stat('tcp.nowhere.downstream_cx_no_route'), 1);
  const empty = await RawConnection.connect(proxy.port('empty'));
  await empty.closed();
  empty.close();
  assert.equal(proxy.stat('cluster.empty.upstream_cx_none_healthy'), 1);
});

test('the access log', async () => {
  let lines: string[] = [];
  for (const limitMs = Date.now() + 5000; lines.length < 3 && Date.now() < limitMs; ) {
    await new Promise(resolve => setTimeout(resolve, 10));
    lines = readFileSync(log, 'utf8').split('\n').filter(Boolean).sort();
  }
  assert.deepEqual(lines, [
    '- NC 0 0 TcpConnectionEnd',
    'echo - 5 8 TcpConnectionEnd',
    'empty UH 0 0 TcpConnectionEnd',
  ]);
});
