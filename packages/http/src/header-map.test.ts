import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { RequestHead } from './h1/request-head.ts';
import { parseRequest } from './h1/request-parser.ts';
import { HeadTablePool } from './head-table.ts';
import { HeaderMap } from './header-map.ts';
import { HeaderId } from './header-names.ts';
import { requestParserOptions } from './limits.ts';
import { RequestHeaders } from './request-headers.ts';
import { ResponseHeaders } from './response-headers.ts';

const OPTIONS = requestParserOptions();

/** The header map of a request with these lines, as a parser leaves it. */
function parsed(lines: readonly string[]): RequestHeaders {
  const head = new RequestHead();
  const bytes = Buffer.from(
    `GET / HTTP/1.1\r\nHost: h\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`,
    'latin1',
  );
  assert.equal(parseRequest(head, bytes, 0, bytes.length, OPTIONS), bytes.length);
  return head.headers;
}

// --- the model: a list of lines ---

type Lines = [name: string, value: string][];
type Step =
  | ['set' | 'add' | 'addLine', string, string]
  | ['remove', string]
  | ['clear' | 'copy' | 'serialize'];

const NAMES = ['x-a', 'x-request-id', 'content-length', 'cookie', 'x-b', 'server', 'x-envoy-retry-on'];
const name = fc.constantFrom(...NAMES);
const value = fc.constantFrom('', '1', 'two words', 'caf\xe9', 'a,b');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constantFrom('set' as const, 'add' as const, 'addLine' as const), name, value),
  fc.tuple(fc.constant('remove' as const), name),
  fc.tuple(fc.constantFrom('clear' as const, 'copy' as const, 'serialize' as const)),
);

/** Of these a request has one line; what is added goes into it. */
const JOINED: ReadonlySet<string> = new Set(['x-request-id', 'x-envoy-retry-on']);

function joined(model: Lines, target: string, text: string): Lines {
  if (text === '') return model;
  const values = model
    .filter(([each, before]) => each === target && before !== '')
    .map(([, before]) => before);
  return applyToModel(model, ['set', target, [...values, text].join(',')]);
}

function applyToModel(model: Lines, [kind, target, text]: Step): Lines {
  switch (kind) {
    case 'set': {
      const first = model.findIndex(([each]) => each === target);
      const rest: Lines = model.filter(([each], index) => each !== target || index === first);
      if (first < 0) return [...model, [target!, text!]];
      return rest.map(([each, before]) => [each, each === target ? text! : before]);
    }
    case 'add':
      return JOINED.has(target!) && model.some(([each]) => each === target)
        ? joined(model, target!, text!)
        : [...model, [target!, text!]];
    case 'addLine':
      return [...model, [target!, text!]];
    case 'remove':
      return model.filter(([each]) => each !== target);
    case 'clear':
      return [];
    default:
      return model;
  }
}

function applyToMap<Map extends HeaderMap>(map: Map, model: Lines, [kind, target, text]: Step): Map {
  switch (kind) {
    case 'set':
      assert.equal(map.set(target!.toUpperCase(), text!), true);
      return map;
    case 'add':
      assert.equal(map.add(target!, text!), true);
      return map;
    case 'addLine':
      map.addLine(`${target}: ${text}\r\n`, target!, text!);
      return map;
    case 'remove':
      assert.equal(map.remove(target!), model.filter(([each]) => each === target).length);
      return map;
    case 'clear':
      map.clear();
      return map;
    case 'copy':
      return map.copy() as unknown as Map;
    default:
      map.serialize();
      return map;
  }
}

function assertEqual(map: HeaderMap, model: Lines): void {
  const lines: Lines = [];
  map.forEachLine((each, text) => {
    lines.push([each, text]);
  });
  assert.deepEqual(lines, model);
  assert.equal(map.lineCount, model.length);
  for (const each of NAMES) {
    const values = model.filter(([other]) => other === each).map(([, text]) => text);
    assert.deepEqual(map.getAll(each), values);
    assert.equal(map.get(each), values[0]);
    assert.equal(map.get(each.toUpperCase()), values[0]);
    assert.equal(map.has(each), values.length > 0);
  }
  assert.equal(map.getId(HeaderId.COOKIE), map.get('cookie'));
  assert.equal(map.hasId(HeaderId.SERVER), map.has('server'));
  if (!map.hasEnvoyHeaders) assert.equal(map.has('x-envoy-retry-on'), false);
}

const wire = (model: Lines) => model.map(([each, text]) => `${each}: ${text}\r\n`).join('');

