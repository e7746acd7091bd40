// Answers without an upstream, as bytes on a connection.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkerFixture } from '../testing/worker-fixture.ts';

const route = (prefix: string, action: object) => ({ match: { prefix }, ...action });
const ROUTES = [
  route('/created', { direct_response: { status: 201 } }),
  route('/moved', { direct_response: { status: 302, body: { inline_string: 'there' } } }),
  route('/format', {
    direct_response: {
      status: 200,
      body: { inline_string: 'raw' },
      body_format: { text_format_source: { inline_string: '<%LOCAL_REPLY_BODY% %REQ(:path)%>' } },
    },
  }),
  route('/json', {
    direct_response: { status: 200, body_format: { json_format: { path: '%REQ(:path)%' } } },
  }),
];

async function answers(requests: readonly string[], manager: object = {}) {
  const worker = await WorkerFixture.start({ clusters: { app: 9 }, routes: ROUTES, manager });
  const client = await worker.connect();
  const messages = [];
  for (const request of requests) {
    client.send(`${request} HTTP/1.1\r\nhost: a.test\r\n\r\n`);
    messages.push(await client.readMessage());
  }
  client.close();
  worker.close();
  return messages;
}

test('a direct response of 201 or 3xx names the request as its location', async () => {
  const [created, moved] = await answers(['GET /created', 'GET /moved?q']);
  assert.deepEqual(created!.headers.get('location'), ['http://a.test/created']);
  assert.deepEqual(moved!.headers.get('location'), ['http://a.test/moved?q']);
  assert.equal(moved!.body, 'there');
});

test('body_format makes the body of a direct response; local_reply_config formats that', async () => {
  const [text, json] = await answers(['GET /format', 'GET /json']);
  assert.equal(text!.body, '<raw /format>');
  assert.deepEqual(json!.headers.get('content-type'), ['application/json']);
  assert.equal(json!.body, '{"path":"/json"}\n');
  const outer = { local_reply_config: { body_format: { text_format: '[%LOCAL_REPLY_BODY%]' } } };
  const [both] = await answers(['GET /format'], outer);
  assert.equal(both!.body, '[<raw /format>]');
});

test('OPTIONS * has no path to route, QUERY needs a content type', async () => {
  const [options, query] = await answers(['OPTIONS *', 'QUERY /json']);
  assert.match(options!.startLine, / 404 /);
  assert.match(query!.startLine, / 400 /);
});
