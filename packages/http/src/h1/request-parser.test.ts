import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type RequestParserOptions, requestParserOptions } from '../limits.ts';
import { requestRefusal } from './codec-error.ts';
import { RequestHead } from './request-head.ts';
import { parseRequest } from './request-parser.ts';

interface Parsed {
  consumed: number;
  head: RequestHead;
  /** 'GET / HTTP/1.1' and the lines as they would be forwarded; '' when refused or incomplete. */
  forwarded: string[];
  /** '400 http1.codec_error', with '(no body)' where the answer has none. */
  refusal: string;
}

function parse(text: string, options: Partial<RequestParserOptions> = {}): Parsed {
  const head = new RequestHead();
  const bytes = Buffer.from(text, 'latin1');
  const consumed = parseRequest(head, bytes, 0, bytes.length, requestParserOptions(options));
  if (consumed < 0) {
    const { status, body, details } = requestRefusal(consumed);
    return {
      consumed,
      head,
      forwarded: [],
      refusal: `${status}${body === '' ? ' (no body)' : ''} ${details}`,
    };
  }
  const wire = head.headers.requestLine() + head.headers.serialize();
  return { consumed, head, forwarded: consumed === 0 ? [] : wire.split('\r\n').slice(0, -1), refusal: '' };
}

function request(...lines: string[]): string {
  return `POST /p HTTP/1.1\r\nHost: h\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`;
}

/** Every text is refused, with this answer. */
function refuses(answer: string, ...texts: string[]): void {
  for (const text of texts) assert.equal(parse(text).refusal, answer, JSON.stringify(text));
}

function forwards(text: string, lines: string[], options: Partial<RequestParserOptions> = {}): RequestHead {
  const { refusal, forwarded, head } = parse(text, options);
  assert.equal(refusal, '', JSON.stringify(text));
  assert.deepEqual(forwarded, lines, JSON.stringify(text));
  return head;
}

const MALFORMED = '400 http1.codec_error';
const BAD_HOST = '400 http.invalid_authority';

