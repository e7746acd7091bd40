import assert from 'node:assert/strict';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type Http2Server,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { after, before, test } from 'node:test';
import { ScriptedServer } from '@dragoman/testkit';
import {
  downstreamTls,
  HTTP2_CLUSTER,
  httpManager,
  listener,
  ProxyFixture,
  says,
  staticCluster,
  tlsCertificate,
} from '../testing/proxy-fixture.ts';

let proxy: ProxyFixture;
let http1: ScriptedServer;
let http2: Http2Server;
let echo: ScriptedServer;
let upgrading: ScriptedServer;
let upgradeHead = '';
/** Header lists, bodies and trailers that the HTTP/2 upstream got. */
const received: { headers: Record<string, unknown>; body: string; trailers: Record<string, unknown> }[] = [];
/** Heads and bodies that the HTTP/1 upstream got. */
const heads: string[] = [];

before(async () => {
  http1 = await ScriptedServer.listen(async connection => {
    for (;;) {
      const { startLine, headerLines, body } = await connection
        .readMessage()
        .catch(() => ({ startLine: '' }) as never);
      if (startLine === '') return;
      heads.push([startLine, ...headerLines, '', body].join('\n'));
      connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nkeep-alive: x\r\n\r\nok');
    }
  });
  echo = await ScriptedServer.listen(connection => {
    connection.socket.on('data', bytes => connection.socket.write(bytes));
  });
  upgrading = await ScriptedServer.listen(async connection => {
    const { startLine, headers } = await connection.readMessage();
    upgradeHead = `${startLine} ${headers.get('upgrade')?.join()} ${headers.get('host')?.join()}`;
    connection.send(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi',
    );
    connection.socket.on('data', bytes => connection.socket.write(bytes));
  });
  http2 = createServer();
  http2.on('stream', (stream, headers) => answer(stream as ServerHttp2Stream, headers));
  await new Promise<void>(resolve => http2.listen(0, '127.0.0.1', resolve));
  const routes = [
    says('direct', { prefix: '/says' }),
    { match: { prefix: '/h2' }, route: { cluster: 'h2' } },
    { match: { prefix: '/' }, route: { cluster: 'app' } },
  ];
  const address = http2.address() as { port: number };
  proxy = await ProxyFixture.start({
    listeners: [
      listener('plain', [{ filters: [httpManager({ routes })] }]),
      listener('tunnels', [
        {
          filters: [
            httpManager({
              routes: [
                {
                  match: { connect_matcher: {} },
                  route: {
                    cluster: 'echo',
                    upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
                  },
                },
                {
                  match: { prefix: '/ws' },
                  route: { cluster: 'ws', upgrade_configs: [{ upgrade_type: 'websocket' }] },
                },
                { match: { prefix: '/' }, route: { cluster: 'ws' } },
              ],
              stat_prefix: 'tunnels',
              http2_protocol_options: { allow_connect: true },
            }),
          ],
        },
      ]),
      listener('only', [{ filters: [httpManager({ routes, codec_type: 'HTTP2', stat_prefix: 'only' })] }]),
      listener('secure', [
        {
          filters: [httpManager({ routes, stat_prefix: 'secure' })],
          transport_socket: downstreamTls({
            tls_certificates: [tlsCertificate('server')],
            alpn_protocols: ['h2', 'http/1.1'],
          }),
        },
      ]),
    ],
    clusters: [
      staticCluster('app', http1.port),
      staticCluster('h2', address.port, HTTP2_CLUSTER),
      staticCluster('echo', echo.port),
      staticCluster('ws', upgrading.port),
    ],
  });
});

after(async () => {
  proxy.close();
  http2.close();
  await http1.close();
  await echo.close();
  await upgrading.close();
});

/** What the HTTP/2 upstream does, by path. */
function answer(stream: ServerHttp2Stream, headers: object): void {
  const path = String((headers as Record<string, string>)[':path']);
  let body = '';
  let trailers: Record<string, unknown> = {};
  stream.on('error', () => {});
  stream.on('trailers', got => {
    trailers = { ...got };
  });
  stream.on('data', bytes => {
    body += bytes;
  });
  if (path === '/h2/refuse') {
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
    return;
  }
  if (path === '/h2/cut') {
    stream.respond({ ':status': 200 });
    stream.write('half', () => stream.session?.destroy());
    return;
  }
  stream.on('end', () => {
    received.push({ headers: { ...headers }, body, trailers });
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(path === '/h2/big' ? Buffer.alloc(3_000_000, 'x') : 'message');
  });
}

interface Reply {
  readonly status: number | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly trailers: Record<string, unknown>;
  readonly resetCode: number;
}

