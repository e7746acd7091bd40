import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AsyncClient } from '@dragoman/proxy';
import { StoppedClock } from '@dragoman/testkit';
import { encodeCommand } from './redis-command.ts';
import { RedisConnection } from './redis-connection.ts';

test('a connection nobody uses is closed after a minute; called-off queries are not sent, and hear nothing', () => {
  const clock = new StoppedClock();
  let sent = '';
  let opened = 0;
  const tcp = { write: (bytes: Buffer) => void (sent += bytes), close: () => {} };
  const openConnection = () => {
    opened++;
    return tcp;
  };
  const client = { openConnection } as unknown as AsyncClient;
  const access = { cluster: 'redis', username: '', password: '', database: 0 };
  const connection = new RedisConnection(access, client, clock, () => {});
  const replies: string[] = [];
  const query = (name: string) =>
    connection.send(encodeCommand(name), 1000, reply => void replies.push(`${name} ${reply}`));
  const first = query('A');
  if (typeof first === 'object') first.cancel();
  query('B');
  connection.onTcpConnected();
  assert.equal(sent, encodeCommand('B').latin1Slice());
  connection.onTcpData(Buffer.from('+b\r\n'));
  assert.deepEqual(replies, ['B +b\r\n']);
  clock.advance(59_000);
  assert.equal(connection.open, true);
  clock.advance(1_001);
  assert.equal(connection.open, false);
  query('C');
  assert.equal(opened, 2);
  clock.advance(1_001);
  assert.deepEqual(replies, ['B +b\r\n', 'C null']);
});