describe('request framing', () => {
  test('Content-Length and Transfer-Encoding together', () => {
    const both = request('Content-Length: 4', 'Transfer-Encoding: chunked');
    refuses('400 http1.content_length_and_chunked_not_allowed', both);
    refuses(
      '400 http1.content_length_and_chunked_not_allowed',
      request('Transfer-Encoding: identity', 'Content-Length: 4'),
    );
  });

  test('allow_chunked_length drops the Content-Length beside chunked, and only there', () => {
    const both = request('Content-Length: 4', 'Transfer-Encoding: chunked');
    const head = forwards(both, ['POST /p HTTP/1.1', 'host: h'], { allowChunkedLength: true });
    assert.equal(head.chunked, true);
    assert.equal(head.contentLength, -1);
    const gzip = request('Content-Length: 4', 'Transfer-Encoding: gzip');
    assert.match(parse(gzip, { allowChunkedLength: true }).refusal, /^400/);
  });

  test('Content-Length twice, equal or not; list `5, 5`', () => {
    refuses(
      MALFORMED,
      request('Content-Length: 4', 'Content-Length: 4'),
      request('Content-Length: 4', 'Content-Length: 5'),
      request('Content-Length: 0', 'Content-Length: 0'),
      request('Content-Length: 5, 5'),
    );
  });

  test('Content-Length with sign, `0x`, blank inside, underscore, > 2^53, empty', () => {
    const values = ['+4', '-4', '0x4', '4 4', '4\t4', '1_0', '9007199254740992', '99999999999999999999', ''];
    for (const value of [...values, 'four', '4.0', '4e1', '\xb2']) {
      refuses(MALFORMED, request(`Content-Length: ${value}`));
    }
    assert.equal(parse(request('Content-Length: 9007199254740991')).head.contentLength, 2 ** 53 - 1);
    assert.equal(parse(request('content-length:   7  ')).head.contentLength, 7);
  });

  test('Transfer-Encoding other than exactly `chunked`', () => {
    const values = [
      'gzip',
      'gzip, chunked',
      'chunked, identity',
      'xchunked',
      'chunked,',
      ',chunked',
      '"chunked"',
      '',
    ];
    for (const value of [...values, 'identity', 'chunked;q=1', 'chunked chunked']) {
      refuses('501 http1.invalid_transfer_encoding', request(`Transfer-Encoding: ${value}`));
    }
    for (const line of [
      'Transfer-Encoding:\tchunked',
      'Transfer-Encoding: \tchunked',
      'Transfer-Encoding: chunked\t',
    ])
      refuses('501 http1.invalid_transfer_encoding', request(line));
    assert.match(parse(request('Transfer-Encoding: \x0bchunked')).refusal, /^400/);
  });

  test('`chunked` counts in any case and is not forwarded as a line', () => {
    for (const value of ['chunked', 'CHUNKED', 'Chunked']) {
      const head = forwards(request(`Transfer-Encoding: ${value}`), ['POST /p HTTP/1.1', 'host: h']);
      assert.equal(head.chunked, true);
      assert.equal(head.hasBody, true);
    }
  });

  test('Transfer-Encoding on HTTP/1.0', () => {
    const text = 'POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n';
    refuses(MALFORMED, text);
    assert.equal(parse(text, { acceptHttp10: true }).refusal, MALFORMED);
  });

  test('Transfer-Encoding twice', () => {
    const line = 'Transfer-Encoding: chunked';
    refuses(
      '501 http1.invalid_transfer_encoding',
      request(line, line),
      request('Transfer-Encoding: gzip', line),
    );
  });

  test('Body on GET/HEAD/DELETE is framed normally', () => {
    for (const method of ['GET', 'HEAD', 'DELETE']) {
      const { head } = parse(`${method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc`);
      assert.equal(head.contentLength, 3);
      assert.equal(head.hasBody, true);
    }
  });

  test('bytes after the end of a request are left for the next', () => {
    const first = request('Content-Length: 0');
    assert.equal(parse(first + request('X: 2')).consumed, first.length);
  });
});

