// A plugin between a client and an upstream, on real connections: what both sides see of what the guest does.
import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { describe, type TestContext, test } from 'node:test';
import { decodePairs, encodePairs } from '@dragoman/abi';
import { PuppetWorker, type PuppetWorkerOptions } from './testing/puppet-worker.ts';

async function workerOf(t: TestContext, options: PuppetWorkerOptions = {}): Promise<PuppetWorker> {
  const worker = await PuppetWorker.start(options);
  t.after(() => worker.close());
  worker.puppet.trace.length = 0;
  return worker;
}

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const post = (body: string) => `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
/** The proxy accepts held bodies of so many bytes. */
const SMALL_BUFFER = { listener: { per_connection_buffer_limit_bytes: 64 } };

describe('a local response', () => {
  test('S65, S66, S67: the upstream is not asked, the client gets it, and the guest sees it pass', async t => {
    const worker = await workerOf(t);
    const { puppet } = worker;
    const seen: unknown[] = [];
    puppet.on.proxy_on_request_headers = () => {
      puppet.call('proxy_send_local_response', 403, '', 'no', encodePairs(['X-A', '1', 'X-A', '2']), -1);
      return 0;
    };
    puppet.on.proxy_on_response_headers = () => {
      for (const name of [':status', 'x-a', 'content-length'])
        seen.push(puppet.ask('proxy_get_header_map_value', 2, name).text);
      puppet.call('proxy_add_header_map_value', 2, 'x-seen', 'yes');
      return 0;
    };
    const client = await worker.connect();
    client.send(GET);
    const answer = await client.readMessage();
    assert.equal(answer.startLine, 'HTTP/1.1 403 Forbidden');
    assert.deepEqual(answer.headers.get('x-a'), ['1', '2']);
    assert.deepEqual(answer.headers.get('x-seen'), ['yes']);
    assert.equal(answer.headers.get('grpc-status'), undefined);
    assert.equal(answer.body, 'no');
    assert.deepEqual(seen, ['403', '1', '2']);
    assert.equal(worker.upstreamConnections, 0);
    await worker.traced('proxy_on_delete');
    assert.deepEqual(
      puppet.trace.map(line => line.slice(0, line.indexOf('('))),
      [
        'proxy_on_context_create',
        'proxy_on_request_headers',
        'proxy_on_response_headers',
        'proxy_on_response_body',
        'proxy_on_log',
        'proxy_on_done',
        'proxy_on_delete',
      ],
    );
  });

  test('S68: without a gRPC status there is no grpc-status; with one a gRPC request gets it', async t => {
    const worker = await workerOf(t);
    const { puppet } = worker;
    const answerWith = async (grpcStatus: number) => {
      puppet.on.proxy_on_request_headers = () => {
        puppet.call('proxy_send_local_response', 500, '', '', '', grpcStatus);
        return 0;
      };
      const client = await worker.connect();
      client.send(
        'POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n',
      );
      const { headers } = await client.readMessage();
      client.close();
      return headers.get('grpc-status')?.[0];
    };
    assert.equal(await answerWith(7), '7');
    // Made from the HTTP status.
    assert.equal(await answerWith(-1), '2');
  });

  test('S71: closing the stream ends the connection without an answer', async t => {
    const worker = await workerOf(t);
    worker.puppet.on.proxy_on_request_headers = () => worker.puppet.call('proxy_close_stream', 0);
    const client = await worker.connect();
    client.send(GET);
    assert.equal(await client.readToEnd(), '');
  });
});

describe('a held body', () => {
  test('S62: over the limit a request is answered 413', async t => {
    const worker = await workerOf(t, SMALL_BUFFER);
    worker.puppet.on.proxy_on_request_body = () => 1;
    const client = await worker.connect();
    client.send(post('x'.repeat(1000)));
    const answer = await client.readMessage();
    assert.equal(answer.startLine, 'HTTP/1.1 413 Payload Too Large');
    assert.equal(worker.stat('http.main.downstream_rq_too_large'), 1);
  });

  test('S62: over the limit a response that has not begun is 500', async t => {
    const worker = await workerOf(t, {
      ...SMALL_BUFFER,
      plugin: { allow_on_headers_stop_iteration: true } as object,
      upstream: async connection => {
        await connection.readMessage();
        connection.send(`HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n${'x'.repeat(1000)}`);
      },
    });
    worker.puppet.on.proxy_on_response_headers = () => 1;
    worker.puppet.on.proxy_on_response_body = () => 1;
    const client = await worker.connect();
    client.send(GET);
    assert.equal((await client.readMessage()).startLine, 'HTTP/1.1 500 Internal Server Error');
  });

  test('S57, S61: its pieces are one in the end, and the upstream gets what the guest made of it', async t => {
    let body = '';
    const worker = await workerOf(t, {
      upstream: async connection => {
        body = (await connection.readMessage()).body;
        connection.send('HTTP/1.1 204 No Content\r\n\r\n');
      },
    });
    const { puppet } = worker;
    puppet.on.proxy_on_request_headers = () =>
      puppet.call('proxy_remove_header_map_value', 0, 'content-length');
    puppet.on.proxy_on_request_body = (_id, _size, end) => {
      if (end === 0) return 1;
      puppet.call('proxy_set_buffer_bytes', 0, 0, 0, '<');
      puppet.call('proxy_set_buffer_bytes', 0, 0x7fffffff, 0, '>');
      return 0;
    };
    const client = await worker.connect();
    client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc');
    await worker.traced('proxy_on_request_body');
    client.send('def');
    assert.equal((await client.readMessage()).startLine, 'HTTP/1.1 204 No Content');
    assert.equal(body, '<abcdef>');
    const calls = (name: string) => puppet.trace.filter(line => line.startsWith(name));
    assert.deepEqual(calls('proxy_on_request_body'), [
      'proxy_on_request_body(2, 3, 0)',
      'proxy_on_request_body(2, 6, 0)',
      'proxy_on_request_body(2, 6, 1)',
    ]);
    // The response has no body: end_of_stream comes with its headers.
    assert.match(calls('proxy_on_response_headers')[0]!, /, 1\)$/);
    assert.deepEqual(calls('proxy_on_response_body'), []);
  });
});

describe('bodies over HTTP/1 as guests see them', () => {
  const bodyCalls = (worker: PuppetWorker, direction: string) =>
    worker.puppet.trace
      .filter(line => line.startsWith(`proxy_on_${direction}_body`))
      .map(line => line.slice(line.indexOf(', ') + 2, -1));

  test('the end comes apart from the last bytes, and the chunks of one read as one piece', async t => {
    const worker = await workerOf(t, {
      upstream: async connection => {
        await connection.readMessage();
        connection.send(
          'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n',
        );
        await connection.readMessage();
        connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      },
    });
    const client = await worker.connect();
    client.send(post('abc'));
    assert.equal((await client.readMessage()).body, 'abcde');
    await worker.traced('proxy_on_delete');
    assert.deepEqual(bodyCalls(worker, 'request'), ['3, 0', '0, 1']);
    assert.deepEqual(bodyCalls(worker, 'response'), ['5, 0', '0, 1']);
    worker.puppet.trace.length = 0;
    client.send(
      'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n',
    );
    assert.equal((await client.readMessage()).body, 'ok');
    await worker.traced('proxy_on_delete');
    assert.deepEqual(bodyCalls(worker, 'request'), ['3, 0', '0, 1']);
    assert.deepEqual(bodyCalls(worker, 'response'), ['2, 0', '0, 1']);
  });

  test('over HTTP/2 the end comes with the last bytes', async t => {
    const worker = await workerOf(t);
    const session = connect(`http://127.0.0.1:${worker.port}`);
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    const ended = new Promise(resolve => stream.on('end', resolve));
    stream.resume();
    stream.end('abc');
    await ended;
    session.close();
    assert.deepEqual(bodyCalls(worker, 'request'), ['3, 1']);
  });

  test('a local response in the first of them closes the connection: the request was not read to its end', async t => {
    const worker = await workerOf(t);
    const { puppet } = worker;
    puppet.on.proxy_on_request_body = () => puppet.call('proxy_send_local_response', 403, '', '', '', -1);
    const client = await worker.connect();
    client.send(post('abc'));
    const { startLine, headers } = await client.readMessage();
    assert.equal(startLine, 'HTTP/1.1 403 Forbidden');
    assert.deepEqual(headers.get('connection'), ['close']);
    assert.deepEqual(bodyCalls(worker, 'request'), ['3, 0']);
  });

  test('S51: response headers of a chunked body have its transfer-encoding, which does not go on', async t => {
    const worker = await workerOf(t, {
      upstream: async connection => {
        await connection.readMessage();
        connection.send(
          'HTTP/1.1 200 OK\r\na: 1\r\ntransfer-encoding: chunked\r\nb: 2\r\n\r\n2\r\nab\r\n0\r\n\r\n',
        );
      },
    });
    const { puppet } = worker;
    let names: string[] = [];
    puppet.on.proxy_on_response_headers = () => {
      const pairs = decodePairs(Buffer.from(puppet.ask('proxy_get_header_map_pairs', 2).text!, 'latin1'))!;
      names = pairs.filter((_text, index) => index % 2 === 0);
      return puppet.call('proxy_replace_header_map_value', 2, 'content-length', '2');
    };
    const client = await worker.connect();
    client.send(GET);
    const answer = await client.readMessage();
    assert.deepEqual(names.slice(0, 4), [':status', 'a', 'transfer-encoding', 'b']);
    assert.equal(answer.headers.get('transfer-encoding'), undefined);
    assert.equal(answer.body, 'ab');
    await worker.traced('proxy_on_log');
    assert.match(puppet.trace.find(line => line.startsWith('proxy_on_response_headers'))!, /\(2, 5, 0\)/);
  });
});