function read(stream: ClientHttp2Stream): Promise<Reply> {
  return new Promise(resolve => {
    let headers: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    let body = '';
    stream.on('response', got => {
      headers = { ...got };
    });
    stream.on('trailers', got => {
      trailers = { ...got };
    });
    stream.on('data', bytes => {
      body += bytes;
    });
    stream.on('error', () => {});
    stream.on('close', () =>
      resolve({
        status: headers[':status'] as number,
        headers,
        body,
        trailers,
        resetCode: stream.rstCode ?? 0,
      }),
    );
  });
}

function session(name = 'plain', secure = false): ClientHttp2Session {
  const opened = connect(`${secure ? 'https' : 'http'}://127.0.0.1:${proxy.port(name)}`, {
    rejectUnauthorized: false,
  });
  opened.on('error', () => {});
  return opened;
}

async function ask(headers: OutgoingHttpHeaders, body?: string, on?: ClientHttp2Session): Promise<Reply> {
  const client = on ?? session();
  const stream = client.request(
    { ':authority': 'a.test', ':path': '/', ...headers },
    { endStream: body === undefined },
  );
  if (body !== undefined) stream.end(body);
  const reply = await read(stream);
  if (on === undefined) client.close();
  return reply;
}

test('prior knowledge on a port that speaks HTTP/1, too', async () => {
  const reply = await ask({ 'x-a': '1', cookie: ['a=1', 'b=2'] });
  assert.equal(reply.status, 200);
  assert.equal(reply.body, 'ok');
  assert.equal(reply.headers['keep-alive'], undefined);
  const head = heads.at(-1) ?? '';
  assert.match(head, /^GET \/ HTTP\/1\.1\nhost: a\.test\nx-a: 1\ncookie: a=1; b=2\n/);
  assert.equal(proxy.stat('http.ingress.downstream_cx_http2_total'), 1);
  assert.equal(proxy.stat('http.ingress.downstream_cx_http1_total'), 0);
  const http1Reply = await fetch(`http://127.0.0.1:${proxy.port('plain')}/says`);
  assert.equal(await http1Reply.text(), 'direct');
});

