// Plugins of Higress with a Redis: what the server sees of their queries, and what they hear of it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { BufferType, Status } from '@dragoman/abi';
import { type ConnectionScript, type RawConnection, ScriptedServer } from '@dragoman/testkit';
import { PuppetWorker, type PuppetWorkerOptions } from '../testing/puppet-worker.ts';
import { encodeCommand } from './redis-command.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const CALLBACK = 'proxy_on_redis_call_response';
const command = (...parts: string[]) => encodeCommand(...parts).latin1Slice();

const clusterOf = (name: string, port: number) => ({
  name,
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: {
    cluster_name: name,
    endpoints: [
      {
        lb_endpoints: [
          { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } },
        ],
      },
    ],
  },
});

/** A worker with cluster "redis" at `port`; `ask` runs `act` in the guest as a request comes. */
async function pluginWith(t: TestContext, port: number, options: PuppetWorkerOptions = {}) {
  const worker = await PuppetWorker.start({ ...options, clusters: [clusterOf('redis', port)] });
  t.after(() => worker.close());
  const { puppet } = worker;
  const replies: string[] = [];
  puppet.on[CALLBACK] = (_id: number, _token: number, status: number, size: number) => {
    const { text } = puppet.ask('proxy_get_buffer_bytes', BufferType.RedisCallResponse, 0, size);
    replies.push(`${status} ${size} ${text ?? ''}`);
    return 0;
  };
  const ask = async (act: () => void) => {
    puppet.on.proxy_on_request_headers = () => {
      puppet.clearSlots();
      act();
      return 0;
    };
    const client = await worker.connect();
    client.send(GET);
    await client.readMessage();
    client.close();
  };
  const init = (upstream = 'redis', user = '', password = '', timeoutMs = 5000) =>
    puppet.call('proxy_redis_init', upstream, user, password, timeoutMs);
  const query = (text: string, upstream = 'redis') =>
    puppet.call('proxy_redis_call', upstream, text, puppet.slot(0));
  return { worker, puppet, replies, ask, init, query };
}

async function redisOf(t: TestContext, script: ConnectionScript): Promise<ScriptedServer> {
  const server = await ScriptedServer.listen(script);
  t.after(() => server.close());
  return server;
}

/** Reads exactly what is expected. */
const expect = async (connection: RawConnection, text: string) =>
  assert.equal(await connection.read(text.length), text);