describe('header map', () => {
  test('behaves like a list of lines, whether parsed or built', () => {
    const line = fc.tuple(
      fc.constantFrom('x-a', 'Cookie', 'SERVER', 'x-b'),
      fc.constantFrom(': ', ':', ':  ', ':\t'),
      value,
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.array(step, { maxLength: 12 }), (lines, steps) => {
        let model: Lines = lines.map(([each, , text]) => [each.toLowerCase(), text]);
        let map: HeaderMap = parsed(lines.map(each => each.join('')));
        let built: HeaderMap = RequestHeaders.fromPairs(model.flat());
        assertEqual(map, model);
        for (const each of steps) {
          map = applyToMap(map, model, each);
          built = applyToMap(built, model, each);
          model = applyToModel(model, each);
          assertEqual(map, model);
          assertEqual(built, model);
        }
        assert.equal(map.serialize(), `${map.has('host') ? 'host: h\r\n' : ''}${wire(model)}`);
        assert.equal(built.serialize(), wire(model));
      }),
    );
  });

  test('of some names a message has one line: values that come or are added later are joined', () => {
    const request = parsed(['Accept: a', 'x-own: 1', 'accept: b', 'Accept: ', 'x-own: 2']);
    assert.equal(request.serialize(), 'host: h\r\naccept: a,b\r\nx-own: 1\r\nx-own: 2\r\n');
    request.add('Accept', 'c');
    request.add('via', 'p');
    request.add('via', 'q');
    request.add('vary', 'v');
    request.add('vary', 'w');
    assert.equal(request.get('accept'), 'a,b,c');
    assert.deepEqual(request.getAll('via'), ['p,q']);
    assert.deepEqual(request.getAll('vary'), ['v', 'w'], 'joined in responses only');
    const response = ResponseHeaders.fromPairs([':status', '200', 'vary', 'v']);
    response.add('vary', 'w');
    response.add('set-cookie', 'a');
    response.add('set-cookie', 'b');
    assert.equal(response.serialize(), 'vary: v,w\r\nset-cookie: a\r\nset-cookie: b\r\n');
  });

  test('names and values that could break the wire are refused and change nothing', () => {
    for (const map of [parsed(['x-a: 1']), HeaderMap.fromPairs(['x-a', '1'])]) {
      const before = map.serialize();
      for (const [badName, badValue] of [
        ['x-a', '1\r\nevil: 1'],
        ['x-a', '1\n'],
        ['x-a', '\0'],
        ['x-a', '\u010d\u010aevil: 1'],
        ['x a', '1'],
        ['x-a:', '1'],
        ['', '1'],
        ['', ''],
        ['x-\xe9', '1'],
        ['transfer-encoding', 'chunked'],
        ['Transfer-Encoding', 'identity'],
        [':path', '/x y'],
        [':nonsense', 'x'],
      ]) {
        assert.equal(map.set(badName, badValue), false, badName);
        assert.equal(map.add(badName, badValue), false, badName);
      }
      assert.equal(map.serialize(), before);
    }
  });

  test('a line that was added before is refused again when its value is not the same', () => {
    const map = new HeaderMap();
    assert.equal(map.add('x-a', 'ab'), true);
    assert.equal(map.add('x-a', '\r\n'), false);
    assert.equal(map.add('x-a', 'ab'), true);
    assert.equal(map.serialize(), 'x-a: ab\r\nx-a: ab\r\n');
  });

  test('hasEnvoyHeaders: false only when there is none this package knows', () => {
    assert.equal(parsed(['x-a: 1']).hasEnvoyHeaders, false);
    assert.equal(parsed(['X-Envoy-Internal: 1']).hasEnvoyHeaders, true);
    const map = parsed([]);
    map.add('x-envoy-anything', '1');
    assert.equal(map.hasEnvoyHeaders, true);
  });

  test('a copy outlives the head it was made from', () => {
    const head = new RequestHead();
    const parse = (text: string) => {
      const bytes = Buffer.from(text, 'latin1');
      parseRequest(head, bytes, 0, bytes.length, OPTIONS);
      bytes.fill(0);
    };
    parse('GET /one HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-B:2\r\n\r\n');
    head.headers.set('x-b', 'new');
    const copy = head.headers.copy();
    head.headers.set('x-a', 'changed');
    parse('GET /two HTTP/1.1\r\nHost: b\r\nX-C: 3\r\nX-D: 4\r\nX-E: 5\r\n\r\n');
    assert.deepEqual(copy.toPairs(), [
      ...[':authority', 'a', ':path', '/one', ':method', 'GET', ':scheme', 'http'],
      ...['x-a', '1', 'x-b', 'new'],
    ]);
    assert.equal(copy.serialize(), 'host: a\r\nx-a: 1\r\nx-b: new\r\n');
  });

  test('tables go back to the pool and come out clean', () => {
    const pool = new HeadTablePool();
    const parse = (head: RequestHead, text: string) => {
      const bytes = Buffer.from(text, 'latin1');
      return parseRequest(head, bytes, 0, bytes.length, OPTIONS);
    };
    const first = new RequestHead(pool);
    parse(first, 'GET / HTTP/1.1\r\nHost: a\r\nCookie: 1\r\nServer: x\r\n\r\n');
    const table = first.table;
    first.release();
    const second = new RequestHead(pool);
    parse(second, 'GET / HTTP/1.1\r\nHost: b\r\n\r\n');
    assert.equal(second.table, table);
    assert.equal(second.headers.has('cookie'), false);
    assert.equal(second.headers.lineCount, 0);
  });
});

