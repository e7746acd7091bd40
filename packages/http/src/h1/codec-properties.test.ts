import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HeaderMap } from '../header-map.ts';
import { requestParserOptions, responseParserOptions } from '../limits.ts';
import { chunkedEnd, chunkHeader } from './body-framing.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { HeadAccumulator } from './head-accumulator.ts';
import { RequestHead } from './request-head.ts';
import { parseRequest } from './request-parser.ts';
import { parseResponse, ResponseHead } from './response-parser.ts';

const REQUEST = requestParserOptions();
const RESPONSE = responseParserOptions();
const latin1 = (text: string) => Buffer.from(text, 'latin1');

function parse(text: string): { consumed: number; head: RequestHead } {
  const head = new RequestHead();
  const bytes = latin1(text);
  return { consumed: parseRequest(head, bytes, 0, bytes.length, REQUEST), head };
}

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~A-Za-z0-9-]{1,12}$/);
const value = fc.stringMatching(/^([!-~\xa1-\xff]([ \t!-~\xa1-\xff]{0,20}[!-~\xa1-\xff])?)?$/);
const plainName = token.filter(
  name =>
    !/^(host|connection|te|upgrade|keep-alive|proxy-connection|expect|http2-settings|content-length|transfer-encoding)$/i.test(
      name,
    ),
);
const path = fc.stringMatching(/^\/[!-"$-~]{0,30}$/);
const lines = fc.array(fc.tuple(plainName, value), { maxLength: 12 });
const blank = fc.constantFrom('', ' ', '  ', '\t', ' \t ');

interface Message {
  text: string;
  path: string;
  lines: [string, string][];
}

const request: fc.Arbitrary<Message> = fc
  .tuple(path, fc.array(fc.tuple(plainName, blank, value, blank)), fc.nat())
  .map(([target, fields, at]) => {
    const written = fields.map(([name, before, text, after]) => `${name}:${before}${text}${after}`);
    written.splice(at % (written.length + 1), 0, 'Host: h.test:8080');
    return {
      text: `GET ${target} HTTP/1.1\r\n${written.join('\r\n')}\r\n\r\n`,
      path: target,
      lines: fields.map(([name, , text]) => [name.toLowerCase(), text]),
    };
  });

function linesOf(map: HeaderMap): [string, string][] {
  const all: [string, string][] = [];
  map.forEachLine((name, text) => {
    all.push([name, text]);
  });
  return all;
}

describe('heads', () => {
  test('what is parsed, serialised and parsed again is the same', () => {
    fc.assert(
      fc.property(request, message => {
        const first = parse(message.text);
        assert.equal(first.consumed, message.text.length);
        assert.equal(first.head.headers.path, message.path);
        assert.deepEqual(linesOf(first.head.headers), message.lines);
        const wire = `${first.head.headers.requestLine()}${first.head.headers.serialize()}\r\n`;
        const second = parse(wire);
        assert.equal(second.consumed, wire.length);
        assert.deepEqual(second.head.headers.toPairs(), first.head.headers.toPairs());
        assert.equal(`${second.head.headers.requestLine()}${second.head.headers.serialize()}\r\n`, wire);
      }),
    );
  });

  test('edited heads keep their shape on the wire', () => {
    fc.assert(
      fc.property(request, lines, fc.array(fc.nat(20), { maxLength: 4 }), (message, added, removed) => {
        const { headers } = parse(message.text).head;
        for (const index of removed) {
          const line = message.lines[index];
          if (line !== undefined) headers.remove(line[0]);
        }
        for (const [name, text] of added) headers.set(name, text);
        const wire = `${headers.requestLine()}${headers.serialize()}\r\n`;
        const again = parse(wire);
        assert.equal(again.consumed, wire.length);
        assert.deepEqual(again.head.headers.toPairs(), headers.toPairs());
      }),
    );
  });

  test('a head in pieces gives what it gives in one', () => {
    fc.assert(
      fc.property(request, fc.array(fc.nat(400), { maxLength: 6 }), (message, cuts) => {
        const bytes = latin1(`${message.text}rest`);
        const whole = parse(message.text).head.headers.toPairs();
        const ends = [...new Set([...cuts.map(cut => Math.min(cut, bytes.length)), bytes.length])].sort(
          (a, b) => a - b,
        );
        const head = new RequestHead();
        const waiting = new HeadAccumulator(REQUEST.maxHeadersBytes);
        let consumed = 0;
        let from = 0;
        for (const end of ends) {
          if (!waiting.pending) {
            consumed = parseRequest(head, Buffer.from(bytes.subarray(from, end)), 0, end - from, REQUEST);
            if (consumed === 0) waiting.begin(bytes, from, end);
          } else if (waiting.append(bytes, from, end)) {
            consumed = parseRequest(head, waiting.buffer, 0, waiting.length, REQUEST);
          }
          from = end;
          if (consumed !== 0) break;
        }
        assert.equal(consumed, message.text.length);
        assert.deepEqual(head.headers.toPairs(), whole);
      }),
    );
  });

  test('every prefix of a head is incomplete, never something else', () => {
    fc.assert(
      fc.property(
        request,
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (message, share) => {
          const prefix = message.text.slice(0, Math.floor(message.text.length * share));
          assert.equal(parse(prefix).consumed, 0);
        },
      ),
    );
  });

  test('responses: parsed, serialised and parsed again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 99, max: 1000 }), lines, (status, fields) => {
        const head = new ResponseHead();
        const wire = `HTTP/1.1 ${status} Any\r\n${fields.map(([name, text]) => `${name}:${text}\r\n`).join('')}\r\n`;
        assert.equal(parseResponse(head, latin1(wire), 0, wire.length, RESPONSE), wire.length);
        assert.equal(head.headers.status, status);
        const expected = fields.map(([name, text]) => [name.toLowerCase(), text]);
        assert.deepEqual(linesOf(head.headers), expected);
      }),
    );
  });
});

