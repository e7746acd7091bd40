import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROPER_CASE, PreservedCase, withHeaderCase } from './header-case.ts';

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: a:b\r\nx-own-thing: 1\r\netag: "x"\r\n\r\n';

test('words', () => {
  assert.equal(
    withHeaderCase(HEAD, PROPER_CASE),
    'HTTP/1.1 200 OK\r\nContent-Type: a:b\r\nX-Own-Thing: 1\r\nEtag: "x"\r\n\r\n',
  );
  assert.equal(withHeaderCase(HEAD, null), HEAD);
});

test('names as they came, the first spelling of each; others in lower case or as words', () => {
  const came = 'HTTP/1.1 200 Fine By Me\r\nETag: "y"\r\nX-OWN-thing: 1\r\nx-own-THING: 2\r\n\r\n';
  assert.equal(
    withHeaderCase(HEAD, new PreservedCase(came, null, false)),
    'HTTP/1.1 200 OK\r\ncontent-type: a:b\r\nX-OWN-thing: 1\r\nETag: "x"\r\n\r\n',
  );
  assert.equal(
    withHeaderCase(HEAD, new PreservedCase(came, PROPER_CASE, true)),
    'HTTP/1.1 200 Fine By Me\r\nContent-Type: a:b\r\nX-OWN-thing: 1\r\nETag: "x"\r\n\r\n',
  );
});

test('a reason phrase is no start of another line', () => {
  const odd = new PreservedCase('HTTP/1.1 200 $1$& x\r\n\r\n', null, true);
  assert.equal(withHeaderCase('HTTP/1.1 200 OK\r\n\r\n', odd), 'HTTP/1.1 200 $1$& x\r\n\r\n');
});