describe('request headers', () => {
  test('pseudo names and host in get, has, set; never added', () => {
    const headers = parsed(['x-a: 1']);
    for (const [pseudo, before, after] of [
      [':path', '/', '/new?q=1'],
      [':authority', 'h', 'other:80'],
      ['host', 'other:80', 'again'],
      [':method', 'GET', 'POST'],
      [':scheme', 'http', 'https'],
    ]) {
      assert.equal(headers.get(pseudo), before);
      assert.equal(headers.add(pseudo, after), false);
      assert.equal(headers.set(pseudo, after), true);
      assert.deepEqual(headers.getAll(pseudo), [after]);
      assert.equal(headers.has(pseudo), true);
    }
    assert.equal(headers.has(':protocol'), false);
    assert.equal(
      headers.requestLine() + headers.serialize(),
      'POST /new?q=1 HTTP/1.1\r\nhost: again\r\nx-a: 1\r\n',
    );
    assert.equal(headers.lineCount, 1);
    assert.equal(headers.count, 5);
  });

  test('pseudo values that would break the request line are refused', () => {
    const headers = parsed([]);
    for (const path of ['', '/a b', '/a\r\n', 'relative', 'http://evil/', '/#f', '/\xe9'])
      assert.equal(headers.set(':path', path), false, path);
    for (const host of ['a b', 'a,b', 'u@a', 'a/b', 'a\r\n'])
      assert.equal(headers.set(':authority', host), false, host);
    for (const method of ['', 'G T', 'GET\r\n']) assert.equal(headers.set(':method', method), false, method);
    assert.equal(headers.requestLine() + headers.serialize(), 'GET / HTTP/1.1\r\nhost: h\r\n');
  });

  test('Host keeps its place while it is untouched, and comes first otherwise', () => {
    const head = new RequestHead();
    const bytes = Buffer.from('GET / HTTP/1.1\r\nX-A: 1\r\nHost: h\r\nX-B: 2\r\n\r\n', 'latin1');
    parseRequest(head, bytes, 0, bytes.length, OPTIONS);
    const { headers } = head;
    assert.equal(headers.serialize(), 'x-a: 1\r\nhost: h\r\nx-b: 2\r\n');
    headers.remove('x-a');
    headers.remove('x-b');
    headers.authority = 'other';
    assert.equal(headers.serialize(), 'host: other\r\n');
    assert.equal(headers.serialize(), 'host: other\r\n');
  });

  test('pseudo headers that are removed are gone, and the Host line with its own', () => {
    const headers = parsed(['x-a: 1']);
    assert.equal(headers.remove(':authority'), 1);
    assert.equal(headers.remove(':authority'), 0);
    assert.equal(headers.serialize(), 'x-a: 1\r\n');
    assert.equal(headers.remove(':path'), 1);
    assert.equal(headers.get(':path'), undefined);
    assert.deepEqual(headers.toPairs(), [':method', 'GET', ':scheme', 'http', 'x-a', '1']);
    headers.clear();
    assert.equal(headers.count, 0);
  });

  test('fromPairs takes pseudo names and host; forEach gives them back first', () => {
    const pairs = [
      ':method',
      'GET',
      ':scheme',
      'https',
      'X-A',
      '1',
      ':path',
      '/p',
      ':authority',
      'h',
      ':protocol',
      'ws',
    ];
    const headers = RequestHeaders.fromPairs(pairs);
    const order = [
      ':authority',
      'h',
      ':path',
      '/p',
      ':method',
      'GET',
      ':scheme',
      'https',
      ':protocol',
      'ws',
      'x-a',
      '1',
    ];
    assert.deepEqual(headers.toPairs(), order);
    assert.deepEqual(headers.copy().toPairs(), order);
    assert.equal(RequestHeaders.fromPairs(['Host', 'x']).authority, 'x');
    headers.reset();
    assert.equal(headers.count, 1);
  });
});

test('response headers: :status is a number in its field and text in get and set', () => {
  const headers = ResponseHeaders.fromPairs([':status', '404', 'Server', 'x']);
  assert.equal(headers.status, 404);
  assert.equal(headers.get(':status'), '404');
  for (const status of ['199', '600', '099', '2000', 'abc', '', '20 '])
    assert.equal(headers.set(':status', status), false, status);
  assert.equal(headers.set(':status', '503'), true);
  assert.equal(headers.add(':status', '200'), false);
  assert.deepEqual(headers.toPairs(), [':status', '503', 'server', 'x']);
  assert.equal(headers.count, 2);
  assert.equal(headers.copy().status, 503);
  assert.equal(headers.serialize(), 'server: x\r\n');
  assert.deepEqual([headers.remove(':status'), headers.remove(':status')], [1, 0]);
  assert.deepEqual([headers.get(':status'), headers.count], [undefined, 1]);
});
