import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { connect as connectSocket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { RawConnection, ScriptedServer } from '@dragoman/testkit';
import { writeProxyHeader } from '../listener-filter/proxy-protocol.ts';
import { httpManager, listener, ProxyFixture, says, staticCluster, TYPES } from '../testing/proxy-fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'listener-'));
const addresses = {
  remoteAddress: '192.0.2.7',
  remotePort: 4000,
  localAddress: '198.51.100.1',
  localPort: 443,
};
let proxy: ProxyFixture;
let upgrading: ScriptedServer;
let echo: ScriptedServer;

before(async () => {
  upgrading = await ScriptedServer.listen(async connection => {
    const { startLine } = await connection.readMessage();
    if (startLine.includes('/plain')) {
      connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno');
      return;
    }
    if (startLine.includes('/refuse')) {
      connection.send('HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\ngone');
      return;
    }
    connection.send(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi',
    );
    connection.socket.on('data', bytes => connection.socket.write(bytes));
    connection.socket.on('end', () => connection.socket.end());
  });
  echo = await ScriptedServer.listen(connection => {
    connection.socket.on('data', bytes => connection.socket.write(bytes));
    connection.socket.on('end', () => connection.socket.end());
  });
  const proxyProtocol = (settings: object = {}): object => ({
    listener_filters: [
      {
        name: 'envoy.filters.listener.proxy_protocol',
        typed_config: { '@type': `${TYPES}.filters.listener.proxy_protocol.v3.ProxyProtocol`, ...settings },
      },
    ],
  });
  const route = {
    ...says('x'),
    response_headers_to_add: [
      { header: { key: 'x-from', value: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%' } },
    ],
  };
  const upgrades = { upgrade_configs: [{ upgrade_type: 'websocket' }], stat_prefix: 'ws' };
  const tunnel = {
    match: { connect_matcher: {} },
    route: { cluster: 'echo', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
  };
  const sendsHeader = {
    transport_socket: {
      name: 'envoy.transport_sockets.upstream_proxy_protocol',
      typed_config: {
        '@type': `${TYPES}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport`,
        config: { version: 'V1' },
        transport_socket: {
          name: 'envoy.transport_sockets.raw_buffer',
          typed_config: { '@type': `${TYPES}.transport_sockets.raw_buffer.v3.RawBuffer` },
        },
      },
    },
  };
  proxy = await ProxyFixture.start({
    listeners: [
      listener('required', [{ filters: [httpManager({ routes: [route] })] }], proxyProtocol()),
      listener(
        'allowed',
        [{ filters: [httpManager({ routes: [route] })] }],
        proxyProtocol({ allow_requests_without_proxy_protocol: true, stat_prefix: 'allowed' }),
      ),
      listener(
        'sources',
        [
          {
            filter_chain_match: { source_prefix_ranges: [{ address_prefix: '192.0.2.0', prefix_len: 24 }] },
            filters: [httpManager({ routes: [says('near')] })],
          },
          { filters: [httpManager({ routes: [says('far')] })] },
        ],
        proxyProtocol(),
      ),
      listener('out', [{ filters: [httpManager()] }], proxyProtocol()),
      listener('upgrades', [
        {
          filters: [
            httpManager({ routes: [{ match: { prefix: '/' }, route: { cluster: 'ws' } }], ...upgrades }),
          ],
        },
      ]),
      listener('tunnels', [{ filters: [httpManager({ routes: [tunnel] })] }]),
      {
        ...listener('pipe', [{ filters: [httpManager({ routes: [says('pipe')] })] }]),
        address: { pipe: { path: join(folder, 'in.sock') } },
      },
      listener('to-pipe', [
        { filters: [httpManager({ routes: [{ match: { prefix: '/' }, route: { cluster: 'pipe' } }] })] },
      ]),
    ],
    clusters: [
      staticCluster('app', echo.port, sendsHeader),
      staticCluster('ws', upgrading.port),
      staticCluster('echo', echo.port),
      {
        name: 'pipe',
        type: 'STATIC',
        load_assignment: {
          cluster_name: 'pipe',
          endpoints: [
            { lb_endpoints: [{ endpoint: { address: { pipe: { path: join(folder, 'out.sock') } } } }] },
          ],
        },
      },
    ],
  });
});

after(async () => {
  proxy.close();
  await upgrading.close();
  await echo.close();
});

const REQUEST = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

test('PROXY protocol: the addresses in the header are the connection’s', async () => {
  for (const version of [1, 2] as const) {
    const client = await RawConnection.connect(proxy.port('required'));
    const bytes = Buffer.concat([writeProxyHeader(version, addresses), Buffer.from(REQUEST)]);
    client.send(bytes.subarray(0, 9));
    await new Promise(resolve => setTimeout(resolve, 10));
    client.send(bytes.subarray(9));
    const { headers } = await client.readMessage();
    assert.deepEqual(headers.get('x-from'), ['192.0.2.7:4000 198.51.100.1:443']);
    client.send(REQUEST);
    assert.equal((await client.readMessage()).body, 'x');
    client.close();
  }
  assert.equal(proxy.stat('proxy_proto.versions.v2.found'), 1);
});

test('PROXY protocol: a connection without header is closed, unless that is allowed', async () => {
  const refused = await RawConnection.connect(proxy.port('required'));
  refused.send(REQUEST);
  assert.equal(await refused.readToEnd(), '');
  assert.equal(proxy.stat('listener.required.downstream_listener_filter_error'), 1);
  const allowed = await RawConnection.connect(proxy.port('allowed'));
  allowed.send(REQUEST);
  assert.equal((await allowed.readMessage()).body, 'x');
  allowed.close();
});

test('filter chains by the address in the header', async () => {
  const bodies: string[] = [];
  for (const remoteAddress of ['192.0.2.9', '203.0.113.9']) {
    const client = await RawConnection.connect(proxy.port('sources'));
    client.send(Buffer.concat([writeProxyHeader(1, { ...addresses, remoteAddress }), Buffer.from(REQUEST)]));
    bodies.push((await client.readMessage()).body);
    client.close();
  }
  assert.deepEqual(bodies, ['near', 'far']);
});

test('PROXY protocol to the upstream: the client’s addresses, one connection for each client', async () => {
  const client = await RawConnection.connect(proxy.port('out'));
  client.send(Buffer.concat([writeProxyHeader(2, addresses), Buffer.from(REQUEST)]));
  // The upstream echoes what it gets, and that begins with the header: no HTTP response.
  const { startLine, body } = await client.readMessage();
  assert.match(startLine, /502/);
  assert.match(body, /protocol error/);
  client.close();
});

const upgrade = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n`;

test('upgrades: bytes both ways, those that came early included', async () => {
  const client = await RawConnection.connect(proxy.port('upgrades'));
  client.send(`${upgrade('/')}early`);
  const head = await client.readUntil('\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  assert.match(head, /\r\nupgrade: websocket\r\nconnection: Upgrade\r\n/);
  assert.equal(await client.read(7), 'hiearly');
  client.send('later');
  assert.equal(await client.read(5), 'later');
  assert.equal(proxy.stat('http.ws.downstream_cx_upgrades_active'), 1);
  client.close();
  await proxy.until('http.ws.downstream_cx_upgrades_active', 0);
  await proxy.until('cluster.ws.upstream_cx_active', 0);
});

test('upgrades the upstream does not want: its status, and errors as they are', async () => {
  for (const [path, status, body] of [
    ['/plain', 200, ''],
    ['/refuse', 404, 'gone'],
  ] as const) {
    const client = await RawConnection.connect(proxy.port('upgrades'));
    client.send(upgrade(path));
    const message = await client.readMessage();
    assert.match(message.startLine, new RegExp(` ${status} `));
    assert.deepEqual(message.headers.get('connection'), ['close']);
    assert.equal(message.body, body);
    client.close();
  }
});

test('CONNECT ends here, and its bytes go to the host', async () => {
  const client = await RawConnection.connect(proxy.port('tunnels'));
  client.send('CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\nearly');
  const head = await client.readUntil('\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
  assert.doesNotMatch(head, /content-length|transfer-encoding|connection/);
  assert.equal(await client.read(5), 'early');
  const big = 'x'.repeat(300_000);
  client.send(big);
  assert.equal(await client.read(big.length), big);
  client.close();
  await proxy.until('cluster.echo.upstream_cx_active', 0);
});

test('Unix sockets on both sides', async () => {
  const socket = connectSocket(join(folder, 'in.sock'));
  const client = new RawConnection(socket);
  client.send(REQUEST);
  assert.equal((await client.readMessage()).body, 'pipe');
  client.close();
  const upstream = createServer(connection => {
    connection.once('data', () => connection.end('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nout'));
  });
  await new Promise<void>(resolve => upstream.listen(join(folder, 'out.sock'), resolve));
  const response = await fetch(`http://127.0.0.1:${proxy.port('to-pipe')}/`);
  assert.equal(await response.text(), 'out');
  upstream.close();
});
