import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PropertyValue } from '@dragoman/vm';
import { CelEvaluationError, CelExpression, CelSyntaxError, MAX_EXPRESSION_BYTES } from './cel-expression.ts';

const asked: string[] = [];
const source = (path: readonly string[]): PropertyValue => {
  asked.push(path.join('.'));
  const values: Record<string, PropertyValue> = {
    'request.path': '/a',
    'request.duration': 1_500_000_000n,
    'connection.mtls': true,
    'upstream.port': 80n,
  };
  return values[path.join('.')];
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
  assert.throws(() => value('no_such_function(1)'), CelEvaluationError);
  assert.throws(() => value('request.nothing'), CelEvaluationError);
  assert.throws(() => value(`"${'x'.repeat(MAX_EXPRESSION_BYTES)}"`), /longer than 65536 bytes/);
});