test('the preface in pieces', async () => {
  const socket = connectSocket(proxy.port('plain'), '127.0.0.1');
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const answered = new Promise<Buffer>((resolve, reject) => {
    socket.on('data', resolve);
    socket.on('close', () => reject(new Error('closed')));
  });
  for (const piece of [preface.slice(0, 10), preface.slice(10, 18), preface.slice(18)]) {
    socket.write(piece);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  socket.write(settings);
  const bytes = await answered;
  assert.equal(bytes[3], 4, 'a SETTINGS frame comes first');
  socket.destroy();
});

test('bodies and trailers both ways, HTTP/2 to HTTP/2', async () => {
  const client = session();
  const stream = client.request(
    { ':method': 'POST', ':path': '/h2/echo', ':authority': 'a.test', te: 'trailers' },
    { endStream: false, waitForTrailers: true },
  );
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc' }));
  stream.end('hello');
  const reply = await read(stream);
  assert.equal(reply.body, 'message');
  assert.deepEqual({ ...reply.trailers }['grpc-status'], '0');
  const got = received.at(-1);
  assert.equal(got?.body, 'hello');
  assert.equal(got?.trailers['x-sum'], 'abc');
  assert.equal(got?.headers.te, 'trailers');
  client.close();
});

test('a body without length goes to HTTP/1 chunked, one with length keeps it', async () => {
  await ask({ ':method': 'POST' }, 'hello');
  assert.match(heads.at(-1) ?? '', /\ntransfer-encoding: chunked\n\nhello$/);
  await ask({ ':method': 'POST', 'content-length': '5' }, 'hello');
  assert.match(heads.at(-1) ?? '', /\ncontent-length: 5\n/);
  assert.doesNotMatch(heads.at(-1) ?? '', /chunked/);
});

test('an answer before the end of the request arrives, and ends the request', async () => {
  const client = session();
  const stream = client.request(
    { ':method': 'POST', ':path': '/says', ':authority': 'a.test' },
    { endStream: false },
  );
  stream.write('x');
  const reply = await read(stream);
  assert.equal(reply.status, 200);
  assert.equal(reply.body, 'direct');
  assert.equal(reply.resetCode, constants.NGHTTP2_NO_ERROR);
  client.close();
});

test('large bodies wait for a client that does not read', async () => {
  const client = session();
  const stream = client.request({ ':path': '/h2/big', ':authority': 'a.test' });
  stream.pause();
  await new Promise<void>(resolve => stream.on('response', () => resolve()));
  let size = 0;
  const done = new Promise<void>(resolve => stream.on('end', () => resolve()));
  stream.on('data', bytes => {
    size += bytes.length;
  });
  stream.resume();
  await done;
  assert.equal(size, 3_000_000);
  client.close();
});

test('ALPN', async () => {
  const client = session('secure', true);
  const reply = await ask({ ':path': '/says' }, undefined, client);
  assert.equal(reply.body, 'direct');
  assert.equal(proxy.stat('http.secure.downstream_cx_ssl_total'), 1);
  client.close();
  await proxy.until('http.secure.downstream_cx_ssl_active', 0);
});

test('an HTTP/2-only listener says nothing to HTTP/1', async () => {
  const socket = connectSocket(proxy.port('only'), '127.0.0.1');
  let bytes = 0;
  socket.on('data', data => {
    bytes += data.length;
  });
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await proxy.until('http.only.downstream_cx_protocol_error', 1);
  await new Promise(resolve => socket.on('close', resolve));
  assert.equal(bytes, 0);
  const reply = await ask({ ':path': '/says' }, undefined, session('only'));
  assert.equal(reply.body, 'direct');
});

test('requests that HTTP/1 would read in two ways do not get there', async () => {
  const before = heads.length;
  for (const headers of [
    { ':authority': 'a b' },
    { ':authority': 'user@a.test' },
    { ':authority': 'a.test', host: 'b.test' },
    { ':path': '/a b' },
    { ':path': '/a#b' },
    { 'content-length': '3', ':method': 'POST' },
  ]) {
    const reply = await ask(headers as OutgoingHttpHeaders, ':method' in headers ? 'hello' : undefined);
    assert.equal(reply.status, undefined, JSON.stringify(headers));
  }
  assert.equal(heads.filter((head, i) => i >= before && /hello$/.test(head)).length, 0);
  assert.equal(heads.length - before <= 1, true, 'only the one whose body is wrong may have begun');
});

test('a client that gives up takes the upstream request with it', async () => {
  const client = session();
  const stream = client.request(
    { ':method': 'POST', ':path': '/h2/wait', ':authority': 'a.test' },
    { endStream: false },
  );
  stream.on('error', () => {});
  stream.write('x');
  await proxy.until('cluster.h2.upstream_rq_active', 1);
  stream.close(constants.NGHTTP2_CANCEL);
  await proxy.until('cluster.h2.upstream_rq_active', 0);
  await proxy.until('http.ingress.downstream_rq_active', 0);
  client.close();
});

test('resets of the upstream: refused, and in the middle of a response', async () => {
  const refused = await ask({ ':path': '/h2/refuse' });
  assert.equal(refused.status, 503);
  assert.match(refused.body, /reset reason: remote refused stream reset$/);
  const cut = await ask({ ':path': '/h2/cut' });
  assert.notEqual(cut.resetCode, 0);
});

/** Opens a tunnel, sends a word and waits for what comes back. */
async function tunnel(
  headers: OutgoingHttpHeaders,
  expected: string,
): Promise<{ status: number; text: string }> {
  const client = session('tunnels');
  await new Promise<void>(resolve => client.on('remoteSettings', () => resolve()));
  const stream = client.request({ ':authority': 'a.test:443', ...headers }, { endStream: false });
  stream.on('error', () => {});
  stream.write('word');
  const result = await new Promise<{ status: number; text: string }>(resolve => {
    let status = 0;
    let text = '';
    stream.on('response', got => {
      status = Number(got[':status']);
      if (status !== 200) resolve({ status, text });
    });
    stream.on('data', bytes => {
      text += bytes;
      if (text === expected) resolve({ status, text });
    });
  });
  stream.close(constants.NGHTTP2_CANCEL);
  client.close();
  return result;
}

test('CONNECT and WebSocket in a stream, where they are allowed', async () => {
  assert.deepEqual(await tunnel({ ':method': 'CONNECT' }, 'word'), { status: 200, text: 'word' });
  const websocket = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http' };
  assert.deepEqual(await tunnel({ ...websocket, ':path': '/ws' }, 'hiword'), { status: 200, text: 'hiword' });
  assert.equal(upgradeHead, 'GET /ws HTTP/1.1 websocket a.test:443');
  assert.equal((await tunnel({ ...websocket, ':path': '/no' }, '')).status, 403);
  await proxy.until('http.tunnels.downstream_cx_upgrades_active', 0);
});

test('a client that closes its side is gone: connection and requests end', async () => {
  const socket = connectSocket({ port: proxy.port('plain'), host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  const settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
  socket.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
  socket.end(Buffer.from(settings));
  socket.resume();
  await new Promise(resolve => socket.on('end', resolve));
  socket.destroy();
});

test('draining: GOAWAY, and what is in flight is finished', async () => {
  const client = session();
  const going = new Promise<void>(resolve => client.on('goaway', () => resolve()));
  const stream = client.request(
    { ':method': 'POST', ':path': '/h2/echo', ':authority': 'a.test' },
    { endStream: false },
  );
  stream.write('a');
  await proxy.until('cluster.h2.upstream_rq_active', 1);
  const drained = proxy.drain();
  await going;
  stream.end('b');
  const reply = await read(stream);
  assert.equal(reply.body, 'message');
  client.close();
  await drained;
});
