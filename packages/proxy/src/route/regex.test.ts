import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { FullMatchRegex, RegexSubstitution } from './regex.ts';

test('a pattern has to match the whole subject', () => {
  const regex = new FullMatchRegex('/r/[0-9]+');
  assert.equal(regex.matches('/r/12'), true);
  assert.equal(regex.matches('/r/12a'), false);
  assert.equal(new FullMatchRegex('a|ab').matches('ab'), true);
});

test('RE2 syntax that JavaScript does not have', () => {
  const cases: [pattern: string, subject: string, matches: boolean][] = [
    ['(?i)/word/\\pL+', '/WORD/Abc', true],
    ['(?i)/word/\\pL+', '/word/%C3', false],
    ['(?P<name>a+)b', 'aab', true],
    ['\\Aab\\z', 'ab', true],
    ['[[:alpha:]]+', 'abC', true],
    ['[[:alpha:]]+', 'ab1', false],
    ['[[:^digit:]]+', 'ab-', true],
    ['[]a]+', ']a]', true],
    ['[^]a]', 'b', true],
    ['\\Qa.b\\E+', 'a.bbb', true],
    ['a(?i)b|c', 'aB', true],
    ['a(?i)b|c', 'C', true],
    ['(?i:a)b', 'AB', false],
    ['a{,2}', 'a{,2}', true],
    ['[\\d\\s]+', '1 2', true],
    ['[^\\S]', ' ', true],
    ['\\x{41}\\x42\\103', 'ABC', true],
    ['(?s)a.b', 'a\nb', true],
    ['a.b', 'a\nb', false],
    ['(?m)a$\\nb', 'a\nb', true],
    ['\\p{Greek}+', Buffer.from('λόγος').toString('latin1'), true],
    ['\\p{^Greek}', 'a', true],
    ['.', Buffer.from('é').toString('latin1'), true],
    ['^*a', 'a', true],
  ];
  for (const [pattern, subject, matches] of cases)
    assert.equal(new FullMatchRegex(pattern).matches(subject), matches, `${pattern} on ${subject}`);
});

test('what is not RE2 is refused in its words', () => {
  assert.throws(() => new FullMatchRegex('a(?=b)'), /invalid perl operator: \(\?=/);
  assert.throws(() => new FullMatchRegex('a**'), /bad repetition operator: \*\*/);
  assert.throws(() => new FullMatchRegex('('), /missing \): \(/);
  assert.throws(() => new FullMatchRegex('(a)\\1'), /invalid escape sequence: \\1/);
});

test('substitutions replace all matches with groups', () => {
  const swap = new RegexSubstitution('^/regex/([a-z]+)/(\\d+)', '/\\2/\\1');
  assert.equal(swap.replaceAll('/regex/abc/12/rest'), '/12/abc/rest');
  assert.equal(swap.replaceAll('/regex/nope'), '/regex/nope');
  assert.equal(new RegexSubstitution('a', '<\\0>').replaceAll('banana'), 'b<a>n<a>n<a>');
  assert.equal(new RegexSubstitution('a*', '-').replaceAll('baac'), '-b-c-');
  assert.throws(() => new RegexSubstitution('a', '\\1'), /requests 1 matches, but the regexp only has 0/);
  assert.throws(() => new RegexSubstitution('a', '\\x'), /must be followed by a digit/);
  assert.throws(() => new RegexSubstitution('(a', '\\1'), /missing \)/);
});

/** Patterns over a small alphabet, from pieces that go wrong when translated carelessly. */
const piece = fc.constantFrom(
  'a',
  'B',
  '.',
  '[ab]',
  '[^a]',
  '[[:upper:]]',
  '\\w',
  '\\D',
  '(a|B)',
  '(?:b)',
  '(?i:a)',
  '^',
  '$',
  '\\b',
  '|',
);
const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '{1,2}', '*?');
const pattern = fc
  .array(fc.tuple(piece, quantifier), { minLength: 1, maxLength: 5 })
  .map(pieces => pieces.map(([text, repeat]) => (text === '|' ? text : text + repeat)).join(''));
const subject = fc
  .array(fc.constantFrom('a', 'b', 'A', 'B', '1', '\n', '-'), { maxLength: 6 })
  .map(all => all.join(''));

test('translated patterns match what RE2 matches', () => {
  fc.assert(
    fc.property(pattern, subject, (source, text) => {
      assert.equal(
        new FullMatchRegex(source).matches(text),
        RE2JS.compile(source).matches(text),
        `${source} on ${text}`,
      );
    }),
    { numRuns: 500 },
  );
});
