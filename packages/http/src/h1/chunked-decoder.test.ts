import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ChunkedDecoder } from './chunked-decoder.ts';

interface Decoded {
  /** Bytes of the input that belong to the body, -1 when it is malformed. */
  consumed: number;
  done: boolean;
  data: string;
  trailers: string[];
}

/** Feeds `text` in pieces of `step` bytes. */
function decode(text: string, step = text.length, keepTrailers = true): Decoded {
  const decoder = new ChunkedDecoder({ keepTrailers });
  const bytes = Buffer.from(text, 'latin1');
  let data = '';
  const sink = {
    onChunkData(buffer: Buffer, start: number, end: number): void {
      data += buffer.latin1Slice(start, end);
    },
  };
  let at = 0;
  while (at < bytes.length && !decoder.done) {
    const end = Math.min(at + Math.max(step, 1), bytes.length);
    const position = decoder.feed(bytes, at, end, sink);
    if (position < 0) return { consumed: -1, done: false, data, trailers: [] };
    assert.ok(decoder.done || position === end);
    at = position;
  }
  return { consumed: at, done: decoder.done, data, trailers: decoder.trailers?.toPairs() ?? [] };
}

function accepts(text: string, data: string, trailers: string[] = []): void {
  for (let step = 1; step <= text.length; step++) {
    assert.deepEqual(
      decode(`${text}NEXT`, step),
      { consumed: text.length, done: true, data, trailers },
      `step ${step}`,
    );
  }
}

function refuses(...texts: string[]): void {
  for (const text of texts) {
    for (const step of [1, 2, 3, text.length])
      assert.equal(decode(text, step).consumed, -1, JSON.stringify(text));
  }
}

describe('chunked bodies', () => {
  test('sizes in any case, with leading zeros; nothing behind the end is touched', () => {
    accepts('3\r\nabc\r\n0\r\n\r\n', 'abc');
    accepts('0\r\n\r\n', '');
    accepts('A\r\n0123456789\r\n1\r\nx\r\n000\r\n\r\n', '0123456789x');
    accepts('0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n', 'abc');
    accepts('5\r\n\r\n\r\n0\r\n0\r\n\r\n', '\r\n\r\n0');
  });

  test('Chunk size with `+`, `-`, `0x`, underscore, blank before, > 2^53, empty, > 16 hex digits', () => {
    for (const size of [
      '+3',
      '-1',
      '0x3',
      '1_0',
      ' 3',
      '\t3',
      '3 ',
      '3\t',
      '',
      '20000000000000',
      'fffffffffffffffff',
    ])
      refuses(`${size}\r\nabc\r\n0\r\n\r\n`);
    refuses('00000000000000003\r\nabc\r\n0\r\n\r\n', 'g\r\n', '3\x00\r\n', '\xb3\r\n');
  });

  test('Chunk extension up to 1 KiB in total per body, dropped; more: refused', () => {
    accepts('3;a=b\r\nabc\r\n0;last\r\n\r\n', 'abc');
    accepts('3;ext="a; \\" b"\r\nabc\r\n0\r\n\r\n', 'abc');
    accepts(`3;${'x'.repeat(1023)}\r\nabc\r\n0;y\r\n\r\n`, 'abc');
    refuses(`3;${'x'.repeat(1025)}\r\nabc\r\n`, `3;${'x'.repeat(1023)}\r\nabc\r\n0;yy\r\n\r\n`);
  });

  test('CR/LF/quotes inside a chunk extension', () => {
    refuses(
      '3;a\nb\r\nabc\r\n',
      '3;a\rb\r\nabc\r\n',
      '3;a="b\r\nabc\r\n',
      '3;a="b\\"\r\nabc\r\n',
      '3;a\0\r\nabc\r\n',
    );
  });

  test('bare LF ending a chunk-size line or a trailer', () => {
    refuses('3\nabc\r\n0\r\n\r\n', '0\n\r\n', '0\r\n\n', '0\r\nx: y\n\r\n', '0\r\nx: y\r\n\n', '3\r\r\nabc');
  });

  test('Chunk data not followed by CRLF', () => {
    refuses('3\r\nabcdef\r\n0\r\n\r\n', '3\r\nabc\n0\r\n\r\n', '3\r\nabc\r0\r\n\r\n', '3\r\nabc0\r\n\r\n');
  });

  test('missing last chunk: never done', () => {
    assert.equal(decode('3\r\nabc\r\n').done, false);
    assert.equal(decode('3\r\nabc\r\n0\r\n').done, false);
    assert.equal(decode('3\r\nabc\r\n0\r\nx: y\r\n').done, false);
  });

  test('a refused body stays refused', () => {
    const decoder = new ChunkedDecoder();
    const sink = { onChunkData: () => assert.fail() };
    assert.equal(decoder.feed(Buffer.from('x'), 0, 1, sink), -1);
    assert.equal(decoder.feed(Buffer.from('0\r\n\r\n'), 0, 5, sink), -1);
    decoder.reset();
    assert.equal(decoder.feed(Buffer.from('0\r\n\r\n'), 0, 5, sink), 5);
  });
});

describe('trailers', () => {
  test('kept when asked for, in order, lower-case', () => {
    accepts('0\r\nX-One: 1\r\nGrpc-Status: 0\r\nx-one:2\r\n\r\n', '', [
      'x-one',
      '1',
      'grpc-status',
      '0',
      'x-one',
      '2',
    ]);
    assert.deepEqual(decode('0\r\nX-One: 1\r\n\r\n', 99, false).trailers, []);
  });

  test('Trailer with a framing, routing or hop-by-hop name is dropped', () => {
    const names = [
      'Content-Length',
      'Transfer-Encoding',
      'Host',
      'Connection',
      'Trailer',
      'TE',
      'Upgrade',
      'Authorization',
      'Cookie',
      'Set-Cookie',
      'X-Forwarded-For',
      'X-Envoy-Internal',
      'X-Envoy-Made-Up',
      'X-Envoy-Retry-On',
      'Expect',
    ];
    for (const name of names) accepts(`0\r\n${name}: 1\r\nx: y\r\n\r\n`, '', ['x', 'y']);
    accepts('0\r\nContent-Length: 1\r\n\r\n', '');
    accepts('0\r\nX-Envoy-Made-Up: 1\r\nx: y\r\n\r\n', '', ['x', 'y']);
  });

  test('malformed or too many are refused even when they would be dropped', () => {
    const many = Array.from({ length: 101 }, (_, i) => `x-${i}: v\r\n`).join('');
    for (const lines of [
      'x\r\n',
      ' x: y\r\n',
      'x : y\r\n',
      'x: \0\r\n',
      ': y\r\n',
      `x: ${'b'.repeat(20_000)}\r\n`,
      many,
    ]) {
      refuses(`0\r\n${lines}\r\n`);
      assert.equal(decode(`0\r\n${lines}\r\n`, 7, false).consumed, -1);
    }
  });
});
