// What the example configuration's upstream answers.

import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { startDemoUpstream } from './demo-upstream.ts';

let server: Server;
let base: string;

before(async () => {
  server = await startDemoUpstream(0);
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

test('/headers shows what arrived', async () => {
  const response = await fetch(`${base}/headers`, { headers: { 'X-Demo': 'yes' } });
  const { headers } = (await response.json()) as { headers: Record<string, string> };
  assert.equal(headers['x-demo'], 'yes');
});

test('/get shows arguments and the address', async () => {
  const body = (await (await fetch(`${base}/get?a=1`)).json()) as { args: unknown; url: string };
  assert.deepEqual(body.args, { a: '1' });
  assert.equal(body.url, `${base}/get?a=1`);
});

test('/status/N answers with that status, nonsense with 400', async () => {
  assert.equal((await fetch(`${base}/status/418`)).status, 418);
  assert.equal((await fetch(`${base}/status/teapot`)).status, 400);
  assert.equal((await fetch(`${base}/status/101`)).status, 400);
});

test('/delay/N answers like /get', async () => {
  assert.equal((await fetch(`${base}/delay/0`)).status, 200);
});

test('/auth gives another token each time', async () => {
  const token = async () => (await fetch(`${base}/auth`)).headers.get('authorization');
  const [first, second] = [await token(), await token()];
  assert.match(first!, /^Bearer token-\d+$/);
  assert.notEqual(first, second);
});

test('/anything shows method and body', async () => {
  const response = await fetch(`${base}/anything/deep`, { method: 'POST', body: 'hello' });
  const { data, method } = (await response.json()) as { data: string; method: string };
  assert.deepEqual({ data, method }, { data: 'hello', method: 'POST' });
});

test('anything else is 404 and says what there is', async () => {
  const response = await fetch(`${base}/constructor`);
  assert.equal(response.status, 404);
  assert.match(await response.text(), /\/headers/);
});