describe('proxy_redis_call', () => {
  test('AUTH and SELECT come first, then the queries together, and each gets its own reply', async t => {
    const server = await redisOf(t, async connection => {
      await expect(connection, command('AUTH', 'me', 'secret') + command('SELECT', '2'));
      connection.send('+OK\r\n+OK\r\n');
      await expect(connection, command('GET', 'a') + command('GET', 'b'));
      connection.send('$1\r\n1\r');
      connection.send('\n-ERR no\r\n');
    });
    const { worker, replies, ask, init, query } = await pluginWith(t, server.port);
    const statuses: number[] = [];
    await ask(() => {
      statuses.push(
        init('redis?db=2', 'me', 'secret'),
        query(command('GET', 'a')),
        query(command('GET', 'b')),
      );
    });
    await worker.traced(CALLBACK, 2);
    assert.deepEqual(statuses, [0, 0, 0]);
    assert.deepEqual(replies, ['0 7 $1\r\n1\r\n', '0 9 -ERR no\r\n']);
    assert.deepEqual(server.failures, []);
    assert.equal(server.connectionCount, 1);
  });

  test('where SELECT is refused no query is sent, and each is told once', async t => {
    const server = await redisOf(t, async connection => {
      await expect(connection, command('SELECT', '99'));
      connection.send('-ERR DB index is out of range\r\n');
      assert.equal(await connection.readToEnd(), '');
    });
    const { worker, replies, ask, init, query } = await pluginWith(t, server.port);
    await ask(() => {
      init('redis?db=99');
      query(command('SET', 'a', '1'));
      query(command('SET', 'b', '1'));
    });
    await worker.traced(CALLBACK, 2);
    assert.deepEqual(replies, ['1 0 ', '1 0 ']);
    assert.deepEqual(server.failures, []);
    assert.ok(worker.log.some(line => line.includes('SELECT answered "-ERR DB index')));
  });

  test('silence past the time of init, a broken connection and bytes that are no RESP: status 1; then it connects anew', async t => {
    const server = await redisOf(t, async (connection, number) => {
      await expect(connection, command('PING'));
      if (number === 1) connection.close();
      if (number === 2) connection.send('HTTP/1.1 400 Bad Request\r\n\r\n');
      if (number === 3) connection.send('+PONG\r\n');
    });
    const { worker, replies, ask, init, query } = await pluginWith(t, server.port);
    for (let i = 0; i < 4; i++) {
      await ask(() => {
        init('redis', '', '', i === 0 ? 20 : 5000);
        query(command('PING'));
      });
      await worker.traced(CALLBACK, i + 1);
    }
    assert.deepEqual(replies, ['1 0 ', '1 0 ', '1 0 ', '0 7 +PONG\r\n']);
    assert.equal(server.connectionCount, 4);
  });

  test('what is refused: clusters that are none, queries before init, what is not one command', async t => {
    const server = await redisOf(t, () => {});
    const { ask, init, query } = await pluginWith(t, server.port);
    const statuses: number[] = [];
    await ask(() => {
      statuses.push(query(command('PING')), init('nowhere'), init('redis?db=x'), init());
      statuses.push(query('PING\r\n'), query(command('PING') + command('PING')), query(command('MONITOR')));
    });
    const { BadArgument } = Status;
    assert.deepEqual(statuses, [
      BadArgument,
      BadArgument,
      BadArgument,
      0,
      BadArgument,
      BadArgument,
      BadArgument,
    ]);
    assert.equal(server.connectionCount, 0);
  });

  test('a host that cannot be reached: status 1', async t => {
    const server = await ScriptedServer.listen(() => {});
    const { port } = server;
    await server.close();
    const { worker, replies, ask, init, query } = await pluginWith(t, port);
    await ask(() => {
      init();
      query(command('PING'));
    });
    await worker.traced(CALLBACK);
    assert.deepEqual(replies, ['1 0 ']);
  });
});

const installed = spawnSync('redis-server', ['--version']).status === 0;

test('a real Redis, with a password and a database', {
  skip: !installed && 'redis-server is not installed',
}, async t => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--requirepass', 'secret', '--save', ''];
  const server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(async () => {
    server.kill();
    await once(server, 'exit');
  });
  for await (const line of server.stdout.iterator({ destroyOnReturn: false }))
    if (String(line).includes('Ready to accept connections')) break;
  server.stdout.resume();
  const { worker, replies, ask, init, query } = await pluginWith(t, port);
  await ask(() => {
    init('redis?db=3', '', 'secret');
    for (const parts of [
      ['SET', 'k', 'v'],
      ['GET', 'k'],
      ['MGET', 'k', 'none'],
      ['HELLO', '3'],
      ['NONSENSE'],
    ])
      query(command(...parts));
  });
  await worker.traced(CALLBACK, 5);
  assert.deepEqual(replies.slice(0, 3), ['0 5 +OK\r\n', '0 7 $1\r\nv\r\n', '0 16 *2\r\n$1\r\nv\r\n$-1\r\n']);
  assert.match(replies[3]!, /^0 \d+ %7\r\n/);
  assert.match(replies[4]!, /^0 \d+ -ERR unknown command/);
  await ask(() => {
    init('redis', '', 'wrong');
    query(command('GET', 'k'));
  });
  await worker.traced(CALLBACK, 6);
  assert.equal(replies[5], '1 0 ');
});
