// The resolver on this machine: names that need no network.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemResolver } from './dns-resolver.ts';

test('localhost and IP addresses resolve without a name server', async () => {
  const resolver = systemResolver();
  assert.deepEqual((await resolver.resolve('localhost', 'V4_ONLY', false)).addresses, ['127.0.0.1']);
  assert.deepEqual((await resolver.resolve('localhost', 'V4_ONLY', true)).addresses, ['127.0.0.1']);
  assert.deepEqual((await resolver.resolve('192.0.2.1', 'AUTO', false)).addresses, ['192.0.2.1']);
  assert.deepEqual((await resolver.resolve('2001:db8::1', 'AUTO', false)).addresses, ['2001:db8::1']);
});

test('localhost is known with name servers configured, too', async () => {
  const resolver = systemResolver(['192.0.2.53']);
  assert.deepEqual((await resolver.resolve('localhost', 'V4_PREFERRED', false)).addresses, ['127.0.0.1']);
});