// --- mutations ---

const SEEDS = [
  'POST /a?b=c HTTP/1.1\r\nHost: h.test\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
  'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'GET http://t.test/x HTTP/1.1\r\nHost: h\r\nConnection: close, x-y\r\nX-Y: 1\r\n\r\n',
  'PUT /p HTTP/1.1\r\nX-A:1\r\nhost: h\r\ncontent-length: 0\r\nTE: trailers\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n',
];
const INSERTS = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  '\v',
  '\f',
  ',',
  ';',
  ':',
  '"',
  '\\',
  '\x80',
  '\xa0',
  '\xff',
  '_',
  '+',
  '-',
  '0x',
];
const LINES = [
  'Content-Length: 5',
  'Content-Length: 6',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: xchunked',
  'Host: h2',
  ' x',
];

type Mutation =
  | ['insert', number, string]
  | ['delete', number]
  | ['duplicate', number]
  | ['line', number, string];
const at = fc.nat(200);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.constant('insert' as const), at, fc.constantFrom(...INSERTS)),
  fc.tuple(fc.constant('delete' as const), at),
  fc.tuple(fc.constant('duplicate' as const), at),
  fc.tuple(fc.constant('line' as const), at, fc.constantFrom(...LINES)),
);

function mutate(text: string, [kind, position, extra]: Mutation): string {
  const i = position % text.length;
  switch (kind) {
    case 'insert':
      return text.slice(0, i) + extra + text.slice(i);
    case 'delete':
      return text.slice(0, i) + text.slice(i + 1);
    case 'duplicate':
      return text.slice(0, i) + text[i] + text.slice(i);
    default: {
      const headEnd = text.indexOf('\r\n\r\n');
      const lineStart = text.indexOf('\r\n', i % Math.max(headEnd, 1));
      return lineStart < 0 ? text : `${text.slice(0, lineStart)}\r\n${extra}${text.slice(lineStart)}`;
    }
  }
}

