// A plugin before node:http, on real connections: what the application gets, and what the client gets.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, test } from 'node:test';
import { RawConnection } from '@dragoman/testkit';
import { requestListener } from './request-listener.ts';
import { addHeader, answer, askFirst, changeBody, MAP, Opened } from './testing/puppet-plugin.ts';

const opened = new Opened();
afterEach(() => opened.close());

const portOf = (address: string) => Number(URL.parse(address)!.port);

/** Sends bytes and reads the first response. */
async function exchange(address: string, text: string, bodiless = false) {
  const connection = await RawConnection.connect(portOf(address));
  opened.add(() => connection.close());
  connection.send(text);
  return { connection, response: await connection.readMessage({ bodiless }) };
}

const get = (path = '/') => `GET ${path} HTTP/1.1\r\nhost: a.test\r\n\r\n`;
const post = (body: string, headers = '') =>
  `POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: ${body.length}\r\n${headers}\r\n${body}`;

const bodyOf = async (request: IncomingMessage) => Buffer.concat(await request.toArray()).toString();
const echo = async (request: IncomingMessage, response: ServerResponse) => {
  const { headers, method, url } = request;
  response.end(
    JSON.stringify({ method, url, headers, body: await bodyOf(request), trailers: request.trailers }),
  );
};
const upperCase = (text: string) => text.toUpperCase();

