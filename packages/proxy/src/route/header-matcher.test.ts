import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderMatcher } from './header-matcher.ts';
import { decoded, request } from './test-fixture.ts';

/** Which of these values each matcher takes; recorded from Envoy. */
const VALUES: Record<string, Record<string, string | string[]>> = {
  absent: {},
  empty: { 'x-value': '' },
  one: { 'x-value': 'one' },
  ONE: { 'x-value': 'ONE' },
  'one, two': { 'x-value': ['one', 'two'] },
  'two, one': { 'x-value': ['two', 'one'] },
  '7': { 'x-value': '7' },
  '10': { 'x-value': '10' },
  '-5': { 'x-value': '-5' },
  '7.5': { 'x-value': '7.5' },
};
const ONES = ['one', 'one, two', 'two, one'];
const ALL = Object.keys(VALUES);
const PRESENT = ALL.filter(name => name !== 'absent');
const NOT_ONE = PRESENT.filter(name => !ONES.includes(name));

const cases: [title: string, config: Record<string, unknown>, taken: string[]][] = [
  ['exact', { string_match: { exact: 'one' } }, ONES],
  ['exact, ignoring case', { string_match: { exact: 'One', ignore_case: true } }, [...ONES, 'ONE']],
  ['prefix', { string_match: { prefix: 'on' } }, ONES],
  ['suffix', { string_match: { suffix: 'ne' } }, ONES],
  ['contains', { string_match: { contains: 'n' } }, ONES],
  ['regex', { string_match: { safe_regex: { regex: 'o[a-z]e' } } }, ONES],
  ['range', { range_match: { start: '-5', end: '10' } }, ['7', '-5']],
  ['present', { present_match: true }, PRESENT],
  ['absent', { present_match: false }, ['absent']],
  ['present, inverted', { present_match: true, invert_match: true }, ['absent']],
  ['exact, inverted', { string_match: { exact: 'one' }, invert_match: true }, NOT_ONE],
  [
    'missing as empty',
    { string_match: { exact: '' }, treat_missing_header_as_empty: true },
    ['absent', 'empty'],
  ],
  [
    'inverted, missing as empty',
    { string_match: { exact: 'one' }, invert_match: true, treat_missing_header_as_empty: true },
    ['absent', ...NOT_ONE],
  ],
  ['old exact_match', { exact_match: 'one' }, ONES],
  ['old prefix_match', { prefix_match: 'on' }, ONES],
  ['old suffix_match', { suffix_match: 'ne' }, ONES],
  ['old safe_regex_match', { safe_regex_match: { regex: 'o.e' } }, ONES],
  ['old contains_match', { contains_match: 'n' }, ONES],
  ['only the name', {}, PRESENT],
];

function matcher(config: Record<string, unknown>): HeaderMatcher {
  return new HeaderMatcher(decoded('envoy.config.route.v3.HeaderMatcher', { name: 'X-Value', ...config }));
}

for (const [title, config, taken] of cases) {
  test(`header matcher: ${title}`, () => {
    const compiled = matcher(config);
    const found = ALL.filter(name => compiled.matches(request('/', VALUES[name])));
    assert.deepEqual(found.sort(), taken.sort());
  });
}

test('pseudo headers and Host', () => {
  const matches = (name: string, exact: string): boolean =>
    new HeaderMatcher(
      decoded('envoy.config.route.v3.HeaderMatcher', { name, string_match: { exact } }),
    ).matches(request('/p?q'));
  assert.equal(matches(':method', 'GET'), true);
  assert.equal(matches(':authority', 'proxy.test'), true);
  assert.equal(matches('Host', 'proxy.test'), true);
  assert.equal(matches(':path', '/p?q'), true);
  assert.equal(matches(':scheme', 'https'), false);
});

test('a range takes whole 64-bit numbers within it, and nothing else', () => {
  const compiled = matcher({ range_match: { start: '-100', end: '100' } });
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), number => {
      assert.equal(
        compiled.matches(request('/', { 'x-value': String(number) })),
        number >= -100n && number < 100n,
      );
    }),
  );
});
