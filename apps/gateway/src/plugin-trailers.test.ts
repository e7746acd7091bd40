// Trailers that a plugin makes in its last body callback, in the real program: over HTTP/1 and HTTP/2, both ways.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MapType } from '@dragoman/abi';
import { GatewayProcess, ModuleBuilder, op, RawConnection, ScriptedServer } from '@dragoman/testkit';

const NAME = 64;
const VALUE = 96;

/** Adds the trailer x-made to both directions, in the body callback that has end_of_stream 1. */
function trailerPlugin(): Buffer {
  const module = new ModuleBuilder();
  const add = module.importFunction('env', 'proxy_add_header_map_value', 'iiiii>i');
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(1024), 'malloc');
  const atTheEnd = (map: number) => [
    ...op.get(2),
    ...[0x04, 0x40],
    ...[map, NAME, 6, VALUE, 3].flatMap(value => op.i32(value)),
    ...op.call(add),
    ...op.drop,
    ...op.end,
    ...op.i32(0),
  ];
  module.function('iii>i', atTheEnd(MapType.HttpRequestTrailers), 'proxy_on_request_body');
  module.function('iii>i', atTheEnd(MapType.HttpResponseTrailers), 'proxy_on_response_body');
  module.memory({ minimum: 1 });
  module.data(NAME, 'x-made');
  module.data(VALUE, 'yes');
  return module.build();
}

/** The lines of a trailer section, to its end. */
async function trailerLines(connection: RawConnection): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const line = (await connection.readUntil('\r\n')).slice(0, -2);
    if (line === '') return lines;
    lines.push(line);
  }
}

const linesOf = (fields: http2.IncomingHttpHeaders) =>
  Object.entries(fields).map(([name, value]) => `${name}: ${value}`);

const cluster = (name: string, port: number, protocol: string) => `
  - name: ${name}
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { ${protocol} }
    load_assignment:
      cluster_name: ${name}
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }]`;

const configOf = (pluginPath: string, http1Port: number, http2Port: number) => `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
static_resources:
  clusters:${cluster('h1', http1Port, 'http_protocol_options: { enable_trailers: true }')}${cluster('h2', http2Port, 'http2_protocol_options: {}')}
  listeners:
  - name: main
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          http_protocol_options: { enable_trailers: true }
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - { match: { prefix: /h2 }, route: { cluster: h2 } }
              - { match: { prefix: / }, route: { cluster: h1 } }
          http_filters:
          - name: trailers
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config: { name: trailers, vm_config: { code: { local: { filename: "${pluginPath}" } } } }
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;

describe('trailers of a plugin', () => {
  let folder: string;
  let gateway: GatewayProcess;
  let port: number;
  let http1Upstream: ScriptedServer;
  let http2Upstream: http2.Http2Server;
  /** What an upstream has read last. */
  let requestTrailers: string[];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dragoman-trailers-'));
    const pluginPath = join(folder, 'trailers.wasm');
    writeFileSync(pluginPath, trailerPlugin());
    http1Upstream = await ScriptedServer.listen(async connection => {
      while (connection.isOpen) {
        const head = await connection.readUntil('\r\n\r\n').catch(() => '');
        if (head === '') return;
        await connection.readUntil('\r\n0\r\n');
        requestTrailers = await trailerLines(connection);
        const ownTrailer = head.startsWith('POST /own') ? 'x-own: yes\r\n' : '';
        connection.send(
          `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${ownTrailer}\r\n`,
        );
      }
    });
    http2Upstream = http2.createServer();
    http2Upstream.on('stream', (stream: http2.ServerHttp2Stream) => {
      requestTrailers = [];
      stream.on('trailers', trailers => {
        requestTrailers = linesOf(trailers);
      });
      stream.resume();
      stream.on('end', () => {
        stream.respond({ ':status': 200 });
        stream.end('ok');
      });
    });
    await new Promise<void>(resolve => http2Upstream.listen(0, '127.0.0.1', resolve));
    const http2Port = (http2Upstream.address() as AddressInfo).port;
    gateway = await GatewayProcess.start({
      config: configOf(pluginPath, http1Upstream.port, http2Port),
      args: ['--concurrency', '1'],
    });
    port = (await gateway.ports()).main!;
  });
  after(async () => {
    await gateway.kill();
    await http1Upstream.close();
    http2Upstream.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Sends a chunked request; the lines of the response's trailer section. */
  async function overHttp1(path: string, trailers: string): Promise<string[]> {
    const client = await RawConnection.connect(port);
    client.send(`POST ${path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n`);
    client.send(`3\r\nabc\r\n0\r\n${trailers}\r\n`);
    await client.readUntil('\r\n0\r\n');
    const lines = await trailerLines(client);
    client.close();
    return lines;
  }

  test('S50: over HTTP/1 they end the chunked body, to the upstream and to the client', async () => {
    assert.deepEqual(await overHttp1('/', ''), ['x-made: yes']);
    assert.deepEqual(requestTrailers, ['x-made: yes']);
  });

  test('S60: a body with trailers has no body callback with end_of_stream 1', async () => {
    assert.deepEqual(await overHttp1('/own', 'x-sent: yes\r\n'), ['x-own: yes']);
    assert.deepEqual(requestTrailers, ['x-sent: yes']);
  });

  test('S50: over HTTP/2 they are a block of headers, to the upstream and to the client', async () => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const stream = session.request({ ':method': 'POST', ':path': '/h2' });
    const trailers = new Promise<http2.IncomingHttpHeaders>(resolve => stream.on('trailers', resolve));
    const ended = new Promise(resolve => stream.on('end', resolve));
    stream.resume();
    stream.end('abc');
    await ended;
    session.close();
    assert.deepEqual(linesOf(await trailers), ['x-made: yes']);
    assert.deepEqual(requestTrailers, ['x-made: yes']);
  });

  test('S50: a request with a content-length has them where the upstream speaks HTTP/2', async () => {
    const client = await RawConnection.connect(port);
    client.send('POST /h2 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc');
    const response = await client.readMessage();
    client.close();
    assert.equal(response.body, 'ok');
    assert.deepEqual(requestTrailers, ['x-made: yes']);
  });
});
