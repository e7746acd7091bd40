// Both ends of a raw connection: framing of messages, ends, and waits that fail with a reason.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawConnection } from './raw-connection.ts';
import { ScriptedServer } from './scripted-server.ts';

test('messages are read by length, by chunks and to the end', async t => {
  const server = await ScriptedServer.listen(async connection => {
    const request = await connection.readMessage();
    connection.send(`HTTP/1.1 200 OK\r\nX-Echo: ${request.startLine}\r\nContent-Length: 2\r\n\r\nhi`);
    connection.send(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\nt: 1\r\n\r\n',
    );
    connection.send('HTTP/1.1 200 OK\r\n\r\nuntil the end');
    connection.finish();
  });
  t.after(() => server.close());
  const client = await RawConnection.connect(server.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const first = await client.readMessage();
  assert.deepEqual(first.headers.get('x-echo'), ['GET / HTTP/1.1']);
  assert.equal(first.body, 'hi');
  assert.equal((await client.readMessage()).body, 'abcd');
  assert.equal((await client.readMessage()).body, 'until the end');
  client.close();
  assert.deepEqual(server.failures, []);
});

test('how the other side ended is told apart', async t => {
  const server = await ScriptedServer.listen(async (connection, number) => {
    await connection.readUntil('now');
    connection.close(number === 1);
  });
  t.after(() => server.close());
  for (const expected of ['fin', 'reset']) {
    const client = await RawConnection.connect(server.port);
    client.send('now');
    assert.equal(await client.closed(), expected);
    client.close();
  }
  assert.equal(server.connectionCount, 2);
});

test('a wait that cannot come true says what there was', async t => {
  const server = await ScriptedServer.listen(connection => {
    connection.send('half');
    connection.finish();
  });
  t.after(() => server.close());
  const client = await RawConnection.connect(server.port);
  await assert.rejects(client.readUntil('whole'), /before "whole" came; there was: half/);
  client.close();
});
