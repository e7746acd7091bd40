import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestParserOptions } from '../limits.ts';
import { HeadAccumulator } from './head-accumulator.ts';
import { RequestHead } from './request-head.ts';
import { parseRequest } from './request-parser.ts';

const HEAD = '\r\nGET / HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n';

/** Feeds `text` byte by byte; answers what the parser said last and how often it was asked. */
function drip(text: string, maxBytes = 60 * 1024): { verdict: number; asked: number; at: number } {
  const head = new RequestHead();
  const options = requestParserOptions({ maxHeadersBytes: maxBytes });
  const waiting = new HeadAccumulator(maxBytes);
  const bytes = Buffer.from(text, 'latin1');
  waiting.begin(bytes, 0, 1);
  let asked = 0;
  for (let i = 1; i < bytes.length; i++) {
    if (!waiting.append(bytes, i, i + 1)) continue;
    asked++;
    const verdict = parseRequest(head, waiting.buffer, 0, waiting.length, options);
    if (verdict !== 0) return { verdict, asked, at: i + 1 };
  }
  return { verdict: 0, asked, at: bytes.length };
}

test('a dripping head is parsed once, when it is complete', () => {
  assert.deepEqual(drip(HEAD), { verdict: HEAD.length, asked: 1, at: HEAD.length });
});

test('bytes behind the head stay available', () => {
  const waiting = new HeadAccumulator(1024);
  const bytes = Buffer.from(`${HEAD}more`, 'latin1');
  waiting.begin(bytes, 0, 10);
  assert.equal(waiting.append(bytes, 10, bytes.length), true);
  assert.equal(waiting.buffer.latin1Slice(HEAD.length, waiting.length), 'more');
  waiting.clear();
  assert.equal(waiting.pending, false);
  assert.equal(waiting.length, 0);
});

test('a bare LF is told to the parser at once', () => {
  const { verdict, at } = drip('GET / HTTP/1.1\r\nHost: h\nX: y\n\n');
  assert.ok(verdict < 0);
  assert.equal(at, 'GET / HTTP/1.1\r\nHost: h\n'.length);
});

test('a head over the limit is told to the parser', () => {
  const { verdict, at } = drip(`GET / HTTP/1.1\r\nX: ${'b'.repeat(2000)}`, 1024);
  assert.ok(verdict < 0);
  assert.equal(at, 1025);
});
