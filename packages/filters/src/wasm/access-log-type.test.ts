// A plugin as an access log: what its root context hears of finished streams and connections, and can read.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { PuppetWorker, type PuppetWorkerOptions, pluginEntry } from './testing/puppet-worker.ts';

const TYPES = 'type.googleapis.com/envoy.extensions.filters';
const LOG = 'access_loggers.wasm.v3.WasmAccessLog';
const ROUTER = { name: 'router', typed_config: { '@type': `${TYPES}.http.router.v3.Router` } };

async function workerOf(t: TestContext, options: PuppetWorkerOptions): Promise<PuppetWorker> {
  const worker = await PuppetWorker.start(options);
  t.after(() => worker.close());
  worker.puppet.trace.length = 0;
  return worker;
}

/** Answers what the guest found in its next proxy_on_log. */
function inLog(worker: PuppetWorker, read: () => unknown): Promise<unknown> {
  return new Promise(resolve => {
    worker.puppet.on.proxy_on_log = () => {
      const found = read();
      setImmediate(resolve, found);
      return 0;
    };
  });
}

test('a request is logged on the root, with its headers and properties; nothing can be changed', async t => {
  const worker = await workerOf(t, { manager: { access_log: [pluginEntry(LOG)], http_filters: [ROUTER] } });
  const { puppet } = worker;
  const found = inLog(worker, () => ({
    path: puppet.ask('proxy_get_header_map_value', 0, ':path').text,
    status: puppet.ask('proxy_get_header_map_value', 2, ':status').text,
    absent: puppet.ask('proxy_get_header_map_value', 0, 'x-absent').status,
    details: puppet.ask('proxy_get_property', 'response\0code_details').text,
    cluster: puppet.ask('proxy_get_property', 'xds\0cluster_name').text,
    add: puppet.call('proxy_add_header_map_value', 0, 'a', 'b'),
    set: puppet.call('proxy_set_property', 'mine', 'value'),
    others: [
      puppet.call('proxy_continue_stream', 0),
      puppet.call('proxy_close_stream', 0),
      puppet.call('proxy_send_local_response', 403, '', '', '', -1),
    ],
  }));
  const client = await worker.connect();
  client.send('GET /logged HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.equal((await client.readMessage()).body, 'ok');
  assert.deepEqual(await found, {
    path: '/logged',
    status: '200',
    absent: 1,
    details: 'via_upstream',
    cluster: 'app',
    add: 2,
    set: 1,
    others: [0, 0, 0],
  });
  assert.deepEqual(puppet.trace, ['proxy_on_log(1)']);
  client.close();
});

test('only what passes the filter is logged', async t => {
  const filter = {
    status_code_filter: { comparison: { op: 'GE', value: { default_value: 500, runtime_key: 'k' } } },
  };
  const worker = await workerOf(t, {
    manager: { access_log: [{ ...pluginEntry(LOG), filter }], http_filters: [ROUTER] },
  });
  const client = await worker.connect();
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await client.readMessage();
  client.close();
  assert.deepEqual(worker.puppet.trace, []);
});

test('a TCP connection is logged at its end, without headers', async t => {
  const proxy = {
    '@type': `${TYPES}.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'tcp',
    cluster: 'app',
    access_log: [pluginEntry(LOG)],
    access_log_options: { flush_access_log_on_connected: true },
  };
  const worker = await workerOf(t, {
    listener: { filter_chains: [{ filters: [{ name: 'tcp', typed_config: proxy }] }] },
    upstream: ({ socket }) => void socket.end('bye'),
  });
  const { puppet } = worker;
  const found = inLog(worker, () => ({
    path: puppet.ask('proxy_get_header_map_value', 0, ':path').status,
    protocol: puppet.ask('proxy_get_property', 'request\0protocol').status,
    cluster: puppet.ask('proxy_get_property', 'xds\0cluster_name').text,
  }));
  const client = await worker.connect();
  assert.equal(await client.readToEnd(), 'bye');
  client.finish();
  assert.deepEqual(await found, { path: 1, protocol: 1, cluster: 'app' });
  assert.deepEqual(puppet.trace, ['proxy_on_log(1)']);
});
