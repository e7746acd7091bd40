// Probes against servers on this machine: what goes over the wire, and how answers are judged.

import assert from 'node:assert/strict';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type {
  HealthCheck_GrpcHealthCheck as GrpcConfig,
  HealthCheck_HttpHealthCheck as HttpConfig,
} from '@dragoman/config';
import { compileHttpCheck, HttpProbe } from './http-probe.ts';
import { grpcQuestion, Http2Probe, http2Question } from './http2-probe.ts';
import { type Probe, ProbeOutcome, type ProbeTarget } from './probe.ts';
import { TcpProbe } from './tcp-probe.ts';

async function listening(t: TestContext, server: Server): Promise<ProbeTarget> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<Socket>();
  server.on('connection', socket => sockets.add(socket));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { text: `127.0.0.1:${port}`, authority: 'app', connect: () => connect(port, '127.0.0.1') };
}

/** A server that answers every request with the text that `reply` gives, and keeps what it was sent. */
function rawServer(reply: (request: string) => string | Buffer) {
  const requests: string[] = [];
  let connections = 0;
  const server = createServer(socket => {
    connections++;
    socket.on('error', () => {});
    socket.on('data', bytes => {
      requests.push(bytes.toString('latin1'));
      const text = reply(requests.at(-1)!);
      if (text.length > 0) socket.write(text);
    });
  });
  return { server, requests, connections: () => connections };
}

const ask = (probe: Probe) => new Promise<ProbeOutcome>(resolve => probe.start(resolve));

function httpConfig(settings: object = {}): HttpConfig {
  return {
    host: '',
    path: '/health',
    receive: [],
    requestHeadersToAdd: [],
    requestHeadersToRemove: [],
    expectedStatuses: [],
    retriableStatuses: [],
    codecClientType: 'HTTP1',
    method: 'METHOD_UNSPECIFIED',
    ...settings,
  };
}

const answerOf = (status: number, body = '', headers = '') =>
  `HTTP/1.1 ${status} Any\r\ncontent-length: ${body.length}\r\n${headers}\r\n${body}`;

test('HTTP: the question is Envoy’s, and the connection is used again', async t => {
  const { server, requests, connections } = rawServer(() => answerOf(200));
  const target = await listening(t, server);
  const add = { header: { key: 'X-Probe', value: 'yes' }, appendAction: 'APPEND_IF_EXISTS_OR_ADD' };
  const config = httpConfig({ host: 'health.test', requestHeadersToAdd: [add] });
  const probe = new HttpProbe(compileHttpCheck(config, target), target, true);
  t.after(() => probe.close());
  assert.equal(await ask(probe), ProbeOutcome.SUCCESS);
  assert.equal(await ask(probe), ProbeOutcome.SUCCESS);
  assert.equal(
    requests[0],
    'GET /health HTTP/1.1\r\nhost: health.test\r\nuser-agent: Envoy/HC\r\nx-probe: yes\r\n\r\n',
  );
  assert.equal(requests[1], requests[0]);
  assert.equal(connections(), 1);
});

test('HTTP: no reuse, other method, removed headers, body to send', async t => {
  const { server, requests, connections } = rawServer(() => answerOf(200));
  const target = await listening(t, server);
  const config = httpConfig({
    method: 'POST',
    requestHeadersToRemove: ['User-Agent'],
    send: { text: '6869' },
  });
  const probe = new HttpProbe(compileHttpCheck(config, target), target, false);
  t.after(() => probe.close());
  assert.equal(await ask(probe), ProbeOutcome.SUCCESS);
  assert.equal(await ask(probe), ProbeOutcome.SUCCESS);
  assert.equal(connections(), 2);
  assert.match(requests.join(''), /^POST \/health HTTP\/1\.1\r\nhost: app\r\ncontent-length: 2\r\n\r\nhi/);
});

