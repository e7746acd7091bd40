import assert from 'node:assert/strict';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import {
  certificate,
  certificatePath,
  httpManager,
  identity,
  listener,
  ProxyFixture,
  staticCluster,
  TYPES,
  tlsCertificate,
  upstreamTls,
} from '../testing/proxy-fixture.ts';

let proxy: ProxyFixture;
let secure: Server;
let negotiating: Http2SecureServer;
let authority: string | undefined;
let seen: {
  servername: string | false;
  alpn: string | false | null;
  client: string;
  version: string | null;
} | null = null;

const trusting = { validation_context: { trusted_ca: { filename: certificatePath('ca.crt') } } };
const options = (settings: object): object => ({
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
      ...settings,
    },
  },
});
const http1 = { explicit_http_config: { http_protocol_options: {} } };

before(async () => {
  secure = createServer(
    {
      ...identity('server'),
      requestCert: true,
      rejectUnauthorized: false,
      ca: certificate('ca.crt'),
      ALPNProtocols: ['http/1.1'],
    },
    (socket: TLSSocket) => {
      seen = {
        servername: socket.servername as string | false,
        alpn: socket.alpnProtocol,
        client: String(socket.getPeerCertificate().subject?.CN ?? ''),
        version: socket.getProtocol(),
      };
      socket.on('error', () => {});
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecure'));
    },
  );
  negotiating = createSecureServer({ ...identity('server'), allowHTTP1: true });
  negotiating.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 });
    stream.end('h2');
  });
  await new Promise<void>(resolve => secure.listen(0, '127.0.0.1', resolve));
  await new Promise<void>(resolve => negotiating.listen(0, '127.0.0.1', resolve));
  const { port } = secure.address() as AddressInfo;
  const clusters: Record<string, object> = {
    unverified: { transport_socket: upstreamTls({}) },
    trusting: { transport_socket: upstreamTls(trusting, { sni: 'proxy.test' }) },
    distrusting: {
      transport_socket: upstreamTls({
        validation_context: { trusted_ca: { filename: certificatePath('stranger-ca.crt') } },
      }),
    },
    misnamed: {
      transport_socket: upstreamTls({
        validation_context: {
          ...trusting.validation_context,
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'else.test' } }],
        },
      }),
    },
    wildcard: {
      transport_socket: upstreamTls({
        validation_context: {
          ...trusting.validation_context,
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'a.wild.test' } }],
        },
      }),
    },
    mutual: { transport_socket: upstreamTls({ ...trusting, tls_certificates: [tlsCertificate('client')] }) },
    auto: {
      transport_socket: upstreamTls(trusting),
      ...options({ ...http1, upstream_http_protocol_options: { auto_sni: true, auto_san_validation: true } }),
    },
  };
  proxy = await ProxyFixture.start({
    listeners: [
      listener('main', [
        {
          filters: [
            httpManager({
              routes: [...Object.keys(clusters), 'alpn'].map(cluster => ({
                match: { prefix: `/${cluster}` },
                route: { cluster },
                response_headers_to_add: [
                  { header: { key: 'x-tls', value: '%UPSTREAM_TLS_VERSION% %UPSTREAM_PEER_SUBJECT%' } },
                  { header: { key: 'x-pool', value: '%UPSTREAM_CONNECTION_POOL_READY_DURATION%' } },
                ],
              })),
            }),
          ],
        },
      ]),
    ],
    clusters: [
      ...Object.entries(clusters).map(([name, settings]) => staticCluster(name, port, settings)),
      staticCluster('alpn', (negotiating.address() as AddressInfo).port, {
        transport_socket: upstreamTls({}),
        ...options({ auto_config: {} }),
      }),
    ],
  });
});

after(() => {
  proxy.close();
  secure.close();
  negotiating.close();
});

async function ask(path: string): Promise<{ status: number; body: string; tls?: string; pool?: string }> {
  const { request } = process.getBuiltinModule('node:http');
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        port: proxy.port('main'),
        path,
        agent: false,
        headers: authority === undefined ? {} : { host: authority },
      },
      response => {
        let body = '';
        response.on('data', bytes => {
          body += bytes;
        });
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body,
            tls: response.headers['x-tls'] as string,
            pool: response.headers['x-pool'] as string,
          }),
        );
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

test('without a validation context nothing is verified; TLS 1.2 and http/1.1 are the defaults', async () => {
  assert.equal((await ask('/unverified')).body, 'secure');
  assert.deepEqual(seen, { servername: false, alpn: 'http/1.1', client: '', version: 'TLSv1.2' });
});

test('a trusted host, by its configured name', async () => {
  assert.equal((await ask('/trusting')).body, 'secure');
  assert.equal(seen?.servername, 'proxy.test');
  assert.equal(proxy.stat('cluster.trusting.ssl.handshake'), 1);
});

test('hosts that are not trusted, or have another name, are not spoken to', async () => {
  for (const [cluster, counter] of [
    ['distrusting', 'fail_verify_error'],
    ['misnamed', 'fail_verify_san'],
  ]) {
    const { status, body } = await ask(`/${cluster}`);
    assert.equal(status, 503);
    assert.match(body, /reset reason: remote connection failure$/);
    assert.equal(proxy.stat(`cluster.${cluster}.ssl.${counter}`), 1);
    assert.equal(proxy.stat(`cluster.${cluster}.upstream_cx_connect_fail`), 1);
  }
  assert.equal((await ask('/wildcard')).status, 200);
});

test('a client certificate', async () => {
  assert.equal((await ask('/mutual')).status, 200);
  assert.equal(seen?.client, 'client');
});

test('auto_sni and auto_san_validation take the request’s host', async () => {
  authority = 'proxy.test:80';
  assert.equal((await ask('/auto')).status, 200);
  assert.equal(seen?.servername, 'proxy.test');
  authority = 'b.wild.test';
  assert.equal((await ask('/auto')).status, 200);
  assert.equal(seen?.servername, 'b.wild.test');
  authority = 'stranger.test';
  assert.equal((await ask('/auto')).status, 503);
  authority = undefined;
});

test('ALPN decides the protocol, and one connection carries many requests', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask('/alpn')));
  assert.deepEqual(new Set(answers.map(({ body }) => body)), new Set(['h2']));
  assert.equal(proxy.stat('cluster.alpn.upstream_cx_http2_total'), 1);
  assert.equal(proxy.stat('cluster.alpn.upstream_rq_total'), 10);
});

test('the facts of an upstream TLS connection are known to formats and plugins, also of one that is used again', async () => {
  for (const [cluster, version] of [
    ['trusting', 'TLSv1.2'],
    ['trusting', 'TLSv1.2'],
    ['alpn', 'TLSv1.2'],
  ])
    assert.match((await ask(`/${cluster}`)).tls ?? '', new RegExp(`^${version} .*CN=server$`), cluster);
});

test('how long an attempt waited for a connection is known, also when none could be had', async () => {
  assert.match((await ask('/trusting')).pool ?? '', /^\d+$/);
  assert.match((await ask('/distrusting')).pool ?? '', /^\d+$/);
});
