// What requests meet when an instance of a plugin dies under them or is replaced, on real connections.

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { encodePairs } from '@dragoman/abi';
import { ScriptedServer } from '@dragoman/testkit';
import type { WasmPluginConfig } from './plugin-settings.ts';
import { PuppetWorker, type PuppetWorkerOptions } from './testing/puppet-worker.ts';

const trap = (): never => {
  throw new WebAssembly.RuntimeError('unreachable');
};
const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const OPEN: Partial<WasmPluginConfig> = { failure_policy: 'FAIL_OPEN' } as never;
const NEVER = Number.POSITIVE_INFINITY;

async function workerOf(t: TestContext, options: PuppetWorkerOptions = {}): Promise<PuppetWorker> {
  const worker = await PuppetWorker.start(options);
  t.after(() => worker.close());
  worker.puppet.trace.length = 0;
  return worker;
}

async function statusOf(worker: PuppetWorker): Promise<string> {
  const client = await worker.connect();
  client.send(GET);
  const { startLine } = await client.readMessage();
  client.close();
  return startLine.slice(9, 12);
}

describe('a guest that dies while another request is paused', () => {
  const pausedThenDead = async (t: TestContext, plugin: Partial<WasmPluginConfig>) => {
    const worker = await workerOf(t, { plugin });
    const { puppet } = worker;
    puppet.on.proxy_on_request_headers = () => 1;
    const paused = await worker.connect();
    paused.send(GET);
    await worker.traced('proxy_on_request_headers');
    puppet.on.proxy_on_request_headers = trap;
    const status = await statusOf(worker);
    puppet.on.proxy_on_request_headers = () => 0;
    return { worker, status, paused: (await paused.readMessage()).startLine };
  };

  test('answers it 503, and does not let it reach the upstream', async t => {
    const { worker, status, paused } = await pausedThenDead(t, {});
    assert.equal(status, '503');
    assert.equal(paused, 'HTTP/1.1 503 Service Unavailable');
    assert.equal(worker.upstreamConnections, 0);
    assert.equal(await statusOf(worker), '200');
    assert.equal(worker.stat('wasm.plugin.failures.trap'), 1);
  });

  test('lets it go on without the plugin under FAIL_OPEN', async t => {
    const { worker, status, paused } = await pausedThenDead(t, OPEN);
    assert.equal(status, '200');
    assert.equal(paused, 'HTTP/1.1 200 OK');
    assert.equal(worker.stat('dragoman.plugin.plugin.bypassed'), 2);
    assert.equal(worker.stat('dragoman.plugin.plugin.instances'), 0);
  });
});

test('a guest that dies in the answer to a call-out answers the request that waited for it', async t => {
  const worker = await workerOf(t);
  const { puppet } = worker;
  const headers = encodePairs([':method', 'GET', ':path', '/check', ':authority', 'a']);
  puppet.on.proxy_on_request_headers = () => {
    puppet.call('proxy_http_call', 'app', headers, '', '', 1000, puppet.slot(0));
    return 1;
  };
  puppet.on.proxy_on_http_call_response = trap;
  assert.equal(await statusOf(worker), '503');
  assert.match(
    worker.log.join('\n'),
    /proxy_on_http_call_response failed: Uncaught RuntimeError: unreachable \[cause: trap, plugin: plugin\]/,
  );
});

test('a response under way when the guest dies of another stream goes on under FAIL_OPEN, though its request was changed', async t => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const worker = await workerOf(t, {
    plugin: OPEN,
    upstream: async connection => {
      while (connection.isOpen) {
        if ((await connection.readMessage().catch(() => null)) === null) return;
        await answered;
        connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      }
    },
  });
  const { puppet } = worker;
  puppet.on.proxy_on_request_headers = () => puppet.call('proxy_add_header_map_value', 0, 'x-a', '1');
  const client = await worker.connect();
  client.send(GET);
  await worker.traced('proxy_on_request_headers');
  puppet.on.proxy_on_request_headers = trap;
  answer();
  assert.equal(await statusOf(worker), '200');
  assert.equal((await client.readMessage()).body, 'ok');
});