describe('request syntax', () => {
  test('Bare LF ending a header line, the request line; bare CR anywhere', () => {
    refuses(
      MALFORMED,
      'GET / HTTP/1.1\nHost: h\n\n',
      'GET / HTTP/1.1\nHost: h\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: h\r\n\n',
      'GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n',
      'GET / HTTP/1.1\rHost: h\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: h\r\n\rX: y\r\n\r\n',
      'GET / HTTP/1.1\r\nX\r: y\r\n\r\n',
      '\nGET / HTTP/1.1\r\nHost: h\r\n\r\n',
    );
    refuses('400 http1.invalid_characters', request('X-A: a\rb'));
  });

  test('obs-fold, first header line starting with SP', () => {
    refuses(
      MALFORMED,
      request('X-A: one', ' two'),
      request('X-A: one', '\ttwo'),
      request('Transfer-Encoding:', ' chunked'),
      'GET / HTTP/1.1\r\n Folded: a\r\nHost: h\r\n\r\n',
    );
  });

  test('Space or tab before the colon; empty header name; name with a non-token character', () => {
    const names = ['X-A ', 'X-A\t', '', 'X A', 'X(A)', 'X-\xe9', ':path', 'X"', 'X\0', 'X/Y', 'X{', 'X,'];
    for (const name of names) refuses(MALFORMED, request(`${name}: a`));
    refuses(MALFORMED, request('nonsense'), request('Transfer-Encoding : chunked'));
    forwards(request("!#$%&'*+-.^_`|~: a"), ['POST /p HTTP/1.1', 'host: h', "!#$%&'*+-.^_`|~: a"]);
  });

  test('NUL, CR, LF, other control characters in a value (HT allowed)', () => {
    for (let code = 0; code < 0x20; code++) {
      if (code === 0x09 || code === 0x0a || code === 0x0d) continue;
      refuses('400 http1.invalid_characters', request(`X-A: a${String.fromCharCode(code)}b`));
    }
    refuses('400 http1.invalid_characters', request('X-A: a\x7fb'));
    forwards(request('X-A: a\tb'), ['POST /p HTTP/1.1', 'host: h', 'x-a: a\tb']);
  });

  test('Bytes >= 0x80 in a value are kept byte for byte', () => {
    const value = String.fromCharCode(...Array.from({ length: 128 }, (_, i) => 128 + i));
    forwards(request(`X-A: ${value}`), ['POST /p HTTP/1.1', 'host: h', `x-a: ${value}`]);
  });

  test('Header name with underscore, per headers_with_underscores_action', () => {
    const text = request('X_A: 1', 'X-B: 2');
    forwards(text, ['POST /p HTTP/1.1', 'host: h', 'x_a: 1', 'x-b: 2']);
    assert.equal(
      parse(text, { headersWithUnderscores: 'REJECT_REQUEST' }).refusal,
      '400 http1.unexpected_underscore',
    );
    const dropped = forwards(text, ['POST /p HTTP/1.1', 'host: h', 'x-b: 2'], {
      headersWithUnderscores: 'DROP_HEADER',
    });
    assert.equal(dropped.droppedUnderscores, 1);
  });

  test('blanks around a value go, the value stays', () => {
    forwards(request('X-A:  \t a b \t ', 'X-B:', 'X-C:c'), [
      'POST /p HTTP/1.1',
      'host: h',
      'x-a: a b',
      'x-b: ',
      'x-c: c',
    ]);
  });

  test('Two spaces, tab, or trailing blank in the request line; control or >= 0x80 bytes in the target', () => {
    const rest = 'Host: h\r\n\r\n';
    for (const line of [
      'GET  / HTTP/1.1',
      'GET\t/ HTTP/1.1',
      'GET /\tHTTP/1.1',
      'GET /  HTTP/1.1',
      'GET / HTTP/1.1 ',
      'GET /a b HTTP/1.1',
      ' GET / HTTP/1.1',
      'GET /\x01 HTTP/1.1',
      'GET /\x7f HTTP/1.1',
      'GET /\xc3\xa9 HTTP/1.1',
      'GET /\0 HTTP/1.1',
      'GET  HTTP/1.1',
    ])
      refuses(MALFORMED, `${line}\r\n${rest}`);
    forwards('GET /a"<>\\^`{|}?q="<> HTTP/1.1\r\nHost: h\r\n\r\n', [
      'GET /a"<>\\^`{|}?q="<> HTTP/1.1',
      'host: h',
    ]);
  });

  test('fragment in the target', () => {
    refuses('400 (no body) path_normalization_failed', 'GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n');
  });

  test('Method not a token; longer than 64 bytes', () => {
    for (const method of ['G@T', 'GET:', '', 'get', 'FROB', 'PRI', `A${'B'.repeat(64)}`])
      refuses(MALFORMED, `${method} / HTTP/1.1\r\nHost: h\r\n\r\n`);
    assert.equal(parse('A'.repeat(65)).refusal, MALFORMED);
    for (const method of ['PATCH', 'PROPFIND', 'TRACE', 'DELETE'])
      forwards(`${method} / HTTP/1.1\r\nHost: h\r\n\r\n`, [`${method} / HTTP/1.1`, 'host: h']);
    forwards('Frob / HTTP/1.1\r\nHost: h\r\n\r\n', ['Frob / HTTP/1.1', 'host: h'], {
      allowCustomMethods: true,
    });
    const long = `${'A'.repeat(65)} / HTTP/1.1\r\nHost: h\r\n\r\n`;
    assert.equal(parse(long, { allowCustomMethods: true }).refusal, MALFORMED);
  });

  test('HTTP/0.9, HTTP/1.2, HTTP/2.0, lower-case http/1.1, missing version', () => {
    for (const line of ['GET /', 'GET / HTTP/1.0', 'GET / HTTP/1.2', 'GET / HTTP/2.0', 'GET / HTTP/0.9']) {
      const text = `${line}\r\nHost: h\r\n\r\n`;
      refuses('426 low_version', text);
      const head = forwards(text, ['GET / HTTP/1.1', 'host: h'], { acceptHttp10: true });
      assert.equal(head.http10, true);
      assert.equal(head.persistent, false);
    }
    for (const line of [
      'GET / http/1.1',
      'GET / HTTP/1',
      'GET / HTTP/11',
      'GET / HTTP/1.10',
      'GET / HTTPS/1.1',
      'GET / ',
    ])
      refuses(MALFORMED, `${line}\r\nHost: h\r\n\r\n`);
    refuses(
      MALFORMED,
      'hello world\r\n\r\n',
      '\x16\x03\x01\x00\x05hello',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    );
  });

  test('Empty line(s) before the request line: up to a few ignored, then 400', () => {
    const text = request();
    const lines = ['POST /p HTTP/1.1', 'host: h'];
    assert.equal(parse(`\r\n\r\n${text}`).consumed, text.length + 4);
    forwards(`\r\n\r\n\r\n\r\n${text}`, lines);
    refuses(MALFORMED, `\r\n\r\n\r\n\r\n\r\n${text}`, `\r${text}`);
    assert.equal(parse('\r\n').consumed, 0);
    assert.equal(parse('\r').consumed, 0);
  });
});