describe('a request', () => {
  test('reaches the application with the head the plugin has made of it', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_replace_header_map_value', MAP.request, ':path', '/other?x=1');
      puppet.call('proxy_replace_header_map_value', MAP.request, ':authority', 'b.test');
      puppet.call('proxy_add_header_map_value', MAP.request, 'x-many', '1');
      return puppet.call('proxy_add_header_map_value', MAP.request, 'X-Many', '2');
    };
    const address = await opened.listen(requestListener(plugin, echo));
    const { response } = await exchange(address, get());
    assert.deepEqual(JSON.parse(response.body), {
      method: 'GET',
      url: '/other?x=1',
      headers: { host: 'b.test', 'x-many': '1, 2' },
      body: '',
      trailers: {},
    });
  });

  test('shows the plugin where it comes from', async () => {
    const { puppet, plugin } = await opened.plugin();
    let seen: string | null = null;
    puppet.on.proxy_on_request_headers = () => {
      seen = puppet.ask('proxy_get_property', 'source\0address').text;
      return 0;
    };
    const address = await opened.listen(requestListener(plugin, echo));
    const { connection } = await exchange(address, get());
    assert.equal(seen, `127.0.0.1:${connection.socket.localPort}`);
  });

  test('has its body changed piece by piece, with the framing that fits', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_body = changeBody(puppet, 0, text => `<${text}>`);
    const address = await opened.listen(requestListener(plugin, echo));
    const { response } = await exchange(address, post('hello'));
    const { body, headers } = JSON.parse(response.body);
    assert.deepEqual([body, headers['content-length']], ['<hello>', undefined]);
  });

  test('has its body changed also when all of it came before the plugin was asked', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_body = changeBody(puppet, 0, upperCase);
    const behind = requestListener(plugin, echo);
    const address = await opened.listen(async (request, response) => {
      // The parser is done with a message that came in one packet.
      await new Promise(resolve => setImmediate(resolve));
      assert.equal(request.complete, true);
      behind(request, response);
    });
    const { connection, response } = await exchange(address, post('hello'));
    assert.equal(JSON.parse(response.body).body, 'HELLO');
    // The connection serves the next one.
    connection.send(post('again'));
    assert.equal(JSON.parse((await connection.readMessage()).body).body, 'AGAIN');
  });

  test('has its trailers shown and changed', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_trailers = addHeader(puppet, MAP.requestTrailers, 'x-b', '2');
    const address = await opened.listen(requestListener(plugin, echo));
    const chunked =
      'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-a: 1\r\n\r\n';
    const { response } = await exchange(address, chunked);
    assert.deepEqual(JSON.parse(response.body).trailers, { 'x-a': '1', 'x-b': '2' });
  });

  test('of a megabyte passes piece by piece in both directions', async () => {
    const { plugin } = await opened.plugin({ bufferLimitBytes: 1000 });
    const address = await opened.listen(
      requestListener(plugin, (request, response) => request.pipe(response)),
    );
    const body = Buffer.alloc(2 ** 20, 'dragoman ');
    const response = await fetch(address, { method: 'POST', body });
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), body);
  });

  test('waits until the call-out of the plugin has been answered', async () => {
    const cluster = await opened.listen((_request, response) => response.writeHead(202).end());
    const { puppet, plugin } = await opened.plugin({ clusters: { auth: cluster } });
    askFirst(puppet, 'auth');
    const address = await opened.listen(requestListener(plugin, echo));
    const { response } = await exchange(address, post('hello'));
    const { body, headers } = JSON.parse(response.body);
    assert.deepEqual([body, headers['x-asked']], ['hello', '202']);
  });

  test('is answered by the plugin without the application; the connection goes on', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_headers = answer(puppet, 403, 'no entry', ['x-a', '1']);
    let called = 0;
    const address = await opened.listen(requestListener(plugin, () => called++));
    const { connection, response } = await exchange(address, post('hello'));
    assert.equal(response.startLine, 'HTTP/1.1 403 Forbidden');
    assert.deepEqual([response.body, response.headers.get('x-a'), called], ['no entry', ['1'], 0]);
    puppet.on.proxy_on_request_headers = answer(puppet, 404, 'gone');
    connection.send(get());
    assert.equal((await connection.readMessage()).body, 'gone');
  });

  test('is answered in the middle of its body, while the application reads it', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_body = (_id, size) => (size > 0 ? answer(puppet, 413, 'enough')() : 0);
    const address = await opened.listen(
      requestListener(plugin, async (request, response) => {
        await bodyOf(request).catch(() => {});
        response.end('read it all');
      }),
    );
    const { response } = await exchange(address, post('hello'));
    assert.deepEqual([response.startLine, response.body], ['HTTP/1.1 413 Payload Too Large', 'enough']);
  });

  test('on which the plugin dies is answered 503, the next one is served', async () => {
    const { puppet, plugin } = await opened.plugin();
    const address = await opened.listen(requestListener(plugin, echo));
    puppet.on.proxy_on_request_headers = () => {
      throw new WebAssembly.RuntimeError('unreachable');
    };
    assert.match((await exchange(address, get())).response.startLine, / 503 /);
    puppet.on.proxy_on_request_headers = () => 0;
    assert.match((await exchange(address, get())).response.startLine, / 200 /);
  });

  test('is cut off when the plugin closes it', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_close_stream', 0);
      return 1;
    };
    const address = await opened.listen(requestListener(plugin, echo));
    const connection = await RawConnection.connect(portOf(address));
    connection.send(get());
    assert.equal(await connection.readToEnd(), '');
  });

  test('that the client gives up is ended for the plugin', async () => {
    const { puppet, plugin } = await opened.plugin();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    puppet.on.proxy_on_request_headers = () => {
      setImmediate(() => connection.close(true));
      return 1;
    };
    puppet.on.proxy_on_delete = () => void resolve();
    const address = await opened.listen(requestListener(plugin, echo));
    const connection = await RawConnection.connect(portOf(address));
    connection.send(get());
    await ended;
  });
});

