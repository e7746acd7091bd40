import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEADER_IDS, HEADER_NAMES, HeaderId, headerIdAt, LAST_CODEC_ID } from './header-names.ts';

const idOf = (name: string) => headerIdAt(Buffer.from(`--${name}: x`, 'latin1'), 2, 2 + name.length);

test('every known name is found, in the order of the ids', () => {
  for (let id = 1; id < HEADER_NAMES.length; id++) {
    assert.equal(idOf(HEADER_NAMES[id]), id, HEADER_NAMES[id]);
    assert.equal(HEADER_IDS.get(HEADER_NAMES[id]), id);
  }
  assert.equal(HEADER_NAMES[HeaderId.X_FORWARDED_FOR], 'x-forwarded-for');
  assert.equal(HEADER_NAMES[LAST_CODEC_ID], 'http2-settings');
  assert.ok(HEADER_NAMES.length <= 255, 'ids fit a byte, and 255 marks the hidden Host line');
});

test('a name that differs in any one byte is not found', () => {
  for (const name of HEADER_NAMES.slice(1)) {
    for (let i = 0; i < name.length; i++) {
      const other = `${name.slice(0, i)}~${name.slice(i + 1)}`;
      assert.equal(idOf(other), 0, other);
    }
    assert.equal(idOf(`${name}x`) === 0 || HEADER_IDS.has(`${name}x`), true);
  }
  assert.equal(idOf('x'), 0);
  assert.equal(idOf('x'.repeat(5000)), 0);
});
