// Which of the pieces of a body are passed on, and when.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeldPiece } from './held-piece.ts';

const nextPhase = () => new Promise(resolve => setImmediate(resolve));

function holder() {
  const passed: string[] = [];
  return { passed, piece: new HeldPiece(bytes => passed.push(bytes.toString())) };
}

test('a piece is held until another one or the next phase of the event loop comes', async () => {
  const { passed, piece } = holder();
  piece.hold(Buffer.from('a'));
  assert.deepEqual(passed, []);
  piece.hold(Buffer.from('b'));
  assert.deepEqual(passed, ['a']);
  await nextPhase();
  assert.deepEqual(passed, ['a', 'b']);
  piece.hold(Buffer.from('c'));
  await nextPhase();
  assert.deepEqual(passed, ['a', 'b', 'c']);
});

test('the last piece is taken by whoever hears of the end before', async () => {
  const { passed, piece } = holder();
  piece.hold(Buffer.from('a'));
  piece.hold(Buffer.from('b'));
  assert.equal(piece.take()?.toString(), 'b');
  assert.equal(piece.take(), null);
  await nextPhase();
  assert.deepEqual(passed, ['a']);
});
