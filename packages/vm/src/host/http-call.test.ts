import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodePairs, Status } from '@dragoman/abi';
import { HeaderList } from '../header-list.ts';
import { type Fixture, inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';
import type { HttpCall, HttpCallResponse } from '../vm-host.ts';

const CALL = 'proxy_http_call';
const HEADERS = encodePairs([':method', 'GET', ':path', '/auth', ':authority', 'auth', 'X-A', '1']);

interface Started {
  readonly call: HttpCall;
  readonly done: (response: HttpCallResponse | null) => void;
  cancelled: boolean;
}

function fixtureWithCalls(): Fixture & { readonly calls: Started[] } {
  const calls: Started[] = [];
  const fixture = startStream({
    host: {
      httpCall: (call, done) => {
        if (call.upstream !== 'auth') return Status.BadArgument;
        const started: Started = { call, done, cancelled: false };
        calls.push(started);
        return { cancel: () => (started.cancelled = true) };
      },
    },
  });
  return { ...fixture, calls };
}

function callFrom(
  fixture: Fixture,
  ...args: (string | Buffer | number)[]
): { status: number; token: number } {
  let result = { status: -1, token: -1 };
  inRequestHeaders(fixture, requestHeaders(), () => {
    fixture.puppet.clearSlots();
    const status = fixture.puppet.call(CALL, ...args, fixture.puppet.slot(0));
    result = { status, token: fixture.puppet.u32(0) };
    return 1;
  });
  return result;
}

const response = (): HttpCallResponse => ({
  headers: HeaderList.from({ ':status': '200', 'x-b': '2' }),
  body: Buffer.from('allowed'),
  trailers: HeaderList.from({ 'x-t': '3' }),
});

describe('HTTP call-outs', () => {
  test('S73: unknown cluster, missing pseudo headers and a timeout of 2^31 ms are BAD_ARGUMENT, the token is 0', () => {
    const refused = [
      ['nowhere', HEADERS, '', '', 100],
      ['auth', '', '', '', 100],
      ['auth', encodePairs([':method', 'GET', ':path', '/']), '', '', 100],
      ['auth', encodePairs([':method', 'GET', ':authority', 'a']), '', '', 100],
      ['auth', encodePairs([':path', '/', ':authority', 'a']), '', '', 100],
      ['auth', HEADERS, '', '', -0x80000000],
    ] as const;
    for (const args of refused) {
      const fixture = fixtureWithCalls();
      assert.deepEqual(callFrom(fixture, ...args), { status: Status.BadArgument, token: 0 }, String(args));
      assert.equal(fixture.calls.length, 0);
    }
  });

  test('S73: bad pointers are INVALID_MEMORY_ACCESS', () => {
    const fixture = fixtureWithCalls();
    const seen: number[] = [];
    inRequestHeaders(fixture, requestHeaders(), () => {
      const { puppet } = fixture;
      seen.push(puppet.call(CALL, -16, 32, HEADERS, '', '', 100, 16));
      seen.push(puppet.call(CALL, 'auth', HEADERS, '', '', 100, -16));
      return 0;
    });
    assert.deepEqual(seen, [6, 6]);
    assert.equal(fixture.calls.length, 0);
  });

  test('what the guest gave reaches the embedder, with names in lower case', () => {
    const fixture = fixtureWithCalls();
    callFrom(fixture, 'auth', HEADERS, 'the body', encodePairs(['X-T', '1']), 250);
    assert.deepEqual(fixture.calls[0]?.call, {
      upstream: 'auth',
      headers: [':method', 'GET', ':path', '/auth', ':authority', 'auth', 'x-a', '1'],
      body: Buffer.from('the body'),
      trailers: ['x-t', '1'],
      timeoutMs: 250,
    });
  });

  test('S74: tokens are not 0 and distinct; the answer comes to the root with that token', () => {
    const fixture = fixtureWithCalls();
    const first = callFrom(fixture, 'auth', HEADERS, '', '', 0).token;
    const second = callFrom(fixture, 'auth', HEADERS, '', '', 0).token;
    assert.ok(first !== 0 && second !== 0 && first !== second);
    fixture.puppet.trace.length = 0;
    fixture.calls[1]?.done(response());
    assert.deepEqual(fixture.puppet.trace, [`proxy_on_http_call_response(1, ${second}, 2, 7, 1)`]);
  });

  test('S74: an answer that comes while the guest is running waits until it has returned', () => {
    const fixture = fixtureWithCalls();
    callFrom(fixture, 'auth', HEADERS, '', '', 0);
    let during = 0;
    fixture.puppet.on.proxy_on_tick = () => {
      fixture.calls[0]?.done(response());
      during = fixture.puppet.trace.filter(line => line.startsWith('proxy_on_http_call')).length;
      return 0;
    };
    fixture.root.setTickPeriod(1);
    fixture.clock.advance(1);
    assert.equal(during, 0);
    assert.match(fixture.puppet.trace.at(-1) ?? '', /^proxy_on_http_call_response/);
  });

  test('S75, S49: status, headers, body and trailers are readable in the callback, read-only, and gone after it', () => {
    const fixture = fixtureWithCalls();
    const { puppet } = fixture;
    callFrom(fixture, 'auth', HEADERS, '', '', 0);
    const seen: unknown[] = [];
    puppet.on.proxy_on_http_call_response = () => {
      seen.push(puppet.ask('proxy_get_header_map_value', 6, ':status').text);
      seen.push(puppet.ask('proxy_get_header_map_value', 7, 'x-t').text);
      seen.push(puppet.ask('proxy_get_buffer_bytes', 4, 0, 99).text);
      seen.push(
        puppet.call('proxy_add_header_map_value', 6, 'a', 'b'),
        puppet.call('proxy_set_buffer_bytes', 4, 0, 0, 'x'),
      );
      return 0;
    };
    fixture.calls[0]?.done(response());
    puppet.on.proxy_on_tick = () => {
      seen.push(puppet.ask('proxy_get_header_map_value', 6, ':status').status);
      seen.push(puppet.ask('proxy_get_header_map_pairs', 6).status, puppet.u32(1));
      seen.push(puppet.ask('proxy_get_buffer_bytes', 4, 0, 99).status);
      return 0;
    };
    fixture.root.setTickPeriod(1);
    fixture.clock.advance(1);
    assert.deepEqual(seen, ['200', '3', 'allowed', 2, 2, 2, 0, 0, Status.NotFound]);
  });

  test('S76: a call that fails half-way is (token, 0, 0, 0), and get_status says why', () => {
    const fixture = fixtureWithCalls();
    const { puppet } = fixture;
    const { token } = callFrom(fixture, 'auth', HEADERS, '', '', 0);
    const seen: unknown[] = [];
    puppet.on.proxy_on_http_call_response = () => {
      puppet.clearSlots();
      seen.push(puppet.call('proxy_get_status', puppet.slot(2), puppet.slot(0), puppet.slot(1)));
      seen.push(puppet.u32(2), puppet.text());
      seen.push(puppet.ask('proxy_get_buffer_bytes', 4, 0, 9).status);
      seen.push(puppet.ask('proxy_get_header_map_value', 6, ':status').status);
      return 0;
    };
    puppet.trace.length = 0;
    fixture.calls[0]?.done(null);
    assert.deepEqual(puppet.trace, [`proxy_on_http_call_response(1, ${token}, 0, 0, 0)`]);
    assert.deepEqual(seen, [0, Status.BrokenConnection, 'reset', Status.NotFound, Status.BadArgument]);
  });

  test('S77: the answer reaches the root when its stream is gone', () => {
    const fixture = fixtureWithCalls();
    callFrom(fixture, 'auth', HEADERS, '', '', 0);
    fixture.stream.end();
    fixture.puppet.trace.length = 0;
    fixture.calls[0]?.done(response());
    assert.equal(fixture.puppet.trace.length, 1);
    assert.equal(fixture.vm.failure, null);
  });

  test('S78: calls of a root that is deleted are called off, and their answers dropped', () => {
    const fixture = fixtureWithCalls();
    callFrom(fixture, 'auth', HEADERS, '', '', 0);
    fixture.root.shutdown();
    fixture.puppet.trace.length = 0;
    fixture.calls[0]?.done(response());
    assert.equal(fixture.calls[0]?.cancelled, true);
    assert.deepEqual(fixture.puppet.trace, []);
  });

  test('an answer is delivered once', () => {
    const fixture = fixtureWithCalls();
    callFrom(fixture, 'auth', HEADERS, '', '', 0);
    fixture.puppet.trace.length = 0;
    fixture.calls[0]?.done(response());
    fixture.calls[0]?.done(response());
    assert.equal(fixture.puppet.trace.length, 1);
  });

  test('a call-out from on_configure works', () => {
    const fixture = fixtureWithCalls();
    let status = -1;
    fixture.puppet.on.proxy_on_configure = () => {
      status = fixture.puppet.call(CALL, 'auth', HEADERS, '', '', 0, 16);
      return 1;
    };
    fixture.vm.startRoot({ name: 'second', rootId: '', configuration: Buffer.alloc(0) });
    assert.equal(status, Status.Ok);
    assert.equal(fixture.calls.length, 1);
  });
});
