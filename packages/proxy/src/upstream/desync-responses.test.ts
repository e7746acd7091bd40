// Every row on what upstreams send: what the client gets, and whether the connection is ever used again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScriptedServer } from '@dragoman/testkit';
import { WorkerFixture } from '../testing/worker-fixture.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

interface Exchange {
  /** Everything the client got up to the end of its first response, or of the connection. */
  readonly first: string;
  readonly second: string;
  /** Connections the upstream saw for the two requests. */
  readonly connections: number;
}

/** Two requests one after the other on one client connection, if it survives; the first is answered with `bytes`. */
async function exchange(
  bytes: string,
  then: 'keep' | 'close' | 'reset' = 'keep',
  method = 'GET',
): Promise<Exchange> {
  const upstream = await ScriptedServer.listen(async (connection, number) => {
    for (let i = 0; connection.isOpen; i++) {
      const request = await connection.readMessage().catch(() => null);
      if (request === null) return;
      connection.send(number === 0 && i === 0 ? bytes : OK);
      if (number > 0 || i > 0 || then === 'keep') continue;
      if (then === 'close') connection.finish();
      else setImmediate(() => connection.close(true));
    }
  });
  const worker = await WorkerFixture.start({ clusters: { app: upstream.port } });
  try {
    const client = await worker.connect();
    client.send(GET.replace('GET', method));
    const first = await client
      .readMessage({ bodiless: method === 'HEAD' })
      .then(message => `${message.startLine}\n${message.body}`)
      .catch((error: Error) => `cut: ${error.message}`);
    const next = client.isOpen ? client : await worker.connect();
    next.send(GET);
    const second = (await next.readMessage().catch(() => null))?.startLine ?? 'none';
    const connections = upstream.connectionCount;
    client.close();
    next.close();
    return { first, second, connections };
  } finally {
    worker.close();
    await upstream.close();
  }
}

const PROTOCOL_ERROR = /^HTTP\/1\.1 502 Bad Gateway\nupstream connect error .* protocol error$/;

test('a good response: the connection is reused', async () => {
  assert.deepEqual(await exchange(OK), {
    first: 'HTTP/1.1 200 OK\nok',
    second: 'HTTP/1.1 200 OK',
    connections: 1,
  });
});

for (const [name, bytes] of Object.entries({
  'Content-Length and Transfer-Encoding':
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  'Content-Length twice and different':
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc',
  'Content-Length invalid': 'HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok',
  'a bare LF in a value': 'HTTP/1.1 200 OK\r\nx: a\nb: c\r\ncontent-length: 2\r\n\r\nok',
  'a bare CR in a value': 'HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 2\r\n\r\nok',
  'NUL in a value': 'HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok',
  garbage: 'SSH-2.0-OpenSSH_9.2\r\n\r\n',
  'a 101 nobody asked for':
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
  '204 that announces a body': 'HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nbody',
})) {
  test(`${name}: 502, the connection is not used again`, async () => {
    const { first, second, connections } = await exchange(bytes);
    assert.match(first, PROTOCOL_ERROR);
    assert.equal(second, 'HTTP/1.1 200 OK');
    assert.equal(connections, 2);
  });
}

test('bytes after the end of the response: answered, the connection is not used again', async () => {
  const { first, connections } = await exchange(`${OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen`);
  assert.equal(first, 'HTTP/1.1 200 OK\nok');
  assert.equal(connections, 2);
});

for (const [name, method, head, status] of [
  ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\ncontent-length: 4', '200 OK'],
  ['a 204', 'GET', 'HTTP/1.1 204 No Content', '204 No Content'],
  ['a 304', 'GET', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 4', '304 Not Modified'],
] as const) {
  test(`body bytes behind the head of ${name}: answered without them, the connection is not used again`, async () => {
    const { first, second, connections } = await exchange(`${head}\r\n\r\nbody`, 'keep', method);
    assert.equal(first, `HTTP/1.1 ${status}\n`);
    assert.equal(second, 'HTTP/1.1 200 OK');
    assert.equal(connections, 2);
  });
}

test('1xx before the final response are swallowed', async () => {
  const { first, connections } = await exchange(
    `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 102 P\r\n\r\n${OK}`,
  );
  assert.equal(first, 'HTTP/1.1 200 OK\nok');
  assert.equal(connections, 1);
});

test('an answer to HEAD has no body, and its length stays', async () => {
  const { first, connections } = await exchange(
    'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n',
    'keep',
    'HEAD',
  );
  assert.equal(first, 'HTTP/1.1 200 OK\n');
  assert.equal(connections, 1);
});

for (const then of ['close', 'reset'] as const) {
  test(`a body shorter than its length at ${then}: cut, never padded`, async () => {
    const { first, second } = await exchange('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', then);
    assert.match(first, /^cut: .*half$/s);
    assert.equal(second, 'HTTP/1.1 200 OK');
  });
}

test('a chunked body cut at its end: cut', async () => {
  const { first } = await exchange(
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    'close',
  );
  assert.match(first, /^cut: /);
});

test('no framing: read to the close, forwarded chunked', async () => {
  const { first, connections } = await exchange('HTTP/1.1 200 OK\r\n\r\nto the end', 'close');
  assert.equal(first, 'HTTP/1.1 200 OK\nto the end');
  assert.equal(connections, 2);
});

test('closed before any byte: 503 connection termination', async () => {
  const { first } = await exchange('', 'close');
  assert.match(first, /^HTTP\/1\.1 503 .*reset reason: connection termination$/s);
});

test('closed inside the head: 502 protocol error', async () => {
  assert.match((await exchange('HTTP/1.1 200 OK\r\ncontent-le', 'close')).first, PROTOCOL_ERROR);
});

test('a response before the request has ended: forwarded, neither connection is used again', async () => {
  const upstream = await ScriptedServer.listen(async connection => {
    await connection.readUntil('\r\n\r\n');
    connection.send(OK);
    await connection.closed();
  });
  const worker = await WorkerFixture.start({
    clusters: { app: upstream.port },
    manager: { delayed_close_timeout: '0.05s' },
  });
  const client = await worker.connect();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345');
  const answer = await client.readMessage();
  assert.equal(answer.body, 'ok');
  assert.deepEqual(answer.headers.get('connection'), ['close']);
  await client.closed();
  worker.close();
  await upstream.close();
});

test('bytes on an idle pooled connection: it is closed', async () => {
  let speak = () => {};
  const upstream = await ScriptedServer.listen(async (connection, number) => {
    await connection.readMessage();
    connection.send(OK);
    if (number === 0) speak = () => connection.send('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen');
    await connection.closed();
  });
  const worker = await WorkerFixture.start({ clusters: { app: upstream.port } });
  const client = await worker.connect();
  client.send(GET);
  assert.equal((await client.readMessage()).body, 'ok');
  speak();
  while (worker.stat('cluster.app.upstream_cx_active') > 0) await new Promise(setImmediate);
  client.send(GET);
  assert.equal((await client.readMessage()).body, 'ok');
  assert.equal(upstream.connectionCount, 2);
  client.close();
  worker.close();
  await upstream.close();
});
