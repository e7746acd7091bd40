// Every row on malformed and ambiguous requests: what the client gets, that the connection ends, that nothing reaches
// the upstream whole, and that it is counted.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ScriptedServer } from '@dragoman/testkit';
import { WorkerFixture } from '../testing/worker-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const GET = (lines = '', target = '/', version = 'HTTP/1.1') =>
  `GET ${target} ${version}\r\nHost: a\r\n${lines}\r\n`;
const POST = (lines: string, body = '') => `POST / HTTP/1.1\r\nHost: a\r\n${lines}\r\n${body}`;
const CHUNKED = (body: string) => POST('Transfer-Encoding: chunked\r\n', body);

/** Refused: input, and the statuses that fit. */
const REFUSED: Readonly<Record<string, readonly [string, ...number[]]>> = {
  'Content-Length and Transfer-Encoding together': [
    POST('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    400,
  ],
  'Content-Length twice, equal': [POST('Content-Length: 2\r\nContent-Length: 2\r\n', 'ab'), 400],
  'Content-Length twice, different': [POST('Content-Length: 2\r\nContent-Length: 3\r\n', 'abc'), 400],
  'Content-Length as a list': [POST('Content-Length: 2, 2\r\n', 'ab'), 400],
  'Content-Length with a sign': [POST('Content-Length: +2\r\n', 'ab'), 400],
  'Content-Length in hexadecimal': [POST('Content-Length: 0x2\r\n', 'ab'), 400],
  'Content-Length with a blank inside': [POST('Content-Length: 1 0\r\n', '0123456789'), 400],
  'Content-Length with an underscore': [POST('Content-Length: 1_0\r\n', '0123456789'), 400],
  'Content-Length over 2^53': [POST('Content-Length: 9007199254740993\r\n'), 400],
  'Content-Length empty': [POST('Content-Length:\r\n'), 400],
  'Transfer-Encoding as a list': [POST('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), 501, 400],
  'Transfer-Encoding xchunked': [POST('Transfer-Encoding: xchunked\r\n'), 501, 400],
  'Transfer-Encoding chunked, identity': [POST('Transfer-Encoding: chunked, identity\r\n'), 501, 400],
  'Transfer-Encoding with a vertical tab before': [POST('Transfer-Encoding: \x0bchunked\r\n'), 501, 400],
  'Transfer-Encoding with a tab before': [POST('Transfer-Encoding:\tchunked\r\n', '0\r\n\r\n'), 501, 400],
  'Transfer-Encoding with a trailing comma': [POST('Transfer-Encoding: chunked,\r\n'), 501, 400],
  'Transfer-Encoding quoted': [POST('Transfer-Encoding: "chunked"\r\n'), 501, 400],
  'Transfer-Encoding twice': [
    POST('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    501,
    400,
  ],
  'Transfer-Encoding on HTTP/1.0': [
    'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    426,
    501,
  ],
  'a bare LF ending a header line': ['GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n', 400],
  'a bare LF ending the request line': ['GET / HTTP/1.1\nHost: a\r\n\r\n', 400],
  'a bare CR in a value': [GET('X: a\rb\r\n'), 400],
  'obs-fold': [GET('X: a\r\n b\r\n'), 400],
  'a first header line that starts with a blank': ['GET / HTTP/1.1\r\n Host: a\r\n\r\n', 400],
  'a blank before the colon': [GET('X : a\r\n'), 400],
  'an empty header name': [GET(': a\r\n'), 400],
  'a header name with another character than a token has': [GET('X(y): a\r\n'), 400],
  'NUL in a value': [GET('X: a\0b\r\n'), 400],
  'a control character in a value': [GET('X: a\x01b\r\n'), 400],
  'two Host headers': ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
  'Host with a list': ['GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400],
  'Host with user information': ['GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 400],
  'Host with a path': ['GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  'HTTP/1.1 without Host': ['GET / HTTP/1.1\r\n\r\n', 400],
  'HTTP/0.9': ['GET /\r\n\r\n', 400, 426, 505],
  'HTTP/1.2': [GET('', '/', 'HTTP/1.2'), 400, 426, 505],
  'HTTP/2.0 in text': [GET('', '/', 'HTTP/2.0'), 400, 426, 505],
  'lower-case http/1.1': [GET('', '/', 'http/1.1'), 400],
  'two blanks in the request line': ['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  'a tab in the request line': ['GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  'a trailing blank in the request line': ['GET / HTTP/1.1 \r\nHost: a\r\n\r\n', 400],
  'a control byte in the target': [GET('', '/a\x01'), 400],
  'a byte over 0x80 in the target': [GET('', '/a\x80'), 400],
  'a fragment in the target': [GET('', '/a#b'), 400],
  'a method that is no token': ['G@T / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  'a method longer than 64 bytes': [`${'A'.repeat(65)} / HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  'a header over the limit': [GET(`X: ${'a'.repeat(62_000)}\r\n`), 431],
  'more than 100 headers': [GET('X: a\r\n'.repeat(101)), 431],
  'Connection naming host': [GET('Connection: host\r\n'), 400],
};

/** Malformed bodies: the head may have gone on, the request must not end there. */
const BAD_BODIES: Readonly<Record<string, string>> = {
  'chunk size with a plus': '+3\r\nabc\r\n0\r\n\r\n',
  'chunk size with a minus': '-3\r\nabc\r\n0\r\n\r\n',
  'chunk size with 0x': '0x3\r\nabc\r\n0\r\n\r\n',
  'chunk size with an underscore': '1_0\r\nabc\r\n0\r\n\r\n',
  'chunk size with a blank before': ' 3\r\nabc\r\n0\r\n\r\n',
  'chunk size empty': '\r\nabc\r\n0\r\n\r\n',
  'chunk size of 17 digits': '00000000000000003\r\nabc\r\n0\r\n\r\n',
  'chunk size over 2^53': 'fffffffffffffff\r\nabc\r\n0\r\n\r\n',
  'chunk extension over 1 KiB': `3;${'x'.repeat(1100)}\r\nabc\r\n0\r\n\r\n`,
  'chunk data not followed by CRLF': '3\r\nabcd\r\n0\r\n\r\n',
  'bare LF after a chunk size': '3\nabc\r\n0\r\n\r\n',
  'bare LF in a trailer': '0\r\nx: a\n\r\n',
};

describe('requests', () => {
  let upstream: ScriptedServer;
  let worker: WorkerFixture;
  let seen: string[] = [];

  before(async () => {
    upstream = await ScriptedServer.listen(async connection => {
      for (;;) {
        const message = await connection.readMessage().catch(() => null);
        if (message === null) return;
        seen.push(message.startLine);
        connection.send(OK);
      }
    });
    worker = await WorkerFixture.start({
      clusters: { app: upstream.port },
      manager: { delayed_close_timeout: '0.05s' },
    });
  });
  after(async () => {
    worker.close();
    await upstream.close();
  });

  for (const [name, [bytes, ...statuses]] of Object.entries(REFUSED)) {
    test(`${name}: refused, closed, counted, nothing forwarded`, async () => {
      seen = [];
      const refused = worker.stat('http.test.downstream_rq_4xx') + worker.stat('http.test.downstream_rq_5xx');
      const client = await worker.connect();
      client.send(bytes);
      const answer = await client.readMessage();
      assert.ok(statuses.includes(Number(answer.startLine.split(' ')[1])), answer.startLine);
      assert.deepEqual(answer.headers.get('connection'), ['close']);
      client.send(GET());
      await client.closed();
      assert.deepEqual(seen, []);
      const now = worker.stat('http.test.downstream_rq_4xx') + worker.stat('http.test.downstream_rq_5xx');
      assert.equal(now, refused + 1);
    });
  }

  for (const [name, body] of Object.entries(BAD_BODIES)) {
    test(`${name}: 400, closed, the request never ends upstream`, async () => {
      seen = [];
      const client = await worker.connect();
      client.send(CHUNKED(body));
      const answer = await client.readMessage();
      assert.match(answer.startLine, /^HTTP\/1\.1 400 /);
      await client.closed();
      assert.deepEqual(seen, []);
    });
  }

  test('bytes over 0x80 in a value are kept byte for byte', async () => {
    const echo = await ScriptedServer.listen(async connection => {
      const { headers } = await connection.readMessage();
      connection.send(`HTTP/1.1 200 OK\r\nx-back: ${headers.get('x-a')![0]}\r\ncontent-length: 0\r\n\r\n`);
    });
    const fixture = await WorkerFixture.start({ clusters: { app: echo.port } });
    const client = await fixture.connect();
    client.send(GET('X-A: \x80\xff\r\n'));
    assert.deepEqual((await client.readMessage()).headers.get('x-back'), ['\x80\xff']);
    client.close();
    fixture.close();
    await echo.close();
  });

  test('an absolute-form target with another Host: the target wins', async () => {
    const echo = await ScriptedServer.listen(async connection => {
      const { headers, startLine } = await connection.readMessage();
      connection.send(
        `HTTP/1.1 200 OK\r\nx-host: ${headers.get('host')}\r\nx-line: ${startLine}\r\ncontent-length: 0\r\n\r\n`,
      );
    });
    const fixture = await WorkerFixture.start({ clusters: { app: echo.port } });
    const client = await fixture.connect();
    client.send(GET('', 'http://other/path?q'));
    const { headers } = await client.readMessage();
    assert.deepEqual(headers.get('x-host'), ['other']);
    assert.deepEqual(headers.get('x-line'), ['GET /path?q HTTP/1.1']);
    client.close();
    fixture.close();
    await echo.close();
  });

  test('a few empty lines before the request are ignored, many are not', async () => {
    const client = await worker.connect();
    client.send(`\r\n\r\n${GET()}`);
    assert.match((await client.readMessage()).startLine, /200/);
    client.send(`${'\r\n'.repeat(20)}${GET()}`);
    assert.match((await client.readMessage()).startLine, /400/);
    client.close();
  });

  test('Upgrade: h2c and HTTP2-Settings are stripped', async () => {
    const heads: string[] = [];
    const plain = await ScriptedServer.listen(async connection => {
      heads.push((await connection.readMessage()).headerLines.join('\n').toLowerCase());
      connection.send(OK);
    });
    const fixture = await WorkerFixture.start({ clusters: { app: plain.port } });
    const client = await fixture.connect();
    client.send(
      GET('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n'),
    );
    assert.match((await client.readMessage()).startLine, /200/);
    assert.doesNotMatch(heads[0]!, /upgrade|http2-settings|connection/);
    client.close();
    fixture.close();
    await plain.close();
  });

  test('an Upgrade that is not enabled: 403, no tunnel', async () => {
    const client = await worker.connect();
    client.send(GET('Connection: Upgrade\r\nUpgrade: websocket\r\n'));
    assert.match((await client.readMessage()).startLine, /403/);
    await client.closed();
  });

  test('pipelined requests are answered in order; after Connection: close the next one is ignored', async () => {
    const client = await worker.connect();
    client.send(GET() + GET() + GET('Connection: close\r\n') + GET());
    for (let i = 0; i < 3; i++) assert.match((await client.readMessage()).startLine, /200/);
    assert.equal(await client.readToEnd(), '');
  });

  test('a body on GET and DELETE is framed normally', async () => {
    const client = await worker.connect();
    client.send(`GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc${GET()}`);
    assert.match((await client.readMessage()).startLine, /200/);
    assert.match((await client.readMessage()).startLine, /200/);
    client.close();
  });
});
