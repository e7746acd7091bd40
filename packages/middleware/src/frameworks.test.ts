// The adapters before the real Express and Fastify, which the root of the repository has for this purpose.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { VmPool } from '@dragoman/pool';
import { expressMiddleware } from './express-middleware.ts';
import { fastifyPlugin } from './fastify-plugin.ts';
import { addHeader, answer, askFirst, changeBody, MAP, Opened } from './testing/puppet-plugin.ts';

// Not imported: the adapters must do without the frameworks' types.
// biome-ignore lint/suspicious/noExplicitAny: what a program without types would write
const load = createRequire(import.meta.url) as (name: string) => any;
const express = load('express');
const fastify = load('fastify');

const opened = new Opened();
afterEach(() => opened.close());

const json = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const upperCase = (text: string) => text.toUpperCase();

describe('Express', () => {
  test('its body parser and its handlers see what the plugin lets through, the client what it makes of the answer', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_headers = addHeader(puppet, MAP.request, 'x-user', 'me');
    puppet.on.proxy_on_request_body = changeBody(puppet, 0, upperCase);
    puppet.on.proxy_on_response_headers = addHeader(puppet, MAP.response, 'x-seen', '1');
    puppet.on.proxy_on_response_body = changeBody(puppet, 1, text => text.replace('A', 'changed'));
    const app = express();
    app.use(expressMiddleware(plugin), express.json());
    // biome-ignore lint/suspicious/noExplicitAny: Express's types are not here
    app.post('/', (request: any, response: any) =>
      response.json({ user: request.get('x-user'), body: request.body }),
    );
    const response = await fetch(await opened.listen(app), json({ a: 1 }));
    assert.equal(response.headers.get('x-seen'), '1');
    assert.deepEqual(await response.json(), { user: 'me', body: { changed: 1 } });
  });

  test('routes by the path the plugin has set, also below a mount point; errors are the application\u2019s own', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_headers = () => {
      const path = puppet.ask('proxy_get_header_map_value', MAP.request, ':path').text!;
      return puppet.call('proxy_replace_header_map_value', MAP.request, ':path', path.replace('old', 'new'));
    };
    const app = express();
    const inner = express.Router();
    // biome-ignore-start lint/suspicious/noExplicitAny: Express's types are not here
    inner.get('/new', (_request: any, response: any) => response.send('found'));
    inner.get('/fail', () => {
      throw new Error('broken');
    });
    app.use('/api', expressMiddleware(plugin), inner);
    app.use((error: Error, _request: any, response: any, _next: any) =>
      response.status(500).send(error.message),
    );
    // biome-ignore-end lint/suspicious/noExplicitAny: Express's types are not here
    const address = await opened.listen(app);
    assert.equal(await (await fetch(`${address}/api/old`)).text(), 'found');
    const failed = await fetch(`${address}/api/fail`);
    assert.deepEqual([failed.status, await failed.text()], [500, 'broken']);
  });

  test('is not asked when the plugin answers, and waits for its call-outs', async () => {
    const cluster = await opened.listen((_request, response) => response.writeHead(204).end());
    const { puppet, plugin } = await opened.plugin({ clusters: { auth: cluster } });
    const app = express();
    app.use(expressMiddleware(plugin));
    // biome-ignore lint/suspicious/noExplicitAny: Express's types are not here
    app.use((request: any, response: any) => response.send(`asked: ${request.get('x-asked')}`));
    const address = await opened.listen(app);
    puppet.on.proxy_on_request_headers = answer(puppet, 401, 'who are you?');
    assert.equal(await (await fetch(address)).text(), 'who are you?');
    askFirst(puppet, 'auth');
    assert.equal(await (await fetch(address)).text(), 'asked: 204');
  });
});

describe('Fastify', () => {
  test('its body parser and its handlers see what the plugin lets through, the client what it makes of the answer', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_headers = addHeader(puppet, MAP.request, 'x-user', 'me');
    puppet.on.proxy_on_request_body = changeBody(puppet, 0, upperCase);
    puppet.on.proxy_on_response_headers = addHeader(puppet, MAP.response, 'x-seen', '1');
    puppet.on.proxy_on_response_body = changeBody(puppet, 1, text => text.replace('A', 'changed'));
    const app = fastify();
    opened.add(() => app.close());
    await app.register(fastifyPlugin, { runner: plugin });
    // biome-ignore lint/suspicious/noExplicitAny: Fastify's types are not here
    app.post('/', async (request: any) => ({ user: request.headers['x-user'], body: request.body }));
    const address = await app.listen({ port: 0, host: '127.0.0.1' });
    const response = await fetch(address, json({ a: 1 }));
    assert.equal(response.headers.get('x-seen'), '1');
    assert.deepEqual(await response.json(), { user: 'me', body: { changed: 1 } });
    const injected = await app.inject({ ...json({ a: 1 }), url: '/' });
    assert.deepEqual(injected.json(), { user: 'me', body: { changed: 1 } });
  });

  test('streams, its own errors and routes nobody has pass the plugin, too', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_response_body = changeBody(puppet, 1, upperCase);
    const app = fastify();
    opened.add(() => app.close());
    await app.register(fastifyPlugin, { runner: plugin });
    app.get('/stream', async () => ReadableStream.from([Buffer.from('one '), Buffer.from('two')]));
    app.get('/fail', async () => {
      throw new Error('broken');
    });
    const address = await app.listen({ port: 0, host: '127.0.0.1' });
    assert.equal(await (await fetch(`${address}/stream`)).text(), 'ONE TWO');
    assert.match(await (await fetch(`${address}/fail`)).text(), /"BROKEN"/);
    assert.equal((await fetch(`${address}/nowhere`)).status, 404);
  });

  test('is not asked when the plugin answers, with a body still to come as well', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_headers = answer(puppet, 403, 'no entry');
    const app = fastify();
    opened.add(() => app.close());
    await app.register(fastifyPlugin, { runner: plugin });
    let called = 0;
    app.post('/', async () => called++);
    const address = await app.listen({ port: 0, host: '127.0.0.1' });
    const response = await fetch(address, json({ a: 'x'.repeat(100_000) }));
    assert.deepEqual([response.status, await response.text(), called], [403, 'no entry', 0]);
  });

  test('takes a plugin on pool threads as well', async () => {
    const file = join(import.meta.dirname, '../../../examples/plugins/rust-header/rust-header.wasm');
    const pool = await VmPool.load(file, { concurrency: 1, configuration: 'from a thread' });
    opened.add(() => pool.close());
    const app = fastify();
    opened.add(() => app.close());
    await app.register(fastifyPlugin, { runner: pool });
    // biome-ignore lint/suspicious/noExplicitAny: Fastify's types are not here
    app.post('/', async (request: any) => request.headers['x-rust-header'] + request.body.a);
    const address = await app.listen({ port: 0, host: '127.0.0.1' });
    const response = await fetch(address, json({ a: '!' }));
    assert.deepEqual(
      [response.headers.get('x-rust-header'), await response.text()],
      ['from a thread', 'from a thread!'],
    );
  });
});
