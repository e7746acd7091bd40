import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Status } from '@dragoman/abi';
import { HeaderMap, ResponseHeaders } from '@dragoman/http';
import type { AsyncClient, AsyncRequest, AsyncResponse } from '@dragoman/proxy';
import { type GrpcUnaryCall, writeField } from '@dragoman/vm';
import { sendUnaryCall } from './grpc-client.ts';

const call: GrpcUnaryCall = {
  upstream: 'grpc',
  service: 'pkg.Service',
  method: 'Method',
  initialMetadata: ['x-m', '1'],
  message: Buffer.from('hello'),
  timeoutMs: 250,
};

/** Sends the call to a client that knows the cluster "grpc"; what was sent, and how to answer it. */
function started(changes: Partial<GrpcUnaryCall> = {}) {
  let sent: AsyncRequest | null = null;
  let done: (response: AsyncResponse) => void = () => {};
  const events: string[] = [];
  const client = {
    send: (cluster: string, request: AsyncRequest, onDone: typeof done) => {
      if (cluster !== 'grpc') return null;
      sent = request;
      done = onDone;
      return { cancel: () => {} };
    },
  };
  const result = sendUnaryCall(
    client as unknown as AsyncClient,
    { ...call, ...changes },
    {
      onInitialMetadata: () => events.push('initial metadata'),
      onMessage: message => events.push(`message ${message}`),
      onTrailingMetadata: () => events.push('trailing metadata'),
      onClose: (status, message) => events.push(`close ${status} ${message}`),
    },
  );
  const answer = (status: number, body: Buffer | string, trailers: string[] = [], local = false) => {
    const headers = ResponseHeaders.fromPairs([':status', String(status)]);
    done({
      headers,
      body: Buffer.from(body as string),
      trailers: trailers.length === 0 ? null : HeaderMap.fromPairs(trailers),
      local,
    });
    return events;
  };
  return { result, sent: sent as AsyncRequest | null, answer };
}

const framed = (text: string, flag = 0) =>
  Buffer.concat([Buffer.from([flag, 0, 0, 0, text.length]), Buffer.from(text)]);

describe('unary gRPC calls', () => {
  test('the request as gRPC wants it', () => {
    const { sent } = started();
    const lines: string[] = [];
    sent!.headers.forEach((name, value) => {
      lines.push(`${name}: ${value}`);
    });
    assert.deepEqual(lines.sort(), [
      ':authority: grpc',
      ':method: POST',
      ':path: /pkg.Service/Method',
      ':scheme: http',
      'content-type: application/grpc',
      'grpc-timeout: 250m',
      'te: trailers',
      'x-m: 1',
    ]);
    assert.deepEqual(sent!.body, framed('hello'));
    assert.equal(sent!.timeoutMs, 250);
  });

  test('S79: an unknown cluster is PARSE_FAILURE; metadata that may not go on the wire BAD_ARGUMENT', () => {
    assert.equal(started({ upstream: 'nowhere' }).result, Status.ParseFailure);
    assert.equal(started({ initialMetadata: ['x', 'a\r\nb'] }).result, Status.BadArgument);
  });

  test('the service can be a serialised GrpcService', () => {
    const service = writeField(1, writeField(1, Buffer.from('grpc')));
    assert.notEqual(started({ upstream: service.toString('latin1') }).sent, null);
  });

  test('S79: a message, or a status with its message', () => {
    assert.deepEqual(started().answer(200, framed('answer'), ['grpc-status', '0']), ['message answer']);
    assert.deepEqual(started().answer(200, '', ['grpc-status', '5', 'grpc-message', 'no%20such%C3%A9']), [
      'close 5 no such\u00e9',
    ]);
  });

  test('what is no gRPC response is a status', () => {
    assert.deepEqual(started().answer(404, 'not found'), ['close 12 HTTP status 404']);
    assert.deepEqual(started().answer(200, 'text'), ['close 2 HTTP status 200']);
    assert.deepEqual(started().answer(503, 'upstream connect error', [], true), [
      'close 14 upstream connect error',
    ]);
    assert.deepEqual(started().answer(504, 'upstream request timeout', [], true), [
      'close 4 upstream request timeout',
    ]);
  });

  test('a response with no, a cut, a compressed or a second message is INTERNAL', () => {
    const ok = ['grpc-status', '0'];
    for (const body of [
      Buffer.alloc(0),
      framed('x').subarray(0, 5),
      framed('x', 1),
      Buffer.concat([framed('x'), framed('y')]),
    ]) {
      assert.match(started().answer(200, body, ok)[0] ?? '', /^close 13 the /);
    }
  });
});
