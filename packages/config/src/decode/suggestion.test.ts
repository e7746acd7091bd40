import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suggestion } from './suggestion.ts';

test('near names and contained words are suggested', () => {
  const fields = ['protocol', 'address', 'port_value', 'named_port', 'resolver_name'];
  assert.equal(suggestion('port', fields), 'did you mean port_value?');
  assert.equal(suggestion('adress', fields), 'did you mean address?');
  assert.equal(suggestion('portValue', fields), 'did you mean port_value?');
  assert.equal(suggestion('portocol', fields), 'did you mean protocol?');
});

test('nothing is suggested when nothing is near', () => {
  assert.equal(suggestion('zzz', ['address', 'port_value']), '');
  assert.equal(suggestion('x', []), '');
});
