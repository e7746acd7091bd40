import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BufferType, CALLBACKS, HIGRESS_CALLBACKS, HIGRESS_CALLS, HOST_CALLS, Status } from '@dragoman/abi';
import { type FixtureOptions, inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';
import type { RedisService } from '../vm-host.ts';

function queried(options: FixtureOptions = {}) {
  const services: RedisService[] = [];
  const asked: {
    upstream: string;
    query: string;
    onDone: (reply: Buffer | null) => void;
    cancelled: boolean;
  }[] = [];
  const fixture = startStream({
    hostCalls: [...HOST_CALLS, ...HIGRESS_CALLS],
    callbacks: [...CALLBACKS, ...HIGRESS_CALLBACKS],
    ...options,
    host: {
      redisInit: service => {
        services.push(service);
        return Status.Ok;
      },
      redisCall: (upstream, query, onDone) => {
        const call = { upstream, query: String(query), onDone, cancelled: false };
        asked.push(call);
        return { cancel: () => void (call.cancelled = true) };
      },
      ...options.host,
    },
  });
  const { puppet } = fixture;
  const heard: string[] = [];
  puppet.on.proxy_on_redis_call_response = (id, token, status, size) => {
    const { text } = puppet.ask('proxy_get_buffer_bytes', BufferType.RedisCallResponse, 0, 100);
    heard.push(`${id === fixture.root.id ? 'root' : id} ${token} ${status} ${size} ${text ?? '-'}`);
    return 0;
  };
  const run = (act: () => number) => {
    let status = -1;
    inRequestHeaders(fixture, requestHeaders(), () => {
      puppet.clearSlots();
      status = act();
      return 0;
    });
    return { status, token: puppet.u32(0) };
  };
  return {
    fixture,
    services,
    asked,
    heard,
    init: (upstream = 'redis') =>
      run(() => puppet.call('proxy_redis_init', upstream, 'user', 'secret', 300)).status,
    query: (upstream = 'redis') =>
      run(() => puppet.call('proxy_redis_call', upstream, 'PING', puppet.slot(0))),
    run,
    puppet,
  };
}

describe('proxy_redis_call', () => {
  test('the host hears what the plugin says, the root hears the reply, a failure is status 1 without bytes', () => {
    const { services, asked, heard, init, query } = queried();
    assert.equal(init('redis?db=1'), Status.Ok);
    assert.deepEqual(services, [
      { upstream: 'redis?db=1', username: 'user', password: 'secret', timeoutMs: 300 },
    ]);
    const first = query();
    const second = query();
    assert.deepEqual([first.status, second.status], [0, 0]);
    assert.notEqual(first.token, second.token);
    assert.equal(asked[0].query, 'PING');
    asked[1].onDone(null);
    asked[0].onDone(Buffer.from('+PONG\r\n'));
    asked[0].onDone(null);
    assert.deepEqual(heard, [`root ${second.token} 1 0 -`, `root ${first.token} 0 7 +PONG\r\n`]);
  });

  test('queries of a root that ends are called off', () => {
    const { fixture, asked, heard, query } = queried();
    query();
    fixture.root.shutdown();
    assert.equal(asked[0].cancelled, true);
    asked[0].onDone(null);
    assert.deepEqual(heard, []);
  });

  test('rules name the cluster without its parameters; a capability list names the calls', () => {
    const ruled = queried({ vm: { sanitization: { clusters: ['redis'] } } });
    assert.equal(ruled.init('redis?db=1'), Status.Ok);
    assert.equal(ruled.query('redis').status, Status.Ok);
    assert.equal(ruled.init('other'), Status.InternalFailure);
    assert.equal(ruled.query('other?db=1').status, Status.InternalFailure);
    assert.equal(ruled.services.length + ruled.asked.length, 2);
    const restricted = queried({
      vm: { allowedCapabilities: new Set(['proxy_on_request_headers', 'proxy_on_context_create']) },
    });
    assert.equal(restricted.init(), Status.InternalFailure);
    assert.equal(restricted.query().status, Status.InternalFailure);
    assert.equal(restricted.asked.length, 0);
  });

  test('pointers out of memory, and a host without Redis', () => {
    const { puppet, run } = queried();
    assert.equal(run(() => puppet.call('proxy_redis_call', 'redis', 'PING', 0xfffffff0)).status, 6);
    const deaf = queried({ host: { redisInit: undefined as never, redisCall: undefined as never } });
    assert.equal(deaf.init(), Status.Unimplemented);
    assert.equal(deaf.query().status, Status.Unimplemented);
  });
});
