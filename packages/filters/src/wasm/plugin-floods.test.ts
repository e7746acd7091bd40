// A plugin that asks for more than there is, on real connections: it gets answers, and the proxy goes on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePairs } from '@dragoman/abi';
import { PuppetWorker } from './testing/puppet-worker.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

test('a thousand call-outs at once: each is answered once, and the request is served', async t => {
  const worker = await PuppetWorker.start({
    cluster: { circuit_breakers: { thresholds: [{ max_connections: 2, max_pending_requests: 10 }] } },
  });
  t.after(() => worker.close());
  const { puppet } = worker;
  const headers = encodePairs([':method', 'GET', ':path', '/', ':authority', 'a']);
  let started = 0;
  puppet.on.proxy_on_request_headers = () => {
    for (let i = 0; i < 1000; i++)
      if (puppet.call('proxy_http_call', 'app', headers, '', '', 1000, puppet.slot(0)) === 0) started++;
    return 0;
  };
  const answers: string[] = [];
  puppet.on.proxy_on_http_call_response = () => {
    answers.push(puppet.ask('proxy_get_header_map_value', 6, ':status').text ?? '');
    return 0;
  };
  const client = await worker.connect();
  client.send(GET);
  const { startLine } = await client.readMessage();
  await worker.traced('proxy_on_http_call_response', started);
  assert.ok(started > 0);
  assert.equal(answers.length, started);
  assert.ok(answers.includes('503'), 'more than the cluster takes');
  // The request itself stood in the same queue as the call-outs: the breaker's answer is one, too.
  assert.match(startLine, /^HTTP\/1\.1 (200|503) /);
  puppet.on.proxy_on_request_headers = () => 0;
  client.send(GET);
  assert.equal((await client.readMessage()).startLine, 'HTTP/1.1 200 OK');
});

test('a plugin that calls out again with every answer leaves the worker to others', async t => {
  const worker = await PuppetWorker.start();
  t.after(() => worker.close());
  const { puppet } = worker;
  const headers = encodePairs([':method', 'GET', ':path', '/', ':authority', 'a']);
  const callOut = () => {
    puppet.call('proxy_http_call', 'app', headers, '', '', 1000, puppet.slot(0));
    return 0;
  };
  puppet.on.proxy_on_request_headers = callOut;
  puppet.on.proxy_on_http_call_response = callOut;
  const client = await worker.connect();
  for (let i = 0; i < 10; i++) {
    client.send(GET);
    assert.equal((await client.readMessage()).startLine, 'HTTP/1.1 200 OK');
  }
  puppet.on.proxy_on_http_call_response = () => 0;
});