describe('bodies that a plugin held when it died pass whole under FAIL_OPEN', () => {
  const post = (body: string) =>
    `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  /** An upstream that answers with what it has got. */
  const echo: PuppetWorkerOptions['upstream'] = async connection => {
    while (connection.isOpen) {
      const request = await connection.readMessage().catch(() => null);
      if (request === null) return;
      connection.send(`HTTP/1.1 200 OK\r\ncontent-length: ${request.body.length}\r\n\r\n${request.body}`);
    }
  };

  test('in the last body callback of the request', async t => {
    const worker = await workerOf(t, { plugin: OPEN, upstream: echo });
    worker.puppet.on.proxy_on_request_body = (_id, _size, end) => (end ? trap() : 1);
    const client = await worker.connect();
    client.send(post('hello world').slice(0, -5));
    await worker.traced('proxy_on_request_body');
    client.send('world');
    assert.equal((await client.readMessage()).body, 'hello world');
  });

  test('in the last body callback of the response', async t => {
    const worker = await workerOf(t, { plugin: OPEN, upstream: echo });
    worker.puppet.on.proxy_on_response_body = (_id, _size, end) => (end ? trap() : 1);
    const client = await worker.connect();
    client.send(post('hello world'));
    assert.equal((await client.readMessage()).body, 'hello world');
  });

  test('of another stream, while headers and body waited', async t => {
    const worker = await workerOf(t, { plugin: OPEN, upstream: echo });
    const { puppet } = worker;
    puppet.on.proxy_on_request_headers = () => 1;
    const client = await worker.connect();
    client.send(post('hello world'));
    await worker.traced('proxy_on_request_headers');
    puppet.on.proxy_on_request_headers = trap;
    assert.equal(await statusOf(worker), '200');
    assert.equal((await client.readMessage()).body, 'hello world');
  });

  test('of another stream, while the response waited', async t => {
    const worker = await workerOf(t, { plugin: OPEN, upstream: echo });
    const { puppet } = worker;
    puppet.on.proxy_on_response_headers = () => 1;
    const client = await worker.connect();
    client.send(post('hello world'));
    await worker.traced('proxy_on_response_headers');
    puppet.on.proxy_on_request_headers = trap;
    assert.equal(await statusOf(worker), '200');
    assert.equal((await client.readMessage()).body, 'hello world');
  });

  test('but a request that it had begun to change is answered 503', async t => {
    const worker = await workerOf(t, { plugin: OPEN, upstream: echo });
    const { puppet } = worker;
    puppet.on.proxy_on_request_body = () => {
      puppet.call('proxy_set_buffer_bytes', 0, 0, 5, 'HELLO');
      return trap();
    };
    const client = await worker.connect();
    client.send(post('hello world'));
    assert.equal((await client.readMessage()).startLine, 'HTTP/1.1 503 Service Unavailable');
    assert.equal(worker.upstreamConnections, 0);
  });
});

describe('an instance that is due', () => {
  test('is replaced after so many requests; a stream it has keeps it until it ends', async t => {
    const held = Promise.withResolvers<void>();
    const worker = await workerOf(t, {
      limits: { recycle: { memoryBytes: NEVER, requests: 3, ageMs: NEVER } },
      upstream: async connection => {
        while (connection.isOpen) {
          const request = await connection.readMessage().catch(() => null);
          if (request === null) return;
          if (request.startLine.startsWith('GET /held')) await held.promise;
          connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        }
      },
    });
    const { puppet } = worker;
    const slow = await worker.connect();
    slow.send('GET /held HTTP/1.1\r\nhost: a\r\n\r\n');
    await worker.traced('proxy_on_request_headers');
    const statuses: string[] = [];
    for (let i = 0; i < 8; i++) statuses.push(await statusOf(worker));
    assert.deepEqual(new Set(statuses), new Set(['200']));
    assert.equal(worker.stat('dragoman.plugin.plugin.recycled.requests'), 2);
    // Three requests each on the first three; the first one's held stream is the third of it.
    assert.equal(puppet.trace.filter(line => line.startsWith('proxy_on_vm_start')).length, 2);
    puppet.trace.length = 0;
    held.resolve();
    assert.equal((await slow.readMessage()).body, 'ok');
    // Told of the end of its stream by the old instance, then of its own.
    await worker.traced('proxy_on_response_headers');
    await worker.traced('proxy_on_done', 2);
    assert.equal(worker.stat('wasm.plugin.vm_reload'), 0);
  });

  test('is replaced by its memory, and not again and again when it begins with that much', async t => {
    const worker = await workerOf(t, {
      limits: { recycle: { memoryBytes: 65_536, requests: NEVER, ageMs: NEVER } },
    });
    for (let i = 0; i < 130; i++) assert.equal(await statusOf(worker), '200');
    assert.equal(worker.stat('dragoman.plugin.plugin.recycled.memory'), undefined);
  });
});

test('instances take turns, and one that dies takes only its own streams with it', async t => {
  const upstream = await ScriptedServer.answering('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  t.after(() => upstream.close());
  const worker = await workerOf(t, {
    limits: { instances: 2 },
    plugin: { failure_policy: 'FAIL_CLOSED' } as never,
  });
  const { puppet } = worker;
  assert.equal(worker.stat('dragoman.plugin.plugin.instances'), 2);
  puppet.on.proxy_on_request_headers = trap;
  assert.equal(await statusOf(worker), '503');
  puppet.on.proxy_on_request_headers = () => 0;
  for (let i = 0; i < 4; i++) assert.equal(await statusOf(worker), '200');
  assert.equal(worker.stat('dragoman.plugin.plugin.instances'), 1);
  puppet.on.proxy_on_request_headers = trap;
  for (let i = 0; i < 3; i++) assert.equal(await statusOf(worker), '503');
  puppet.on.proxy_on_request_headers = () => 0;
  assert.equal(await statusOf(worker), '503');
});

test('instances take turns under FAIL_OPEN, too', async t => {
  const worker = await workerOf(t, { limits: { instances: 2 }, plugin: OPEN });
  const { puppet } = worker;
  puppet.on.proxy_on_request_headers = trap;
  assert.equal(await statusOf(worker), '200');
  assert.equal(worker.stat('dragoman.plugin.plugin.instances'), 1);
  assert.equal(await statusOf(worker), '200');
  assert.equal(worker.stat('dragoman.plugin.plugin.instances'), 0);
});

test('errors are exactly the requests that trap: every tenth of four hundred on eight connections', async t => {
  // A plugin that looks at responses, too, owes them to the requests in flight when it dies: these follow the policy.
  const worker = await workerOf(t, { callbacks: ['proxy_on_request_headers', 'proxy_on_log'] });
  const { puppet } = worker;
  puppet.on.proxy_on_request_headers = () =>
    puppet.ask('proxy_get_header_map_value', 0, 'x-trap').status === 0 ? trap() : 0;
  const client = async (): Promise<string> => {
    const connection = await worker.connect();
    let seen = '';
    for (let i = 0; i < 50; i++) {
      connection.send(i % 10 === 9 ? GET.replace('\r\n\r\n', '\r\nx-trap: 1\r\n\r\n') : GET);
      seen += (await connection.readMessage()).startLine.slice(9, 12) === '200' ? '.' : 'X';
    }
    connection.close();
    return seen;
  };
  const seen = await Promise.all(Array.from({ length: 8 }, client));
  assert.deepEqual(new Set(seen), new Set(['.........X'.repeat(5)]));
});
