import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatten, isAuthority, isHeaderName, isHeaderValue, isRequestTarget } from './header-validation.ts';

test('names are tokens', () => {
  for (const name of ['a', 'X-A', "!#$%&'*+-.^_`|~"]) assert.equal(isHeaderName(name), true, name);
  for (const name of ['', 'a b', 'a:', ':path', 'a\r\n', 'a\0', 'é', '\u012d', 'a/b'])
    assert.equal(isHeaderName(name), false, name);
});

test('values hold latin1 without control characters', () => {
  for (const value of ['', 'a b', 'a\tb', '\xff\x80']) assert.equal(isHeaderValue(value), true);
  // U+010D and U+010A would be CR and LF once written as latin1.
  for (const value of ['\r', '\n', '\0', '\x7f', '\x1f', '\u010d\u010a', 'a\u0100', '\u{1f600}'])
    assert.equal(isHeaderValue(value), false);
});

test('targets and authorities', () => {
  for (const path of ['/', '/a?b=c', '*', '/{}|"']) assert.equal(isRequestTarget(path), true, path);
  for (const path of ['', '/a b', '/\r\n', '/#', '/\xe9', '/\u012f'])
    assert.equal(isRequestTarget(path), false, path);
  for (const host of ['', 'a:80', '[::1]:80']) assert.equal(isAuthority(host), true, host);
  for (const host of ['a,b', 'u@a', 'a/b', 'a b', 'a\r', '\u0161'])
    assert.equal(isAuthority(host), false, host);
});

test('flatten keeps the text', () => {
  for (const text of ['', 'a', 'caf\xe9', 'x'.repeat(100)]) assert.equal(flatten(text), text);
});
