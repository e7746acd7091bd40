import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GrpcMessageReader, grpcFrame } from './grpc-framing.ts';

/** What a reader makes of pieces. */
function read(pieces: readonly Buffer[], maxMessageBytes = 1000) {
  const reader = new GrpcMessageReader(maxMessageBytes);
  const messages: string[] = [];
  for (const piece of pieces) reader.read(piece, message => messages.push(message.toString('latin1')) > 0);
  return { messages, error: reader.error, atBoundary: reader.atBoundary };
}

test('messages come out whole, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.nat({ max: 300 }), { maxLength: 12 }),
      (messages, cuts) => {
        const bytes = Buffer.concat(messages.map(grpcFrame));
        const at = [0, ...cuts.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        assert.deepEqual(read(pieces), {
          messages: messages.map(message => Buffer.from(message).toString('latin1')),
          error: null,
          atBoundary: true,
        });
      },
    ),
  );
});

test('a message that is not complete is not handed over', () => {
  const frame = grpcFrame(Buffer.from('hello'));
  for (const end of [1, 4, 5, 9])
    assert.deepEqual(read([frame.subarray(0, end)]), { messages: [], error: null, atBoundary: false });
});

test('compressed messages, unknown flags and messages over the limit are errors; what was before them counts', () => {
  const bad = (flags: number, message = 'x') => {
    const frame = grpcFrame(Buffer.from(message));
    frame[0] = flags;
    return [grpcFrame(Buffer.from('first')), frame];
  };
  assert.deepEqual(read(bad(1)).error, 'compressed message');
  assert.deepEqual(read(bad(2)).error, 'invalid flags');
  assert.deepEqual(read(bad(0, 'long'), 5).error, null);
  assert.deepEqual(read(bad(0, 'longer'), 5).error, 'message over the limit');
  assert.deepEqual(read(bad(1)).messages, ['first']);
  assert.deepEqual(read(bad(1, '')).messages, ['first', ''], 'an empty message needs no decompression');
});

test('a receiver that has had enough gets nothing more', () => {
  const seen: string[] = [];
  const two = Buffer.concat([grpcFrame(Buffer.from('one')), grpcFrame(Buffer.from('two'))]);
  new GrpcMessageReader(100).read(two, message => {
    seen.push(message.toString());
    return false;
  });
  assert.deepEqual(seen, ['one']);
});