test('HTTP: how answers are judged', async t => {
  let reply = '';
  const { server } = rawServer(() => reply);
  const target = await listening(t, server);
  const config = httpConfig({
    expectedStatuses: [{ start: 200, end: 300 }],
    retriableStatuses: [{ start: 503, end: 504 }],
    receive: [{ text: Buffer.from('fine').toString('hex') }],
  });
  const probe = new HttpProbe(compileHttpCheck(config, target), target, true);
  t.after(() => probe.close());
  const cases: [string, ProbeOutcome][] = [
    [answerOf(204 + 2, 'all fine'), ProbeOutcome.SUCCESS],
    [answerOf(200, 'all fine', 'x-envoy-degraded: true\r\n'), ProbeOutcome.DEGRADED],
    [answerOf(200, 'bad'), ProbeOutcome.FAILURE],
    [answerOf(500, 'fine'), ProbeOutcome.FAILURE],
    [answerOf(503, 'fine'), ProbeOutcome.RETRIABLE_FAILURE],
    ['not HTTP\r\n\r\n', ProbeOutcome.NETWORK_FAILURE],
  ];
  for (const [text, outcome] of cases) {
    reply = text;
    assert.equal(await ask(probe), outcome, text);
  }
});

test('HTTP: nobody there is a network failure', async t => {
  const { server } = rawServer(() => '');
  const target = await listening(t, server);
  await new Promise(resolve => server.close(resolve));
  const probe = new HttpProbe(compileHttpCheck(httpConfig(), target), target, true);
  t.after(() => probe.close());
  assert.equal(await ask(probe), ProbeOutcome.NETWORK_FAILURE);
});

test('TCP: connecting, and bytes that must come back in order', async t => {
  const { server, requests } = rawServer(() => 'PONG one two');
  const target = await listening(t, server);
  assert.equal(await ask(new TcpProbe({ receive: [] }, target)), ProbeOutcome.SUCCESS);
  const send = { text: Buffer.from('PING').toString('hex') };
  const bytes = (text: string) => ({ binary: Buffer.from(text) });
  const receive = [bytes('one'), bytes('two')];
  assert.equal(await ask(new TcpProbe({ send, receive }, target)), ProbeOutcome.SUCCESS);
  assert.equal(requests[0], 'PING');
  const closing = createServer(socket => socket.end('two one'));
  const other = await listening(t, closing);
  assert.equal(await ask(new TcpProbe({ receive }, other)), ProbeOutcome.NETWORK_FAILURE);
});

test('HTTP/2: a plain check and a gRPC one over the same server', async t => {
  const server = createHttp2Server();
  const seen: string[] = [];
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    seen.push(`${headers[':method']} ${headers[':path']} ${headers[':authority']} ${headers['user-agent']}`);
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      if (headers[':path'] === '/health') {
        stream.respond({ ':status': 200 });
        stream.end('fine');
        return;
      }
      const asked = Buffer.concat(chunks).subarray(7).toString();
      const serving = asked === 'good' ? 1 : 2;
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () =>
        stream.sendTrailers({ 'grpc-status': asked === 'unknown' ? '5' : '0' }),
      );
      stream.end(asked === 'unknown' ? undefined : Buffer.from([0, 0, 0, 0, 2, 8, serving]));
    });
  });
  const target = await listening(t, server as unknown as Server);
  const plain = new Http2Probe(http2Question(compileHttpCheck(httpConfig(), target)), target, true);
  t.after(() => plain.close());
  assert.equal(await ask(plain), ProbeOutcome.SUCCESS);
  assert.equal(seen[0], 'GET /health app Envoy/HC');
  const cases = { good: ProbeOutcome.SUCCESS, bad: ProbeOutcome.FAILURE, unknown: ProbeOutcome.FAILURE };
  for (const [serviceName, outcome] of Object.entries(cases)) {
    const config: GrpcConfig = { serviceName, authority: '', initialMetadata: [] };
    const probe = new Http2Probe(grpcQuestion(config, target), target, false);
    assert.equal(await ask(probe), outcome, serviceName);
    probe.close();
  }
});

test('a cancelled question has no outcome', async t => {
  const { server } = rawServer(() => '');
  const target = await listening(t, server);
  for (const probe of [
    new HttpProbe(compileHttpCheck(httpConfig(), target), target, true),
    new TcpProbe({ receive: [{ text: '00' }] }, target),
    new Http2Probe(http2Question(compileHttpCheck(httpConfig(), target)), target, true),
  ]) {
    let outcome: ProbeOutcome | null = null;
    const reached = new Promise(resolve => server.once('connection', resolve));
    probe.start(result => {
      outcome = result;
    });
    await reached;
    probe.cancel();
    probe.close();
    await new Promise(resolve => setImmediate(resolve));
    assert.equal(outcome, null);
  }
});
