import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeProperty, jsonProperty, type PropertyValue } from '@dragoman/vm';
import fc from 'fast-check';
import {
  CelEvaluationError,
  CelExpression,
  CelFunctionError,
  CelSyntaxError,
  MAX_EXPRESSION_BYTES,
} from './cel-expression.ts';
import type { ExpressionSource } from './cel-values.ts';

const asked: string[] = [];
const METADATA: PropertyValue = {
  field: name => (name === 'filter_metadata' ? jsonProperty({ ns: { key: 'v', list: [1] } }) : undefined),
  serialize: () => Buffer.from('metadata'),
};
const VALUES: Readonly<Record<string, PropertyValue>> = {
  'request.path': '/a',
  'request.duration': 1_500_000_000n,
  'request.time': 1_700_000_000_000_000_000n,
  'request.headers': jsonProperty({ 'x-a': 'one' }),
  'connection.mtls': true,
  'connection.id': 7n,
  'upstream.port': 80n,
  metadata: METADATA,
  filter_state: { get: key => (key === 'wasm.kept' ? Buffer.from('value') : undefined), entries: () => [] },
  kept: Buffer.from('value'),
  text: Buffer.from('täxt'),
};
const source: ExpressionSource = {
  value(path) {
    asked.push(path.join('.'));
    return VALUES[path.join('.')];
  },
  isText: name => name === 'text',
};
const value = (text: string): PropertyValue => new CelExpression(text).evaluate(source);

test('only the attributes that are needed are asked for', () => {
  asked.length = 0;
  assert.equal(value('connection.mtls || request.path == "/a"'), true);
  assert.ok(asked.includes('connection.mtls'));
  assert.ok(!asked.includes('request.path') && !asked.includes('source'), asked.join());
});

test('durations compare as such, and come back as nanoseconds', () => {
  assert.equal(value('request.duration > duration("1s") && request.duration < duration("2s")'), true);
  assert.equal(value('request.duration'), 1_500_000_000n);
  assert.equal(value('upstream.port + 1'), 81n);
  assert.equal(value('3u'), 3n);
});

test('mistakes say what they are', () => {
  assert.throws(() => value('request.'), CelSyntaxError);
  for (const call of ['no_such_function(1)', '"a".split("b")', 'request.path.lowerAscii()'])
    assert.throws(() => value(call), CelFunctionError, call);
  assert.throws(() => value('nobody'), CelEvaluationError);
  assert.throws(() => value('1 / 0'), CelEvaluationError);
  assert.throws(() => value('request.nothing'), CelEvaluationError);
  assert.throws(() => value(`"${'x'.repeat(MAX_EXPRESSION_BYTES)}"`), /longer than 65536 bytes/);
});

test('what a plugin has set is bytes, or text where it is declared so', () => {
  assert.equal(value("kept == b'value'"), true);
  assert.equal(value("filter_state['wasm.kept'] == b'value'"), true);
  assert.equal(value("text == 'täxt' && text.size() == 4"), true);
  assert.deepEqual(value('kept'), Buffer.from('value'));
});

test('attributes that are results are encoded as properties are; roots have no form', () => {
  const bytes = (text: string) => {
    const encoded = encodeProperty(value(text));
    return encoded === null ? null : Buffer.from(encoded).toString('latin1');
  };
  assert.equal(bytes('request'), null);
  assert.equal(bytes('metadata'), 'metadata');
  assert.equal(bytes('request.headers'), '\x01\0\0\0\x03\0\0\0\x03\0\0\0x-a\0one\0');
  assert.equal(bytes('metadata.filter_metadata.ns.key'), 'v');
  assert.equal(bytes('metadata.filter_metadata.ns.list[0]'), '\0\0\0\0\0\0\xf0?');
  assert.equal(bytes('connection.id'), '\x07\0\0\0\0\0\0\0');
});

test('numbers of different types compare by value, times have their methods, maps their keys', () => {
  for (const text of [
    'connection.id == 7 && connection.id == 7u && upstream.port < 80.5',
    'request.time.getFullYear() == 2023',
    "'x-a' in request.headers && !('x-b' in request.headers) && request.headers.size() == 1",
    'has(request.path) && !has(request.nothing)',
    '[1, 2].map(x, x * 2) == [2, 4] && [1, 2].exists(request, request > 1)',
    "'a' + string(upstream.port) == 'a80' && int('5') == 5 && dyn(1) == 1 && type(1) == int",
    "request.path.matches('^/a$') && request.path.contains('a') && request.path.endsWith('a')",
  ])
    assert.equal(value(text), true, text);
});

test('any text either compiles or is refused, whatever it is made of', () => {
  const words = [
    'request',
    '.',
    'path',
    '(',
    ')',
    '[',
    ']',
    '"',
    "'",
    '&&',
    '?',
    ':',
    '1',
    '-',
    '==',
    '{',
    '}',
    ',',
    ' ',
    'in',
    '\0',
    'é',
    '\\',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), parts => {
      try {
        value(parts.join(''));
      } catch (error) {
        if (!(error instanceof CelSyntaxError) && !(error instanceof CelEvaluationError)) throw error;
      }
    }),
    { numRuns: 300 },
  );
});
