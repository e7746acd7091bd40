import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Status } from '@dragoman/abi';
import type { DnsResolver } from '@dragoman/proxy';
import type { DnsRecord } from '@dragoman/vm';
import { DnsClient } from './dns-client.ts';

type Answer = Awaited<ReturnType<DnsResolver['resolve']>>;

/** Answers when it is told to. */
class SlowResolver implements DnsResolver {
  readonly waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];

  resolve(): Promise<Answer> {
    return new Promise((resolve, reject) => void this.waiting.push({ resolve, reject }));
  }
}

const settled = () => new Promise(resolve => setImmediate(resolve));

test('addresses with their time to live; without one, 0; null after a failure', async () => {
  const resolver = new SlowResolver();
  const client = new DnsClient(resolver);
  const seen: (readonly DnsRecord[] | null)[] = [];
  for (let i = 0; i < 3; i++) client.resolve('name.test', records => seen.push(records));
  resolver.waiting[0].resolve({ addresses: ['::1', '10.0.0.1'], ttlMs: 2500 });
  resolver.waiting[1].resolve({ addresses: ['10.0.0.2'], ttlMs: undefined });
  resolver.waiting[2].reject(new Error('timeout'));
  await settled();
  assert.deepEqual(seen, [
    [
      { address: '::1', ttlSeconds: 2 },
      { address: '10.0.0.1', ttlSeconds: 2 },
    ],
    [{ address: '10.0.0.2', ttlSeconds: 0 }],
    null,
  ]);
});

test('more than 128 questions at a time are refused until one is answered, also one that was called off', async () => {
  const resolver = new SlowResolver();
  const client = new DnsClient(resolver);
  let heard = 0;
  const ask = () => client.resolve('name.test', () => heard++);
  const first = ask();
  for (let i = 1; i < 128; i++) ask();
  assert.equal(ask(), Status.InternalFailure);
  assert.ok(typeof first === 'object');
  first.cancel();
  assert.equal(ask(), Status.InternalFailure);
  resolver.waiting[0].resolve({ addresses: [], ttlMs: undefined });
  await settled();
  assert.equal(heard, 0);
  assert.ok(typeof ask() === 'object');
});
