// Recorded from Envoy 1.40.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHeaders } from '@dragoman/http';
import fc from 'fast-check';
import { normalizedPath, normalizePath } from './path-normalization.ts';
import type { ManagerSettings } from './settings.ts';

test('normalize_path', () => {
  const cases: readonly [string, string | null][] = [
    ['/a/../b', '/b'],
    ['/../../x', '/x'],
    ['/a/..', '/'],
    ['/a/.', '/a/'],
    ['/%61%7e', '/a~'],
    ['/%2e%2e/x', '/x'],
    ['/a%2fb', '/a%2fb'],
    ['/a%2F%5c', '/a%2F%5c'],
    ['/a\\b', '/a/b'],
    ['/%', '/%'],
    ['/%zz', '/%zz'],
    ['/%00', null],
    ['/%C3%a9', '/%C3%a9'],
    ['/a|b^c`{}"<>', '/a%7Cb%5Ec%60%7B%7D%22%3C%3E'],
    ['/a/...', '/a/...'],
  ];
  for (const [path, expected] of cases) assert.equal(normalizedPath(path), expected, path);
});

test('property: a normalised path is its own normal form, and begins with a slash', () => {
  const piece = fc.constantFrom('a', '.', '..', '/', '//', '%2e', '%2F', '%', '\\', '|', '~', '%41', '%c3');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
      const path = normalizedPath(`/${pieces.join('')}`);
      if (path === null) return;
      assert.equal(path[0], '/');
      assert.doesNotMatch(path, /\/\.\.?(\/|$)/);
    }),
  );
});

test('escaped slashes and merged ones; the query is left alone', () => {
  const settle = (path: string, settings: Partial<ManagerSettings>) => {
    const headers = RequestHeaders.fromPairs([':path', path]);
    const defaults = { normalizePath: false, mergeSlashes: false, escapedSlashes: 'KEEP_UNCHANGED' };
    return [normalizePath(headers, { ...defaults, ...settings } as ManagerSettings), headers.path];
  };
  assert.deepEqual(settle('//a//b?c//d', { mergeSlashes: true }), ['continue', '/a/b?c//d']);
  assert.deepEqual(settle('///', { mergeSlashes: true }), ['continue', '//']);
  assert.deepEqual(settle('/a%2Fb', { escapedSlashes: 'REJECT_REQUEST' }), ['reject', '/a%2Fb']);
  assert.deepEqual(settle('/a%5Cb?%2F', { escapedSlashes: 'UNESCAPE_AND_FORWARD' }), [
    'continue',
    '/a\\b?%2F',
  ]);
  assert.deepEqual(settle('/a%2Fb', { escapedSlashes: 'UNESCAPE_AND_REDIRECT' }), ['redirect', '/a/b']);
});