describe('pseudo headers that a guest removes', () => {
  const outcome = async (t: TestContext, map: number, name: string) => {
    let upstreamHead: readonly string[] = [];
    const worker = await workerOf(t, {
      upstream: async connection => {
        upstreamHead = (await connection.readMessage()).headerLines;
        connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      },
    });
    const { puppet } = worker;
    const callback = map === 0 ? 'proxy_on_request_headers' : 'proxy_on_response_headers';
    puppet.on[callback] = () => {
      if (name !== '') return puppet.call('proxy_remove_header_map_value', map, name);
      return puppet.call('proxy_set_header_map_pairs', map, encodePairs(['x-only', '1']));
    };
    const client = await worker.connect();
    client.send(GET);
    const { startLine, body } = await client.readMessage();
    return { startLine, body, upstreamHead };
  };

  test('S43: without a path there is no route, nor with none of them', async t => {
    for (const name of [':path', '']) {
      const { startLine } = await outcome(t, 0, name);
      assert.equal(startLine, 'HTTP/1.1 404 Not Found');
    }
  });

  test('without a method there is no request', async t => {
    const { startLine, body } = await outcome(t, 0, ':method');
    assert.equal(startLine, 'HTTP/1.1 503 Service Unavailable');
    assert.equal(body, 'missing required header: :method');
  });

  test('without an authority the request goes without a host', async t => {
    const { startLine, upstreamHead } = await outcome(t, 0, ':authority');
    assert.equal(startLine, 'HTTP/1.1 200 OK');
    assert.deepEqual(
      upstreamHead.filter(line => line.startsWith('host')),
      [],
    );
  });

  test('S43: without a status there is no response', async t => {
    for (const name of [':status', '']) {
      const { startLine, body } = await outcome(t, 2, name);
      assert.equal(startLine, 'HTTP/1.1 502 Bad Gateway');
      assert.equal(body, 'missing required header: :status');
    }
  });
});