describe('request limits', () => {
  test('Request line or a header over the limit: 431', () => {
    refuses(
      '431 http1.headers_too_large',
      request(`X: ${'b'.repeat(62_000)}`),
      `GET /${'p'.repeat(62_000)} HTTP/1.1\r\nHost: h\r\n\r\n`,
      `GET /${'p'.repeat(62_000)}`,
      `GET / HTTP/1.1\r\nX: ${'b'.repeat(62_000)}`,
    );
    assert.equal(parse(request(`X: ${'b'.repeat(50_000)}`)).refusal, '');
    const text = request('X: y');
    assert.equal(parse(text, { maxHeadersBytes: text.length }).refusal, '');
    assert.match(parse(text, { maxHeadersBytes: text.length - 1 }).refusal, /^431/);
  });

  test('over 100 headers: 431; Host counts; the limit can be thousands', () => {
    const many = (count: number) => request(...Array.from({ length: count }, (_, i) => `x-${i}: v`));
    assert.equal(parse(many(99)).refusal, '');
    refuses('431 http1.too_many_headers', many(100));
    assert.match(parse(many(5), { maxHeadersCount: 5 }).refusal, /^431/);
    const head = parse(many(4000), { maxHeadersCount: 5000 }).head;
    assert.equal(head.headers.lineCount, 4000);
    assert.equal(head.headers.get('x-3999'), 'v');
  });
});