describe('a response', () => {
  test('in one piece keeps a length, the one it has behind the plugin', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_response_headers = addHeader(puppet, MAP.response, 'x-a', '1');
    puppet.on.proxy_on_response_body = changeBody(puppet, 1, text => `<${text}>`);
    const address = await opened.listen(
      requestListener(plugin, (_request, response) => {
        response.setHeader('Set-Cookie', ['a=1', 'b=2']);
        response.writeHead(201, 'Made', { 'content-type': 'text/plain' });
        response.end('hello');
      }),
    );
    const { response } = await exchange(address, get());
    assert.equal(response.startLine, 'HTTP/1.1 201 Made');
    assert.equal(response.body, '<hello>');
    assert.deepEqual(
      ['content-length', 'x-a', 'set-cookie', 'transfer-encoding'].map(name => response.headers.get(name)),
      [['7'], ['1'], ['a=1', 'b=2'], undefined],
    );
    const { response: implicit } = await exchange(
      await opened.listen(requestListener(plugin, (_request, response) => response.end('hello'))),
      get(),
    );
    assert.deepEqual([implicit.body, implicit.headers.get('content-length')], ['<hello>', ['7']]);
  });

  test('in pieces is sent in pieces as they come', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_response_body = changeBody(puppet, 1, upperCase);
    const { promise: goOn, resolve } = Promise.withResolvers<void>();
    const address = await opened.listen(
      requestListener(plugin, async (_request, response) => {
        response.write('one ');
        await goOn;
        response.end('two');
      }),
    );
    const connection = await RawConnection.connect(portOf(address));
    opened.add(() => connection.close());
    connection.send(get());
    await connection.readUntil('4\r\nONE \r\n');
    resolve();
    await connection.readUntil('3\r\nTWO\r\n0\r\n\r\n');
  });

  test('without a body has none: HEAD, 304', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_response_body = changeBody(puppet, 1, upperCase);
    const address = await opened.listen(
      requestListener(plugin, (request, response) => {
        response.statusCode = request.url === '/' ? 200 : 304;
        response.setHeader('content-length', '5');
        response.end('hello');
      }),
    );
    const { connection, response } = await exchange(address, get().replace('GET', 'HEAD'), true);
    assert.deepEqual(response.headers.get('content-length'), ['5']);
    connection.send(get('/304'));
    assert.match((await connection.readMessage()).startLine, / 304 /);
    assert.equal(
      puppet.trace.some(line => line.startsWith('proxy_on_response_body')),
      false,
    );
  });

  test('looks sent to the application once it has begun, and ends with its events', async () => {
    const { plugin } = await opened.plugin();
    const seen: unknown[] = [];
    const { promise: finished, resolve } = Promise.withResolvers<void>();
    const address = await opened.listen(
      requestListener(plugin, (_request, response) => {
        response.once('finish', resolve);
        seen.push(response.headersSent, response.writableEnded);
        response.write('a', () => seen.push('written'));
        seen.push(response.headersSent);
        assert.throws(() => response.writeHead(500), { code: 'ERR_HTTP_HEADERS_SENT' });
        response.end(() => seen.push('ended'));
        seen.push(response.writableEnded);
      }),
    );
    await exchange(address, get());
    await finished;
    assert.deepEqual(seen, [false, false, true, true, 'written', 'ended']);
  });

  test('that is written faster than it is sent is held back', async () => {
    const { plugin } = await opened.plugin();
    const { promise: drained, resolve } = Promise.withResolvers<void>();
    const address = await opened.listen(
      requestListener(plugin, async (_request, response) => {
        assert.equal(response.write(Buffer.alloc(1000)), true);
        assert.equal(response.write(Buffer.alloc(100_000)), false);
        await once(response, 'drain');
        resolve();
        response.end();
      }),
    );
    const { response } = await exchange(address, get());
    await drained;
    assert.equal(response.body.length, 101_000);
  });

  test('is replaced by an answer of the plugin', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_response_headers = answer(puppet, 502, 'not this');
    const address = await opened.listen(
      requestListener(plugin, (_request, response) => {
        response.setHeader('x-secret', '1');
        response.end('secret');
      }),
    );
    const { response } = await exchange(address, get());
    assert.deepEqual(
      [response.startLine, response.body, response.headers.has('x-secret')],
      ['HTTP/1.1 502 Bad Gateway', 'not this', false],
    );
  });

  test('has trailers that the plugin adds', async () => {
    const { puppet, plugin } = await opened.plugin();
    puppet.on.proxy_on_response_body = (_id, _size, end) =>
      end === 1 ? addHeader(puppet, MAP.responseTrailers, 'x-sum', '42')() : 0;
    const address = await opened.listen(
      requestListener(plugin, (_request, response) => response.end('hello')),
    );
    const connection = await RawConnection.connect(portOf(address));
    opened.add(() => connection.close());
    connection.send(get());
    await connection.readUntil('5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n');
  });

  test('of a plugin that has been closed is 503', async () => {
    const { plugin } = await opened.plugin();
    const address = await opened.listen(requestListener(plugin, echo));
    await plugin.close();
    assert.match((await exchange(address, get())).response.startLine, / 503 /);
  });
});