describe('bodies that a guest changes and leaves their old content-length', () => {
  const change = (worker: PuppetWorker, buffer: number, text: string) =>
    worker.puppet.call('proxy_set_buffer_bytes', buffer, 0, 0x7fffffff, text);

  test('a response that was held to its end has the new length', async t => {
    const worker = await workerOf(t);
    worker.puppet.on.proxy_on_response_body = (_id, _size, end) =>
      end === 0 ? 1 : change(worker, 1, 'longer than ok');
    const client = await worker.connect();
    client.send(GET);
    const { headers, body } = await client.readMessage();
    assert.deepEqual([headers.get('content-length'), body], [['14'], 'longer than ok']);
  });

  test('a response that passes on in pieces goes in chunks', async t => {
    const worker = await workerOf(t);
    worker.puppet.on.proxy_on_response_body = (_id, _size, end) =>
      end === 0 ? change(worker, 1, 'longer') : 0;
    const client = await worker.connect();
    client.send(GET + GET);
    for (let i = 0; i < 2; i++) {
      const { headers, body } = await client.readMessage();
      assert.deepEqual([headers.get('transfer-encoding'), body], [['chunked'], 'longer']);
    }
  });

  test('a request has the new length, or goes in chunks', async t => {
    for (const heldToEnd of [true, false]) {
      let seen: unknown[] = [];
      const worker = await workerOf(t, {
        upstream: async connection => {
          const { headers, body } = await connection.readMessage();
          seen = [headers.get('content-length'), headers.get('transfer-encoding'), body];
          connection.send('HTTP/1.1 204 No Content\r\n\r\n');
        },
      });
      worker.puppet.on.proxy_on_request_body = (_id, _size, end) => {
        if (end === (heldToEnd ? 1 : 0)) return change(worker, 0, 'longer');
        return heldToEnd ? 1 : 0;
      };
      const client = await worker.connect();
      client.send(post('abc'));
      await client.readMessage();
      assert.deepEqual(seen, heldToEnd ? [['6'], undefined, 'longer'] : [undefined, ['chunked'], 'longer']);
    }
  });

  test('one that is not changed keeps its length, also when the guest looks at it', async t => {
    const worker = await workerOf(t);
    const { puppet } = worker;
    puppet.on.proxy_on_response_body = () => puppet.ask('proxy_get_buffer_bytes', 1, 0, 99).status;
    const client = await worker.connect();
    client.send(GET);
    const { headers, body } = await client.readMessage();
    assert.deepEqual([headers.get('content-length'), body], [['2'], 'ok']);
  });

  test('a held response over the limit is still answered: 500', async t => {
    const worker = await workerOf(t, {
      ...SMALL_BUFFER,
      upstream: async connection => {
        await connection.readMessage();
        connection.send(`HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n${'x'.repeat(1000)}`);
      },
    });
    worker.puppet.on.proxy_on_response_body = () => 1;
    const client = await worker.connect();
    client.send(GET);
    assert.equal((await client.readMessage()).startLine, 'HTTP/1.1 500 Internal Server Error');
  });

  test('a local response comes too late: the headers go, and the connection ends', async t => {
    const worker = await workerOf(t);
    const { puppet } = worker;
    puppet.on.proxy_on_response_body = () => puppet.call('proxy_send_local_response', 403, '', '', '', -1);
    const client = await worker.connect();
    client.send(GET);
    assert.match(await client.readToEnd(), /^HTTP\/1.1 200 OK\r\ncontent-length: 2\r\n[\s\S]*\r\n\r\n$/);
  });
});