describe('Host and target', () => {
  test('Two Host headers; Host with a list, userinfo, path, space', () => {
    refuses(BAD_HOST, request('Host: h'), request('Host: other'));
    for (const host of ['a,b', 'a, b', 'user@a', 'a/b', 'a b', 'a?b', 'a#b', 'a\\b', 'a\xe9', 'a"b', 'a<b'])
      refuses(BAD_HOST, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    for (const host of ['', 'EXAMPLE.Com:8080', '[::1]:80', 'a_b', 'x%20y'])
      forwards(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, ['GET / HTTP/1.1', `host: ${host}`]);
  });

  test('HTTP/1.1 with no Host', () => {
    refuses('400 (no body) missing_host_header', 'GET / HTTP/1.1\r\n\r\n', 'OPTIONS * HTTP/1.1\r\n\r\n');
    assert.equal(parse('GET /x HTTP/1.1\r\n\r\n').head.headers.path, '/x');
  });

  test('Absolute-form target with another Host: target wins, Host rewritten', () => {
    const absolute = (target: string, ...expected: string[]) =>
      forwards(`GET ${target} HTTP/1.1\r\nX: 1\r\nHost: other\r\n\r\n`, [...expected, 'x: 1']);
    absolute('http://t.test:81/path?q=1', 'GET /path?q=1 HTTP/1.1', 'host: t.test:81');
    absolute('http://t.test', 'GET / HTTP/1.1', 'host: t.test');
    absolute('HTTP://t.test/', 'GET / HTTP/1.1', 'host: t.test');
    assert.equal(absolute('https://t.test/', 'GET / HTTP/1.1', 'host: t.test').headers.scheme, 'https');
    assert.equal(absolute('http://t.test?q', 'GET ?q HTTP/1.1', 'host: t.test').headers.path, '?q');
    forwards('GET http://t.test/ HTTP/1.1\r\n\r\n', ['GET / HTTP/1.1', 'host: t.test']);
  });

  test('absolute form that names no usable server', () => {
    const rest = ' HTTP/1.1\r\nHost: h\r\n\r\n';
    refuses('400 http1.invalid_scheme', `GET ftp://t.test/${rest}`);
    for (const target of [
      'http:///p',
      'http://',
      'http://u@t/',
      'http://a,b/',
      'http://t:/',
      'http://t:99999/',
      '*',
    ])
      refuses('400 http1.invalid_url', `GET ${target}${rest}`);
    for (const target of ['path', 't.test:443', 'http:/t/', '://t/'])
      refuses('400 http1.codec_error', `GET ${target}${rest}`);
    const off = parse(`GET http://t.test/${rest}`, { allowAbsoluteUrl: false });
    assert.equal(off.refusal, '404 (no body) absolute_path_rejected');
  });

  test('OPTIONS * and CONNECT authority form', () => {
    forwards('OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n', ['OPTIONS * HTTP/1.1', 'host: h']);
    const head = forwards('CONNECT t.test:443 HTTP/1.1\r\nHost: other\r\nContent-Length: 0\r\n\r\n', [
      'CONNECT t.test:443 HTTP/1.1',
      'host: t.test:443',
    ]);
    assert.equal(head.headers.path, '');
    forwards('CONNECT [::1]:443 HTTP/1.1\r\n\r\n', ['CONNECT [::1]:443 HTTP/1.1', 'host: [::1]:443']);
    const rest = ' HTTP/1.1\r\nHost: h\r\n';
    for (const target of [
      't.test',
      't.test:',
      ':443',
      't.test:70000',
      't.test:1x',
      '/',
      'http://t.test:80',
      '::1:80',
      'u@t:1',
    ])
      refuses('400 http1.invalid_url', `CONNECT ${target}${rest}\r\n`);
    refuses('400 http1.body_disallowed', `CONNECT t:1${rest}Content-Length: 4\r\n\r\n`);
    refuses('501 http1.invalid_transfer_encoding', `CONNECT t:1${rest}Transfer-Encoding: chunked\r\n\r\n`);
  });
});

describe('hop-by-hop', () => {
  const plain = ['POST /p HTTP/1.1', 'host: h'];

  test('`Connection: host`, `Connection: content-length`: framing and routing headers never removed by it', () => {
    refuses('400 (no body) missing_host_header', request('Connection: host'));
    const head = forwards(request('Connection: content-length', 'Content-Length: 3'), [
      ...plain,
      'content-length: 3',
    ]);
    assert.equal(head.contentLength, 3);
    assert.equal(
      parse(request('Connection: transfer-encoding', 'Transfer-Encoding: chunked')).head.chunked,
      true,
    );
    for (const name of ['x-forwarded-for', 'X-Forwarded-Host', 'x-forwarded-proto', ':path'])
      refuses('400 http1.connection_header_rejected', request(`Connection: ${name}`));
    refuses('400 http1.connection_header_rejected', request(`Connection: ${'a,b,c,d,e,f,g,h,i,j'}`));
  });

  test('Connection: x removes x', () => {
    const text = request(
      'X-Gone: 1',
      'Connection: close, X-Gone , x-also',
      'X-Also: 2',
      'x-gone: 3',
      'X-Stays: 4',
    );
    const head = forwards(text, [...plain, 'x-stays: 4']);
    assert.equal(head.connectionClose, true);
  });

  test('connection, keep-alive, proxy-connection are for one hop', () => {
    const head = forwards(
      request('Connection: Keep-Alive', 'Keep-Alive: timeout=5', 'Proxy-Connection: close'),
      plain,
    );
    assert.equal(head.connectionKeepAlive, true);
    assert.equal(head.persistent, true);
    assert.equal(parse(request('Connection: CLOSE')).head.persistent, false);
  });

  test('te survives only as trailers', () => {
    assert.equal(forwards(request('TE: trailers'), [...plain, 'te: trailers']).teTrailers, true);
    assert.equal(forwards(request('TE: gzip'), plain).teTrailers, false);
    assert.equal(forwards(request('TE: gzip, Trailers'), [...plain, 'te: trailers']).teTrailers, true);
    forwards(request('TE: trailers', 'TE: trailers'), [...plain, 'te: trailers']);
    forwards(request('TE: gzip, trailers', 'TE: trailers'), [...plain, 'te: trailers']);
  });

  test('Upgrade: h2c, HTTP2-Settings are stripped, never forwarded', () => {
    const text = request('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk');
    assert.equal(forwards(text, plain).upgrade, '');
    assert.equal(forwards(request('Connection: Upgrade', 'Upgrade: websocket, H2C'), plain).upgrade, '');
  });

  test('Upgrade is known to the caller only when Connection says so', () => {
    assert.equal(
      forwards(request('Connection: keep-alive, Upgrade', 'Upgrade: WebSocket'), plain).upgrade,
      'WebSocket',
    );
    assert.equal(forwards(request('Upgrade: websocket', 'Connection: upgrade'), plain).upgrade, 'websocket');
    assert.equal(forwards(request('Upgrade: websocket'), plain).upgrade, '');
    assert.equal(forwards(request('Connection: upgrade'), plain).upgrade, '');
  });

  test('`Expect` other than 100-continue passes', () => {
    assert.equal(forwards(request('Expect: 100-Continue'), plain).expectContinue, true);
    assert.equal(forwards(request('Expect: 200-ok'), [...plain, 'expect: 200-ok']).expectContinue, false);
  });
});

test('one head object serves one request after the other without traces', () => {
  const head = new RequestHead();
  const options = requestParserOptions();
  const parseNext = (text: string) => {
    const bytes = Buffer.from(text, 'latin1');
    return parseRequest(head, bytes, 0, bytes.length, options);
  };
  parseNext(
    request('Connection: upgrade, close', 'Upgrade: websocket', 'Expect: 100-continue', 'TE: trailers'),
  );
  head.headers.set('x-added', '1');
  head.headers.authority = 'changed';
  const copy = head.headers.copy();
  assert.ok(parseNext('GET /second HTTP/1.1\r\nHost: two\r\nContent-Length: 1\r\n\r\n') > 0);
  assert.equal(
    head.headers.requestLine() + head.headers.serialize(),
    'GET /second HTTP/1.1\r\nhost: two\r\ncontent-length: 1\r\n',
  );
  assert.deepEqual(
    [head.upgrade, head.connectionClose, head.expectContinue, head.teTrailers, head.chunked],
    ['', false, false, false, false],
  );
  assert.equal(
    copy.requestLine() + copy.serialize(),
    'POST /p HTTP/1.1\r\nhost: changed\r\nte: trailers\r\nx-added: 1\r\n',
  );
  head.release();
  assert.equal(head.headers.lineCount, 0);
});
