import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BufferType, CALLBACKS, ENVOY_CALLBACKS, ENVOY_CALLS, HOST_CALLS, Status } from '@dragoman/abi';
import { type FixtureOptions, inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';
import type { DnsRecord } from '../vm-host.ts';

const RESOLVE = 'envoy_resolve_dns';

function resolving(options: FixtureOptions = {}) {
  const asked: {
    name: string;
    onDone: (records: readonly DnsRecord[] | null) => void;
    cancelled: boolean;
  }[] = [];
  const fixture = startStream({
    hostCalls: [...HOST_CALLS, ...ENVOY_CALLS],
    callbacks: [...CALLBACKS, ...ENVOY_CALLBACKS],
    ...options,
    host: {
      resolveDns: (name, onDone) => {
        const question = { name, onDone, cancelled: false };
        asked.push(question);
        return { cancel: () => void (question.cancelled = true) };
      },
      ...options.host,
    },
  });
  const { puppet } = fixture;
  const resolve = (name: string) => {
    let status = -1;
    inRequestHeaders(fixture, requestHeaders(), () => {
      puppet.clearSlots();
      status = puppet.call(RESOLVE, name, puppet.slot(0));
      return 0;
    });
    return { status, token: puppet.u32(0) };
  };
  const answers: string[] = [];
  puppet.on.envoy_on_resolve_dns = (id, token, size) => {
    const { text } = puppet.ask('proxy_get_buffer_bytes', BufferType.ForeignFunctionArguments, 0, 1000);
    answers.push(
      `${id === fixture.root.id ? 'root' : id} ${token} ${size} ${Buffer.from(text!, 'latin1').toString('hex')}`,
    );
    return 0;
  };
  return { fixture, puppet, asked, resolve, answers };
}

describe('envoy_resolve_dns', () => {
  test('the answer comes to the root: times to live, then addresses with the port 0 and a NUL each', () => {
    const { asked, resolve, answers } = resolving();
    const { status, token } = resolve('name.test');
    assert.equal(status, 0);
    assert.equal(asked[0].name, 'name.test');
    asked[0].onDone([
      { address: '10.0.0.1', ttlSeconds: 60 },
      { address: '::1', ttlSeconds: 5 },
    ]);
    const records = `020000003c00000005000000${Buffer.from('10.0.0.1:0\0[::1]:0\0').toString('hex')}`;
    assert.deepEqual(answers, [`root ${token} ${records.length / 2} ${records}`]);
  });

  test('a name without addresses is a count of 0, a failure no bytes; after it there is nothing to read', () => {
    const { asked, fixture, puppet, resolve, answers } = resolving();
    const first = resolve('a.test');
    const second = resolve('b.test');
    assert.notEqual(first.token, second.token);
    asked[1].onDone(null);
    asked[0].onDone([]);
    assert.deepEqual(answers, [`root ${second.token} 0 `, `root ${first.token} 4 00000000`]);
    inRequestHeaders(fixture, requestHeaders(), () => {
      assert.equal(puppet.ask('proxy_get_buffer_bytes', BufferType.ForeignFunctionArguments, 0, 10).text, '');
      return 0;
    });
  });

  test('names that are none, results out of memory, a host that is busy or knows no names', () => {
    const { fixture, puppet, resolve } = resolving();
    assert.equal(resolve('').status, Status.BadArgument);
    assert.equal(resolve('x'.repeat(254)).status, Status.BadArgument);
    let status = -1;
    inRequestHeaders(fixture, requestHeaders(), () => {
      status = puppet.call(RESOLVE, 'a.test', 0xfffffff0);
      return 0;
    });
    assert.equal(status, Status.InvalidMemoryAccess);
    const busy = resolving({ host: { resolveDns: () => Status.InternalFailure } });
    assert.equal(busy.resolve('a.test').status, Status.InternalFailure);
    assert.equal(busy.fixture.root.calloutCount, 0);
    const deaf = resolving({ host: { resolveDns: undefined as never } });
    assert.equal(deaf.resolve('a.test').status, Status.Unimplemented);
  });

  test('questions of a root that ends are called off; a capability list has to name the call', () => {
    const { asked, fixture, resolve, answers } = resolving();
    resolve('a.test');
    fixture.root.shutdown();
    assert.equal(asked[0].cancelled, true);
    asked[0].onDone([]);
    assert.deepEqual(answers, []);
    const restricted = resolving({
      vm: { allowedCapabilities: new Set(['proxy_on_request_headers', 'proxy_on_context_create']) },
    });
    assert.equal(restricted.resolve('a.test').status, Status.InternalFailure);
    assert.deepEqual(restricted.asked, []);
  });

  test('a plugin with rules resolves names only where they say so', () => {
    const rules = { clusters: ['auth'] };
    const closed = resolving({ vm: { sanitization: rules } });
    assert.equal(closed.resolve('a.test').status, Status.InternalFailure);
    const open = resolving({ vm: { sanitization: { ...rules, foreignFunctions: [RESOLVE] } } });
    assert.equal(open.resolve('a.test').status, 0);
  });
});
