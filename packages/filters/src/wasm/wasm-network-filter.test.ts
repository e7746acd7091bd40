// A plugin on TCP connections, between a client and an upstream: order, sizes and ends as Envoy 1.40 was seen to give them.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { ConnectionScript } from '@dragoman/testkit';
import { PuppetWorker, type PuppetWorkerOptions, pluginEntry } from './testing/puppet-worker.ts';

const TYPES = 'type.googleapis.com/envoy.extensions.filters';
const TCP_PROXY = {
  name: 'tcp',
  typed_config: { '@type': `${TYPES}.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'tcp', cluster: 'app' },
};
const DOWNSTREAM = 2;
const UPSTREAM = 3;

const echo: ConnectionScript = connection => {
  connection.socket.on('data', bytes => connection.socket.write(bytes));
  connection.socket.on('end', () => connection.socket.end());
};

async function before(
  t: TestContext,
  last: object,
  plugin: object = {},
  options: PuppetWorkerOptions = {},
): Promise<PuppetWorker> {
  const filters = [pluginEntry('filters.network.wasm.v3.Wasm', plugin), last];
  const worker = await PuppetWorker.start({
    upstream: echo,
    ...options,
    listener: { filter_chains: [{ name: 'chain', filters }], ...options.listener },
  });
  t.after(() => worker.close());
  worker.puppet.trace.length = 0;
  return worker;
}

/** The buffer's bytes as the guest reads them. */
const bytesOf = ({ puppet }: PuppetWorker, buffer: number): string =>
  puppet.ask('proxy_get_buffer_bytes', buffer, 0, 0x7fffffff).text ?? '';

/** Callbacks of the connection without the context's id. */
const calls = ({ puppet }: PuppetWorker): string[] =>
  puppet.trace.map(line => line.slice('proxy_on_'.length).replace(/\((\d+)(, )?/, '('));

describe('a plugin before the TCP proxy', () => {
  test('S24: callbacks from the connection to its end, closed here after the client had finished', async t => {
    const worker = await before(t, TCP_PROXY);
    const client = await worker.connect();
    client.send('hi');
    assert.equal(await client.read(2), 'hi');
    client.finish();
    await client.closed();
    await worker.traced('proxy_on_delete');
    assert.deepEqual(calls(worker), [
      'context_create(1)',
      'new_connection()',
      'downstream_data(2, 0)',
      'upstream_data(2, 0)',
      'downstream_data(0, 1)',
      'upstream_data(0, 1)',
      'upstream_connection_close(0)',
      'downstream_connection_close(1)',
      'done()',
      'log()',
      'delete()',
    ]);
  });

  test('a connection whose upstream finishes first is closed by the peer', async t => {
    const worker = await before(t, TCP_PROXY, {}, { upstream: ({ socket }) => void socket.end('bye') });
    const client = await worker.connect();
    assert.equal(await client.readToEnd(), 'bye');
    client.finish();
    await worker.traced('proxy_on_delete');
    assert.ok(calls(worker).includes('downstream_connection_close(2)'));
  });

  test('S72: what a pause keeps is shown again with what came after', async t => {
    const worker = await before(t, TCP_PROXY);
    const { puppet } = worker;
    const seen: string[] = [];
    puppet.on.proxy_on_downstream_data = () => {
      seen.push(bytesOf(worker, DOWNSTREAM));
      return seen.at(-1)!.endsWith('.') ? 0 : 1;
    };
    const client = await worker.connect();
    client.send('one ');
    await worker.traced('proxy_on_downstream_data');
    client.send('two.');
    assert.equal(await client.read(8), 'one two.');
    assert.deepEqual(seen, ['one ', 'one two.']);
    client.close();
  });

  test('S72: a pause ends with continue_stream from a later callback', async t => {
    const worker = await before(t, TCP_PROXY);
    const { puppet } = worker;
    let id = 0;
    puppet.on.proxy_on_downstream_data = context => {
      id = context;
      puppet.call('proxy_set_tick_period_milliseconds', 1);
      return 1;
    };
    puppet.on.proxy_on_tick = () => {
      puppet.call('proxy_set_tick_period_milliseconds', 0);
      puppet.call('proxy_set_effective_context', id);
      assert.equal(puppet.call('proxy_continue_stream', DOWNSTREAM), 0);
      assert.equal(puppet.call('proxy_continue_stream', UPSTREAM), 12);
      return 0;
    };
    const client = await worker.connect();
    client.send('held');
    assert.equal(await client.read(4), 'held');
    client.close();
  });

  test('what is read is held up to the buffer limit, and passes whole', async t => {
    const worker = await before(t, TCP_PROXY, {}, { listener: { per_connection_buffer_limit_bytes: 1024 } });
    const { puppet } = worker;
    let most = 0;
    puppet.on.proxy_on_downstream_data = (_id, size) => {
      most = Math.max(most, size);
      return size < 1024 ? 1 : 0;
    };
    const client = await worker.connect();
    client.send('x'.repeat(300_000));
    assert.equal((await client.read(299_000)).length, 299_000);
    assert.ok(most < 200_000, `${most} bytes were held`);
    client.close();
  });

  test('bytes are changed in both directions; nothing goes into the middle', async t => {
    const worker = await before(t, TCP_PROXY);
    const { puppet } = worker;
    const statuses: number[] = [];
    puppet.on.proxy_on_downstream_data = (_id, size) => {
      if (size === 0) return 0;
      statuses.push(puppet.call('proxy_set_buffer_bytes', DOWNSTREAM, 0, 0, '<'));
      statuses.push(puppet.call('proxy_set_buffer_bytes', DOWNSTREAM, 99, 0, '>'));
      statuses.push(puppet.call('proxy_set_buffer_bytes', DOWNSTREAM, 1, 0, '-'));
      return 0;
    };
    puppet.on.proxy_on_upstream_data = () => {
      const text = bytesOf(worker, UPSTREAM);
      puppet.call('proxy_set_buffer_bytes', UPSTREAM, 0, text.length, text.toUpperCase());
      return 0;
    };
    const client = await worker.connect();
    client.send('abc');
    assert.equal(await client.read(5), '<ABC>');
    assert.deepEqual(statuses, [0, 0, 2]);
    client.close();
  });

  for (const [side, name] of [
    [DOWNSTREAM, 'downstream'],
    [UPSTREAM, 'upstream'],
  ] as const)
    test(`closing the ${name} side ends the connection`, async t => {
      const worker = await before(t, TCP_PROXY);
      worker.puppet.on.proxy_on_downstream_data = () => {
        worker.puppet.call('proxy_close_stream', side);
        return 0;
      };
      const client = await worker.connect();
      client.send('abc');
      assert.equal(await client.readToEnd(), '');
      assert.equal(await client.closed(), 'fin');
      assert.deepEqual(calls(worker).slice(-4), [
        'downstream_connection_close(1)',
        'done()',
        'log()',
        'delete()',
      ]);
    });

  test('a connection paused when it was new reaches no upstream', async t => {
    const worker = await before(t, TCP_PROXY);
    worker.puppet.on.proxy_on_new_connection = () => 1;
    const client = await worker.connect();
    client.send('abc');
    await worker.traced('proxy_on_new_connection');
    assert.equal(worker.upstreamConnections, 0);
    client.close(true);
  });

  test('properties of the connection, and what the plugin sets', async t => {
    const worker = await before(t, TCP_PROXY);
    const { puppet } = worker;
    const seen: Record<string, string | null> = {};
    const property = (...path: string[]) => puppet.ask('proxy_get_property', path.join('\0')).text;
    puppet.on.proxy_on_new_connection = () => {
      seen.upstream = property('upstream', 'address');
      puppet.call('proxy_set_property', 'mine', 'value');
      return 0;
    };
    puppet.on.proxy_on_downstream_data = () => {
      seen.connected = property('upstream', 'address');
      seen.cluster = property('xds', 'cluster_name');
      seen.chain = property('xds', 'filter_chain_name');
      seen.mine = property('mine');
      seen.path = property('request', 'path');
      seen.source = property('source', 'address');
      return 0;
    };
    const client = await worker.connect();
    client.send('abc');
    await client.read(3);
    assert.equal(seen.upstream, null);
    assert.match(seen.connected!, /^127\.0\.0\.1:\d+$/);
    assert.match(seen.source!, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual([seen.cluster, seen.chain, seen.mine, seen.path], ['app', 'chain', 'value', null]);
    client.close();
  });

  test('a trap ends the connection; with FAIL_OPEN it goes on without the plugin', async t => {
    const trap = () => {
      throw new WebAssembly.RuntimeError('unreachable');
    };
    const closing = await before(t, TCP_PROXY);
    closing.puppet.on.proxy_on_downstream_data = trap;
    const cut = await closing.connect();
    cut.send('abc');
    assert.equal(await cut.readToEnd(), '');
    const open = await before(t, TCP_PROXY, { failure_policy: 'FAIL_OPEN' });
    open.puppet.on.proxy_on_downstream_data = trap;
    const client = await open.connect();
    client.send('abc');
    assert.equal(await client.read(3), 'abc');
    client.close();
  });
});

describe('a plugin before the connection manager', () => {
  const manager = {
    name: 'http',
    typed_config: {
      '@type': `${TYPES}.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'http',
      route_config: {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [
              { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'hi' } } },
            ],
          },
        ],
      },
      http_filters: [{ name: 'router', typed_config: { '@type': `${TYPES}.http.router.v3.Router` } }],
    },
  };

  test('sees requests and responses as bytes, and the connection only once', async t => {
    const worker = await before(t, manager);
    const { puppet } = worker;
    const lines: string[] = [];
    puppet.on.proxy_on_downstream_data = () => void lines.push(bytesOf(worker, DOWNSTREAM).split('\r')[0]);
    puppet.on.proxy_on_upstream_data = () => void lines.push(bytesOf(worker, UPSTREAM).split('\r')[0]);
    const client = await worker.connect();
    for (const path of ['/a', '/b']) {
      client.send(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
      assert.equal((await client.readMessage()).body, 'hi');
    }
    client.finish();
    await worker.traced('proxy_on_delete');
    const ok = 'HTTP/1.1 200 OK';
    assert.deepEqual(lines, ['GET /a HTTP/1.1', ok, 'GET /b HTTP/1.1', ok]);
    assert.equal(calls(worker).filter(call => call === 'new_connection()').length, 1);
    assert.ok(!calls(worker).includes('upstream_connection_close(0)'));
    assert.ok(calls(worker).includes('downstream_connection_close(2)'));
  });
});
