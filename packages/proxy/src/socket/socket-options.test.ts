// Where a cluster's connections come from, and keep-alive options, seen from the other end as far as that can be seen.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScriptedServer } from '@dragoman/testkit';
import { WorkerFixture } from '../testing/worker-fixture.ts';
import { bindOptions, keepaliveOptions } from './socket-options.ts';

test('keep-alive with the system default or a time of its own', () => {
  assert.deepEqual(keepaliveOptions(undefined), {});
  assert.deepEqual(keepaliveOptions({}), { keepAlive: true, keepAliveInitialDelay: 7_200_000 });
  assert.deepEqual(keepaliveOptions({ keepaliveTime: 30 }), {
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
  });
  assert.deepEqual(bindOptions(undefined), {});
});

test('upstream_bind_config: connections come from that address', async () => {
  let from: string | undefined;
  const upstream = await ScriptedServer.listen(async connection => {
    from = connection.socket.remoteAddress;
    await connection.readMessage();
    connection.send('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  });
  const worker = await WorkerFixture.start({
    clusters: { app: upstream.port },
    cluster: {
      upstream_bind_config: { source_address: { address: '127.0.0.6', port_value: 0 } },
      upstream_connection_options: { tcp_keepalive: { keepalive_time: 30 } },
    },
    listener: { tcp_keepalive: { keepalive_time: 30 } },
  });
  const client = await worker.connect();
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.match((await client.readMessage()).startLine, / 200 /);
  assert.equal(from, '127.0.0.6');
  client.close();
  worker.close();
  await upstream.close();
});
