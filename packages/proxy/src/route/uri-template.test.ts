import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UriTemplate, UriTemplateRewrite } from './uri-template.ts';

test('operators and variables', () => {
  const one = new UriTemplate('/u/{id}/x/*');
  assert.deepEqual(
    ['/u/1/x/2', '/u/1/x', '/u/1/x/2/3', '/u//x/2'].map(path => one.matches(path)),
    [true, false, false, false],
  );
  assert.deepEqual(one.read('/u/1/x/2'), ['1']);
  const two = new UriTemplate('/v/{a=*}/{rest=**}');
  assert.deepEqual(two.read('/v/a/b/c'), ['a', 'b/c']);
  assert.deepEqual(two.read('/v/a/'), ['a', '']);
  assert.equal(two.read('/v/a'), null);
  const suffix = new UriTemplate('/w/**.m3u8');
  assert.deepEqual(
    ['/w/a/b.m3u8', '/w/.m3u8', '/w/a.ts', '/w/axm3u8'].map(path => suffix.matches(path)),
    [true, true, false, false],
  );
});

test('rewrites are made of the variables', () => {
  const template = new UriTemplate('/v/{a=*}/{rest=**}');
  assert.equal(new UriTemplateRewrite(template, '/{rest}/{a}').apply('/v/1/b/c'), '/b/c/1');
  assert.equal(new UriTemplateRewrite(template, '/{a}').apply('/other'), null);
  assert.throws(() => new UriTemplateRewrite(template, '/{b}'), /has no variable \{b\}/);
});

test('templates that say nothing clear are refused', () => {
  for (const template of [
    'a',
    '/{1a}',
    '/{a}/{a}',
    '/**/*',
    '/**/**',
    '/a b',
    '/{a',
    '/{a}/{b}/{c}/{d}/{e}/{f}',
  ])
    assert.throws(() => new UriTemplate(template), /path template/, template);
});

test('property: literal templates match themselves alone', () => {
  const literal = fc.stringMatching(/^[a-zA-Z0-9\-._~%!$&'()+,;:@=]{1,12}$/);
  fc.assert(
    fc.property(literal, literal, (a, b) => {
      const template = new UriTemplate(`/${a}/{v}`);
      assert.deepEqual(template.read(`/${a}/${b}`), [b]);
      assert.equal(new UriTemplate(`/${a}`).matches(`/${b}`), a === b);
    }),
  );
});
