// The interceptor in a real undici: what the server gets, and what the caller gets.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Puppet } from '@dragoman/testkit';
import { Agent, type Dispatcher, FormData, fetch, request } from 'undici';
import { addHeader, answer, askFirst, changeBody, MAP, Opened } from './testing/puppet-plugin.ts';
import { undiciInterceptor } from './undici-interceptor.ts';

const opened = new Opened();
let puppet: Puppet;
let dispatcher: Dispatcher;
let address: string;

async function use(options: Parameters<Opened['plugin']>[0] = {}): Promise<void> {
  const made = await opened.plugin(options);
  puppet = made.puppet;
  const agent = new Agent();
  opened.add(() => agent.destroy());
  dispatcher = agent.compose(undiciInterceptor(made.plugin));
}

beforeEach(async () => {
  address = await opened.listen(async (incoming, response) => {
    const body = Buffer.concat(await incoming.toArray()).toString();
    const { headers, method, url } = incoming;
    if (url === '/early') response.writeEarlyHints({ link: '</a>; rel=preload' });
    response.writeHead(200, { 'set-cookie': ['a=1', 'b=2'] });
    response.end(
      JSON.stringify({
        method,
        url,
        host: headers.host,
        a: headers['x-a'],
        length: headers['content-length'],
        body,
      }),
    );
  });
  await use();
});
afterEach(() => opened.close());

const upperCase = (text: string) => text.toUpperCase();
const ended = () => puppet.trace.filter(line => line.startsWith('proxy_on_delete')).length;

describe('undici', () => {
  test('request() sends what the plugin has made of it, and gives what it has made of the response', async () => {
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_replace_header_map_value', MAP.request, ':path', '/other');
      return addHeader(puppet, MAP.request, 'x-a', '1')();
    };
    puppet.on.proxy_on_request_body = changeBody(puppet, 0, text => `<${text}>`);
    puppet.on.proxy_on_response_headers = addHeader(puppet, MAP.response, 'x-b', '2');
    puppet.on.proxy_on_response_body = changeBody(puppet, 1, text => text.replace('other', 'changed'));
    const headers = { 'content-length': '5' };
    const options = { method: 'POST', body: 'hello', headers, dispatcher, query: { q: 1 } } as const;
    const response = await request(address, options);
    assert.deepEqual([response.headers['x-b'], response.headers['set-cookie']], ['2', ['a=1', 'b=2']]);
    assert.deepEqual(await response.body.json(), {
      method: 'POST',
      url: '/changed',
      host: address.slice('http://'.length),
      a: '1',
      length: '7',
      body: '<hello>',
    });
    assert.equal(ended(), 1);
  });

  test('streams pass piece by piece, and FormData without being shown', async () => {
    puppet.on.proxy_on_request_body = changeBody(puppet, 0, upperCase);
    const body = ReadableStream.from(['one ', 'two']);
    const streamed = await request(address, { method: 'POST', body: body as never, dispatcher });
    assert.equal(((await streamed.body.json()) as { body: string }).body, 'ONE TWO');
    const form = new FormData();
    form.append('a', 'value');
    const sent = await request(address, { method: 'POST', body: form, dispatcher });
    assert.match(((await sent.body.json()) as { body: string }).body, /value/);
  });

  test('headers that wait for the body go when the plugin has seen enough of it', async () => {
    await use({ allowOnHeadersStopIteration: true });
    puppet.on.proxy_on_request_headers = () => 1;
    puppet.on.proxy_on_request_body = (_id, _size, end) => 1 - end;
    const body = ReadableStream.from(['one ', 'two']);
    const response = await request(address, { method: 'POST', body: body as never, dispatcher });
    assert.equal(((await response.body.json()) as { body: string }).body, 'one two');
  });

  test('fetch() works with it, and early hints pass', async () => {
    puppet.on.proxy_on_response_body = changeBody(puppet, 1, upperCase);
    const response = await fetch(`${address}/early`, { dispatcher, method: 'POST', body: 'hello' });
    assert.equal(((await response.json()) as Record<string, string>).BODY, 'HELLO');
  });

  test('the plugin answers instead of the server', async () => {
    puppet.on.proxy_on_request_headers = answer(puppet, 429, 'slow down', ['x-a', '1']);
    const response = await request(address, { dispatcher });
    assert.deepEqual(
      [response.statusCode, response.headers['x-a'], await response.body.text(), ended()],
      [429, '1', 'slow down', 1],
    );
  });

  test('the plugin answers in place of what the server has said', async () => {
    puppet.on.proxy_on_response_headers = answer(puppet, 502, 'not this');
    const response = await request(address, { dispatcher });
    assert.deepEqual([response.statusCode, await response.body.text()], [502, 'not this']);
  });

  test('a request waits for the call-out of the plugin', async () => {
    const cluster = await opened.listen((_request, response) => response.writeHead(202).end());
    await use({ clusters: { auth: cluster } });
    askFirst(puppet, 'auth');
    puppet.on.proxy_on_response_headers = () => {
      const asked = puppet.ask('proxy_get_header_map_value', MAP.request, 'x-asked').text ?? '';
      return addHeader(puppet, MAP.response, 'x-b', asked)();
    };
    const response = await request(address, { dispatcher });
    assert.equal(response.statusCode, 200);
    await response.body.dump();
  });

  test('a server that is not there is an error of the request, and the end of the exchange', async () => {
    await assert.rejects(request('http://127.0.0.1:1', { dispatcher }), { code: 'ECONNREFUSED' });
    assert.equal(ended(), 1);
  });

  test('a request that the caller gives up while the plugin waits ends the exchange', async () => {
    const abort = new AbortController();
    puppet.on.proxy_on_response_headers = () => {
      setImmediate(() => abort.abort());
      return 1;
    };
    const { promise: deleted, resolve } = Promise.withResolvers<void>();
    puppet.on.proxy_on_delete = () => void resolve();
    await assert.rejects(request(address, { dispatcher, signal: abort.signal }), { name: 'AbortError' });
    await deleted;
  });

  test('a plugin that closes the stream fails the request', async () => {
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_close_stream', 0);
      return 1;
    };
    await assert.rejects(request(address, { dispatcher }), /the plugin has closed the request/);
  });

  test('a slow reader holds the server back, through the plugin', async () => {
    const size = 2 ** 22;
    const big = await opened.listen((_request, response) => response.end(Buffer.alloc(size, 'a')));
    const response = await request(big, { dispatcher });
    let read = 0;
    for await (const chunk of response.body) {
      read += chunk.length;
      await turn();
    }
    assert.equal(read, size);
  });
});
