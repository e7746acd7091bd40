import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodePairs, Status } from '@dragoman/abi';
import { HeaderList } from '../header-list.ts';
import { type Fixture, inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';
import type { GrpcCall, GrpcListener, GrpcUnaryCall } from '../vm-host.ts';

interface Started {
  readonly call: GrpcCall | GrpcUnaryCall;
  readonly listener: GrpcListener;
  readonly events: string[];
}

function fixtureWithGrpc(): Fixture & { readonly calls: Started[] } {
  const calls: Started[] = [];
  const start = (call: GrpcCall, listener: GrpcListener) => {
    if (call.upstream !== 'grpc') return Status.ParseFailure;
    const events: string[] = [];
    calls.push({ call, listener, events });
    return {
      cancel: () => events.push('cancel'),
      close: () => events.push('close'),
      send: (message: Buffer, end: boolean) => events.push(`send ${message} ${end}`),
    };
  };
  return { ...startStream({ host: { grpcCall: start, grpcStream: start } }), calls };
}

/** Runs `inside` in a callback of the stream and answers what it returned. */
function during<Result>(fixture: Fixture, inside: () => Result): Result {
  let result: Result | undefined;
  inRequestHeaders(fixture, requestHeaders(), () => {
    result = inside();
    return 0;
  });
  return result as Result;
}

const METADATA = encodePairs(['X-M', '1']);

function unary(fixture: Fixture, upstream = 'grpc'): { status: number; token: number } {
  return during(fixture, () => {
    fixture.puppet.clearSlots();
    const args = [upstream, 'pkg.Service', 'Method', METADATA, 'message', 500, fixture.puppet.slot(0)];
    return { status: fixture.puppet.call('proxy_grpc_call', ...args), token: fixture.puppet.u32(0) };
  });
}

function stream(fixture: Fixture): { status: number; token: number } {
  return during(fixture, () => {
    fixture.puppet.clearSlots();
    const args = ['grpc', 'pkg.Service', 'Method', METADATA, fixture.puppet.slot(0)];
    return { status: fixture.puppet.call('proxy_grpc_stream', ...args), token: fixture.puppet.u32(0) };
  });
}

describe('gRPC call-outs', () => {
  test('S79: an unknown service is PARSE_FAILURE', () => {
    assert.equal(unary(fixtureWithGrpc(), 'nowhere').status, Status.ParseFailure);
  });

  test('a unary call reaches the embedder as the guest gave it', () => {
    const fixture = fixtureWithGrpc();
    const { status, token } = unary(fixture);
    assert.equal(status, Status.Ok);
    assert.equal(token & 3, 1);
    assert.deepEqual(fixture.calls[0]?.call, {
      upstream: 'grpc',
      service: 'pkg.Service',
      method: 'Method',
      initialMetadata: ['x-m', '1'],
      message: Buffer.from('message'),
      timeoutMs: 500,
    });
  });

  test('S79: a unary answer is one receive and nothing else; the message is readable in it', () => {
    const fixture = fixtureWithGrpc();
    const { token } = unary(fixture);
    let message: unknown;
    fixture.puppet.on.proxy_on_grpc_receive = () => {
      message = fixture.puppet.ask('proxy_get_buffer_bytes', 5, 0, 99).text;
      return 0;
    };
    fixture.puppet.trace.length = 0;
    const { listener } = fixture.calls[0]!;
    listener.onInitialMetadata(HeaderList.from({ a: '1' }));
    listener.onMessage(Buffer.from('answer'));
    listener.onTrailingMetadata(HeaderList.from({ a: '1' }));
    listener.onClose(0, '');
    assert.deepEqual(fixture.puppet.trace, [`proxy_on_grpc_receive(1, ${token}, 6)`]);
    assert.equal(message, 'answer');
  });

  test('S79: a failed unary call is one close, and get_status has its message', () => {
    const fixture = fixtureWithGrpc();
    const { puppet } = fixture;
    const { token } = unary(fixture);
    const seen: unknown[] = [];
    puppet.on.proxy_on_grpc_close = () => {
      puppet.call('proxy_get_status', puppet.slot(2), puppet.slot(0), puppet.slot(1));
      seen.push(puppet.u32(2), puppet.text());
      return 0;
    };
    puppet.trace.length = 0;
    fixture.calls[0]?.listener.onClose(14, 'no such host');
    assert.deepEqual(puppet.trace, [`proxy_on_grpc_close(1, ${token}, 14)`]);
    assert.deepEqual(seen, [14, 'no such host']);
  });

  test('S80: a stream reports metadata, messages, trailing metadata and close in order', () => {
    const fixture = fixtureWithGrpc();
    const { puppet } = fixture;
    const { token } = stream(fixture);
    const maps: unknown[] = [];
    puppet.on.proxy_on_grpc_receive_initial_metadata = () => {
      maps.push(puppet.ask('proxy_get_header_map_value', 4, 'a').text);
      return 0;
    };
    puppet.on.proxy_on_grpc_receive_trailing_metadata = () => {
      maps.push(puppet.ask('proxy_get_header_map_value', 5, 'b').text);
      return 0;
    };
    puppet.trace.length = 0;
    const { listener } = fixture.calls[0]!;
    listener.onInitialMetadata(HeaderList.from({ a: '1' }));
    listener.onMessage(Buffer.from('m1'));
    listener.onMessage(Buffer.from('m22'));
    listener.onTrailingMetadata(HeaderList.from({ b: '2' }));
    listener.onClose(0, '');
    assert.deepEqual(puppet.trace, [
      `proxy_on_grpc_receive_initial_metadata(1, ${token}, 1)`,
      `proxy_on_grpc_receive(1, ${token}, 2)`,
      `proxy_on_grpc_receive(1, ${token}, 3)`,
      `proxy_on_grpc_receive_trailing_metadata(1, ${token}, 1)`,
      `proxy_on_grpc_close(1, ${token}, 0)`,
    ]);
    assert.deepEqual(maps, ['1', '2']);
  });

  test('S80: sending, closing and cancelling by token', () => {
    const fixture = fixtureWithGrpc();
    const { puppet } = fixture;
    const call = unary(fixture).token;
    const open = stream(fixture).token;
    const seen = during(fixture, () => [
      puppet.call('proxy_grpc_send', open, 'hello', 1),
      puppet.call('proxy_grpc_send', call, 'hello', 0),
      puppet.call('proxy_grpc_send', open + 4, 'hello', 0),
      puppet.call('proxy_grpc_send', open, -16, 32, 0),
      puppet.call('proxy_grpc_close', open),
      puppet.call('proxy_grpc_cancel', open),
      puppet.call('proxy_grpc_cancel', open),
      puppet.call('proxy_grpc_close', call),
      puppet.call('proxy_grpc_cancel', 4),
      puppet.call('proxy_grpc_close', 4),
    ]);
    assert.deepEqual(seen, [0, 2, 1, 6, 0, 0, 1, 0, 2, 2]);
    assert.deepEqual(
      fixture.calls.map(({ events }) => events),
      [['cancel'], ['send hello true', 'close', 'cancel']],
    );
  });

  test('S80: nothing is heard of a stream that was cancelled', () => {
    const fixture = fixtureWithGrpc();
    const { token } = stream(fixture);
    during(fixture, () => fixture.puppet.call('proxy_grpc_cancel', token));
    fixture.puppet.trace.length = 0;
    fixture.calls[0]?.listener.onClose(1, 'cancelled');
    assert.deepEqual(fixture.puppet.trace, []);
  });
});
