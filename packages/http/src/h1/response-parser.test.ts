import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { responseParserOptions } from '../limits.ts';
import { HeadError } from './codec-error.ts';
import { BodyEnd, parseResponse, ResponseHead } from './response-parser.ts';

const OPTIONS = responseParserOptions();

function parse(text: string): { consumed: number; head: ResponseHead } {
  const head = new ResponseHead();
  const bytes = Buffer.from(text, 'latin1');
  return { head, consumed: parseResponse(head, bytes, 0, bytes.length, OPTIONS) };
}

function response(status: string, ...lines: string[]): string {
  return `HTTP/1.1 ${status}\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`;
}

function accepts(text: string): ResponseHead {
  const { consumed, head } = parse(text);
  assert.equal(consumed, text.length, JSON.stringify(text));
  return head;
}

function refuses(...texts: string[]): void {
  for (const text of texts) assert.ok(parse(text).consumed < 0, JSON.stringify(text));
}

describe('responses from the upstream', () => {
  test('Content-Length + Transfer-Encoding; Content-Length twice and different; invalid', () => {
    refuses(
      response('200 OK', 'Content-Length: 4', 'Transfer-Encoding: chunked'),
      response('200 OK', 'Content-Length: 4', 'Content-Length: 5'),
      response('200 OK', 'Content-Length: 4', 'Content-Length: x'),
      response('200 OK', 'Content-Length: 4, 4'),
      response('200 OK', 'Content-Length: +4'),
      response('200 OK', 'Content-Length:'),
      response('200 OK', 'Transfer-Encoding: gzip, chunked'),
      response('200 OK', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
      'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
  });

  test('the same Content-Length twice is one', () => {
    const head = accepts(response('200 OK', 'Content-Length: 4', 'X: y', 'Content-Length: 4'));
    assert.equal(head.contentLength, 4);
    assert.equal(head.headers.serialize(), 'content-length: 4\r\nx: y\r\n');
  });

  test('1xx before the final response; 101 is final', () => {
    for (const status of [100, 102, 103, 199]) assert.equal(accepts(response(`${status} x`)).interim, true);
    for (const status of [99, 101, 200, 204]) assert.equal(accepts(response(`${status} x`)).interim, false);
  });

  test('HEAD/204/304: no body is read', () => {
    const withLength = (status: string) => accepts(response(status, 'Content-Length: 4'));
    assert.equal(withLength('200 OK').bodyEnd('HEAD'), 0);
    assert.equal(withLength('304 Not Modified').bodyEnd('GET'), 0);
    assert.equal(withLength('304 Not Modified').headers.get('content-length'), '4');
    const noContent = accepts(response('204 No Content', 'Content-Length: 0'));
    assert.equal(noContent.bodyEnd('GET'), 0);
    assert.equal(noContent.headers.has('content-length'), false);
    assert.equal(accepts(response('200 OK')).bodyEnd('CONNECT'), 0);
    assert.equal(accepts(response('404 Not Found', 'Content-Length: 4')).bodyEnd('CONNECT'), 4);
  });

  test('a 1xx or 204 that announces a body is malformed', () => {
    for (const status of ['100 Continue', '101 Switching Protocols', '204 No Content'])
      for (const line of ['Content-Length: 4', 'Transfer-Encoding: chunked']) refuses(response(status, line));
  });

  test('no framing: read to close', () => {
    assert.equal(accepts(response('200 OK')).bodyEnd('GET'), BodyEnd.CLOSE);
    assert.equal(accepts(response('200 OK', 'Content-Length: 0')).bodyEnd('GET'), 0);
    const chunked = accepts(response('200 OK', 'Transfer-Encoding: Chunked'));
    assert.equal(chunked.bodyEnd('GET'), BodyEnd.CHUNKED);
    assert.equal(chunked.bodyEnd('HEAD'), 0);
    assert.equal(chunked.chunked, true);
    assert.equal(chunked.headers.lineCount, 0);
  });

  test('header injection in a value (bare CR/LF/NUL)', () => {
    for (const value of ['a\rb', 'a\nb', 'a\0b', 'a\x7fb']) refuses(response('200 OK', `X: ${value}`));
    refuses(
      response('200 O\nK'),
      response('200 O\rK'),
      response('200 OK', ' folded'),
      response('200 OK', 'X : y'),
      'HTTP/1.1 200 OK\nX: y\n\n',
    );
  });

  test('versions and persistence', () => {
    assert.equal(accepts(response('200 OK')).persistent, true);
    assert.equal(accepts(response('200 OK', 'Connection: close')).persistent, false);
    assert.equal(accepts('HTTP/1.0 200 OK\r\n\r\n').persistent, false);
    assert.equal(accepts('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n').persistent, true);
    refuses(
      'HTTP/1.2 200 OK\r\n\r\n',
      'HTTP/2.0 200 OK\r\n\r\n',
      'http/1.1 200 OK\r\n\r\n',
      'ICY 200 OK\r\n\r\n',
      'HTTP/1.1  200 OK\r\n\r\n',
      '\r\nHTTP/1.1 200 OK\r\n\r\n',
    );
  });

  test('status 99, 600 and 1000 pass; the reason phrase is dropped and may be missing', () => {
    for (const status of [99, 200, 299, 600, 999, 1000])
      assert.equal(accepts(response(`${status} Whatever \xe9`)).headers.status, status);
    assert.equal(accepts(response('200')).headers.status, 200);
    assert.equal(accepts(response('200 ')).headers.status, 200);
    for (const status of ['98', '1001', '20', '20000', '0200', '-200', '2x0', '', '+200', '200OK'])
      refuses(response(`${status} OK`));
  });

  test('Connection does not remove the response headers it names', () => {
    const lines = ['Connection: x, keep-alive', 'X: y', 'Keep-Alive: 5', 'Proxy-Connection: z', 'TE: q'];
    const head = accepts(response('200 OK', ...lines));
    assert.equal(head.headers.serialize(), 'x: y\r\nte: q\r\n');
  });

  test('Upgrade is kept for 101', () => {
    const head = accepts(response('101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'));
    assert.equal(head.upgrade, 'websocket');
    assert.equal(head.headers.lineCount, 0);
  });

  test('limits: 80 KiB and 100 headers', () => {
    assert.ok(parse(response('200 OK', `X: ${'b'.repeat(70_000)}`)).consumed > 0);
    assert.equal(
      parse(response('200 OK', `X: ${'b'.repeat(100_000)}`)).consumed,
      HeadError.HEADERS_TOO_LARGE,
    );
    assert.equal(parse(`HTTP/1.1 200 ${'b'.repeat(100_000)}`).consumed, HeadError.HEADERS_TOO_LARGE);
    const lines = Array.from({ length: 101 }, (_, i) => `x-${i}: v`);
    assert.equal(parse(response('200 OK', ...lines)).consumed, HeadError.TOO_MANY_HEADERS);
    assert.ok(parse(response('200 OK', ...lines.slice(1))).consumed > 0);
  });

  test('every prefix of a response is incomplete', () => {
    for (const text of [
      response('200 OK', 'Content-Length: 4', 'X: y'),
      response('99', 'A: b'),
      response('200'),
    ]) {
      for (let length = 0; length < text.length; length++)
        assert.equal(parse(text.slice(0, length)).consumed, 0, JSON.stringify(text.slice(0, length)));
      accepts(text);
    }
  });
});