/** A second, simple reading of RFC 9112 to compare with: the framing of the head, or null when it must be refused. */
function strictFraming(text: string): { end: number; length: number; chunked: boolean } | null {
  const start = text.match(/^(\r\n)*/)![0].length;
  const headEnd = text.indexOf('\r\n\r\n', start);
  if (headEnd < 0) return null;
  const [first, ...fields] = text.slice(start, headEnd).split('\r\n');
  if (!/^[A-Z]+ [!-"$-~]+ HTTP\/1\.1$/.test(first)) return null;
  let length = -1;
  let chunked = false;
  let hosts = 0;
  for (const field of fields) {
    const match = field.match(/^([!#$%&'*+.^_`|~A-Za-z0-9-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*$/);
    if (match === null) return null;
    const [, name, content] = match;
    switch (name.toLowerCase()) {
      case 'host':
        if (++hosts > 1 || /[^A-Za-z0-9._~!$&'()*+;=:%[\]-]/.test(content)) return null;
        break;
      case 'content-length':
        if (length >= 0 || chunked || !/^\d{1,16}$/.test(content)) return null;
        length = Number(content);
        break;
      case 'transfer-encoding':
        if (length >= 0 || chunked || content.toLowerCase() !== 'chunked') return null;
        chunked = true;
        break;
    }
  }
  return { end: headEnd + 4, length, chunked };
}

describe('mutated bytes', () => {
  test('are refused, incomplete, or framed as a plain strict reading frames them, before and after forwarding', () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...SEEDS),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        (seed, mutations) => {
          const text = mutations.reduce(mutate, seed);
          const { consumed, head } = parse(text);
          if (consumed <= 0) return;
          accepted++;
          const framing = strictFraming(text);
          assert.deepEqual(
            { end: consumed, length: head.contentLength, chunked: head.chunked },
            framing,
            JSON.stringify(text),
          );
          const { headers } = head;
          const line = head.chunked ? 'transfer-encoding: chunked\r\n' : '';
          const wire = `${headers.requestLine()}${headers.serialize()}${line}\r\n`;
          assert.deepEqual(
            strictFraming(wire),
            { end: wire.length, length: head.contentLength, chunked: head.chunked },
            JSON.stringify(text),
          );
        },
      ),
      { numRuns: 4000 },
    );
    assert.ok(accepted > 100, `${accepted} accepted`);
  });
});

describe('chunked bodies', () => {
  const chunks = fc.array(fc.string({ minLength: 1, maxLength: 40, unit: 'binary-ascii' }), { maxLength: 6 });

  function decode(
    bytes: Buffer,
    cuts: readonly number[],
  ): { data: string; consumed: number; trailers: string[] } {
    const decoder = new ChunkedDecoder({ keepTrailers: true });
    let data = '';
    const sink = {
      onChunkData: (buffer: Buffer, start: number, end: number) => {
        data += buffer.latin1Slice(start, end);
      },
    };
    let from = 0;
    for (const end of [...cuts.map(cut => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]) {
      const position = decoder.feed(bytes, from, end, sink);
      if (position < 0) return { data, consumed: -1, trailers: [] };
      from = position;
      if (decoder.done) break;
    }
    return { data, consumed: decoder.done ? from : 0, trailers: decoder.trailers?.toPairs() ?? [] };
  }

  test('what is encoded comes out, in any pieces', () => {
    const cuts = fc.array(fc.nat(300), { maxLength: 6 });
    const trailerPairs = fc.array(fc.tuple(fc.constantFrom('x-a', 'grpc-status'), value), { maxLength: 3 });
    fc.assert(
      fc.property(chunks, trailerPairs, cuts, (parts, pairs, pieces) => {
        const body = parts.map(part => `${chunkHeader(part.length)}${part}\r\n`).join('');
        const wire = body + chunkedEnd(HeaderMap.fromPairs(pairs.flat()));
        const expected = { data: parts.join(''), consumed: wire.length, trailers: pairs.flat() };
        assert.deepEqual(decode(latin1(`${wire}GET`), pieces), expected);
      }),
    );
  });

  test('mutated framing gives one verdict, however it is cut', () => {
    const wire = '5;a="b"\r\nhello\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n';
    fc.assert(
      fc.property(
        fc.array(mutation, { minLength: 1, maxLength: 2 }),
        fc.array(fc.nat(60), { maxLength: 5 }),
        (mutations, pieces) => {
          const bytes = latin1(mutations.reduce(mutate, wire));
          const whole = decode(bytes, []);
          const cut = decode(bytes, pieces);
          assert.equal(cut.consumed, whole.consumed);
          if (whole.consumed > 0) assert.deepEqual(cut, whole);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
