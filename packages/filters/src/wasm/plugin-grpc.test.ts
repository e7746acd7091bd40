// gRPC call-outs of a plugin to a real server: statuses, order of callbacks and texts are those of Envoy 1.40 with the same
// guest and server.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { encodePairs, Status } from '@dragoman/abi';
import { type GrpcScript, GrpcServer, grpcFrame } from '@dragoman/testkit';
import { writeField } from '@dragoman/vm';
import { PuppetWorker } from './testing/puppet-worker.ts';

const TYPES = 'type.googleapis.com/envoy.extensions';
const HTTP2 = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

function grpcCluster(name: string, port: number | null): object {
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  const endpoints = port === null ? [] : [{ lb_endpoints: [{ endpoint }] }];
  return { name, type: 'STATIC', ...HTTP2, load_assignment: { cluster_name: name, endpoints } };
}

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

/** A plugin whose clusters are "grpc", served as `script` says, and "nohost", which has no endpoint. */
async function start(t: TestContext, script: GrpcScript = () => {}) {
  const server = await GrpcServer.listen(script);
  const clusters = [grpcCluster('grpc', server.port), grpcCluster('nohost', null)];
  const worker = await PuppetWorker.start({ clusters });
  t.after(async () => {
    await worker.close();
    await server.close();
  });
  const { puppet } = worker;
  const texts: string[] = [];
  puppet.on.proxy_on_grpc_receive = () => {
    texts.push(`message ${puppet.ask('proxy_get_buffer_bytes', 5, 0, 9999).text}`);
    return 0;
  };
  puppet.on.proxy_on_grpc_close = () => {
    puppet.call('proxy_get_status', puppet.slot(2), puppet.slot(0), puppet.slot(1));
    texts.push(`status ${puppet.u32(2) | 0} ${puppet.text()}`);
    return 0;
  };
  /** Runs `inside` while the plugin sees the headers of a request. */
  const during = async <Result>(inside: () => Result): Promise<Result> => {
    let result: Result | undefined;
    puppet.on.proxy_on_request_headers = () => {
      puppet.clearSlots();
      result = inside();
      return 0;
    };
    const client = await worker.connect();
    client.send(GET);
    await client.readMessage();
    client.close();
    puppet.trace.splice(0, puppet.trace.length, ...puppet.trace.filter(line => line.includes('_grpc_')));
    return result as Result;
  };
  const unary = (upstream: string | Buffer = 'grpc', metadata = encodePairs([]), timeoutMs = 1000) =>
    during(() => {
      const status = puppet.call(
        'proxy_grpc_call',
        upstream,
        'pkg.Service',
        'Method',
        metadata,
        'hello',
        timeoutMs,
        puppet.slot(0),
      );
      return { status, token: puppet.u32(0) };
    });
  const stream = (...also: ((token: number) => void)[]) =>
    during(() => {
      const metadata = encodePairs(['X-M', '1']);
      puppet.call('proxy_grpc_stream', 'grpc', 'pkg.Service', 'Method', metadata, puppet.slot(0));
      const token = puppet.u32(0);
      for (const action of also) action(token);
      return token;
    });
  return { worker, puppet, server, texts, during, unary, stream };
}

describe('unary calls', () => {
  test('S79: a message is one receive, and the request is as Envoy makes it', async t => {
    const { worker, puppet, server, texts, unary } = await start(t, async call => {
      call.send(`${await call.message()} yourself`);
      call.end(0, '', { 'x-last': '2' });
    });
    const { status, token } = await unary('grpc', encodePairs(['X-M', '1']));
    assert.deepEqual([status, token & 3], [Status.Ok, 1]);
    await worker.traced('proxy_on_grpc_receive');
    assert.deepEqual(texts, ['message hello yourself']);
    await server.calls[0]!.closed;
    assert.deepEqual(
      puppet.trace.filter(line => line.includes('_grpc_')),
      [`proxy_on_grpc_receive(1, ${token}, 14)`],
    );
    assert.deepEqual(Object.fromEntries(Object.entries(server.calls[0]!.headers)), {
      ':method': 'POST',
      ':path': '/pkg.Service/Method',
      ':authority': 'grpc',
      ':scheme': 'http',
      te: 'trailers',
      'grpc-timeout': '1000m',
      'content-type': 'application/grpc',
      'x-m': '1',
      'x-envoy-internal': 'true',
      'x-envoy-expected-rq-timeout-ms': '1000',
    });
  });

  test('a serialised GrpcService: cluster, authority and metadata of its own', async t => {
    const { worker, server, unary } = await start(t, call => {
      call.send('x');
      call.end();
    });
    const text = (value: string) => Buffer.from(value);
    const service = Buffer.concat([
      writeField(1, Buffer.concat([writeField(1, text('grpc')), writeField(2, text('svc.test'))])),
      writeField(5, Buffer.concat([writeField(1, text('x-service')), writeField(2, text('yes'))])),
    ]);
    assert.equal((await unary(service)).status, Status.Ok);
    await worker.traced('proxy_on_grpc_receive');
    const { headers } = server.calls[0]!;
    assert.deepEqual([headers[':authority'], headers['x-service']], ['svc.test', 'yes']);
  });

  test('S79: what cannot be started', async t => {
    const { puppet, unary } = await start(t);
    const named = (field: number, name: string) => writeField(field, writeField(1, Buffer.from(name)));
    assert.deepEqual(
      [
        (await unary('nowhere')).status,
        (await unary(named(1, 'nowhere'))).status,
        (await unary(named(2, 'dns:///target'))).status,
        (await unary('nohost')).status,
        (await unary('grpc', encodePairs(['x', 'a\r\nb']))).status,
        (await unary('grpc', encodePairs([':path', '/other']))).status,
      ],
      [
        Status.ParseFailure,
        Status.InternalFailure,
        Status.BadArgument,
        Status.InternalFailure,
        Status.BadArgument,
        Status.BadArgument,
      ],
    );
    assert.deepEqual(
      puppet.trace.filter(line => line.includes('_grpc_')),
      [],
    );
  });

  const endings: [string, GrpcScript, string][] = [
    ['a status', call => call.end(5, 'no%20such'), 'status 5 no%20such{via_upstream}'],
    ['a status without a text', call => call.end(5), 'status 5 via_upstream'],
    ['a status that is none', call => call.end(77, 'odd'), 'status -1 odd{via_upstream}'],
    [
      'OK without a message',
      call => {
        call.sendMetadata();
        call.end();
      },
      'status 13 ',
    ],
    [
      'plain HTTP',
      call => call.stream.respond({ ':status': 404 }, { endStream: true }),
      'status 12 via_upstream',
    ],
    [
      'a compressed message',
      call => {
        call.sendMetadata();
        call.stream.write(grpcFrame('x', 1));
      },
      'status 13 via_upstream',
    ],
    [
      'a reset',
      call => call.stream.close(2),
      'status 14 upstream connect error or disconnect/reset before headers. reset reason: remote reset' +
        '{upstream_reset_before_response_started{remote_reset}}',
    ],
  ];
  for (const [what, script, expected] of endings)
    test(`S79: ${what} is one close, and get_status says what happened`, async t => {
      const { worker, texts, unary } = await start(t, script);
      await unary();
      await worker.traced('proxy_on_grpc_close');
      assert.deepEqual(texts, [expected]);
    });

  test('S79: a call that takes too long', async t => {
    const { worker, server, texts, unary } = await start(t);
    await unary('grpc', encodePairs([]), 20);
    await worker.traced('proxy_on_grpc_close');
    assert.deepEqual(texts, ['status 14 upstream request timeout{response_timeout}']);
    assert.notEqual(await server.calls[0]!.closed, 0);
  });
});

describe('streams', () => {
  test('S80: initial metadata, messages, trailing metadata, close; both sides talk in turns', async t => {
    const { worker, puppet, server, texts, stream } = await start(t, async call => {
      call.sendMetadata({ 'x-first': '1' });
      for (let message = await call.message(); message !== null; message = await call.message())
        call.send(`echo ${message}`);
      call.end(0, '', { 'x-last': '2' });
    });
    const maps: unknown[] = [];
    const note = puppet.on.proxy_on_grpc_receive!;
    puppet.on.proxy_on_grpc_receive_initial_metadata = () => {
      maps.push(puppet.ask('proxy_get_header_map_value', 4, 'x-first').text);
      return 0;
    };
    puppet.on.proxy_on_grpc_receive_trailing_metadata = () => {
      maps.push(puppet.ask('proxy_get_header_map_value', 5, 'x-last').text);
      return 0;
    };
    puppet.on.proxy_on_grpc_receive = (root, token, size) => {
      note(root!, token!, size!);
      if (texts.length < 3) puppet.call('proxy_grpc_send', token!, `turn ${texts.length}`, 0);
      else puppet.call('proxy_grpc_close', token!);
      return 0;
    };
    const token = await stream(opened => puppet.call('proxy_grpc_send', opened, 'hello', 0));
    await worker.traced('proxy_on_grpc_close');
    assert.equal(token & 3, 2);
    assert.deepEqual(texts, [
      'message echo hello',
      'message echo turn 1',
      'message echo turn 2',
      'status 0 via_upstream',
    ]);
    assert.deepEqual(maps, ['1', '2']);
    const order = puppet.trace.filter(line => line.includes('_grpc_')).map(line => line.split('(')[0]);
    assert.deepEqual(order, [
      'proxy_on_grpc_receive_initial_metadata',
      'proxy_on_grpc_receive',
      'proxy_on_grpc_receive',
      'proxy_on_grpc_receive',
      'proxy_on_grpc_receive_trailing_metadata',
      'proxy_on_grpc_close',
    ]);
    assert.equal(server.calls[0]!.headers['grpc-timeout'], undefined);
    assert.equal(server.calls[0]!.headers['x-m'], '1');
  });

  test('S80: a status alone has empty initial metadata; the trailing metadata are the headers', async t => {
    const { worker, puppet, stream } = await start(t, call => call.end(5, 'gone'));
    const token = await stream();
    await worker.traced('proxy_on_grpc_close');
    const lines = puppet.trace.filter(line => line.includes('_grpc_'));
    assert.equal(lines[0], `proxy_on_grpc_receive_initial_metadata(1, ${token}, 0)`);
    assert.match(lines[1]!, /^proxy_on_grpc_receive_trailing_metadata\(1, \d+, 5\)$/);
    assert.equal(lines[2], `proxy_on_grpc_close(1, ${token}, 5)`);
  });

  test('S80: cancelled inside a callback, nothing more comes and the server sees a reset', async t => {
    const { worker, puppet, server, stream } = await start(t, call => {
      call.send('one');
      call.send('two');
      call.end();
    });
    const statuses: number[] = [];
    puppet.on.proxy_on_grpc_receive = (_root, token) => {
      statuses.push(puppet.call('proxy_grpc_cancel', token!), puppet.call('proxy_grpc_cancel', token!));
      return 0;
    };
    await stream();
    await worker.traced('proxy_on_grpc_receive');
    await server.calls[0]!.closed;
    assert.deepEqual(statuses, [Status.Ok, Status.NotFound]);
    assert.equal(puppet.trace.filter(line => line.includes('_grpc_receive(')).length, 1);
    assert.equal(puppet.trace.filter(line => line.includes('_grpc_close')).length, 0);
  });

  test('S80: the token is good until the close callback has returned', async t => {
    const { worker, puppet, during, stream } = await start(t, call => call.end());
    const statuses: number[] = [];
    puppet.on.proxy_on_grpc_close = (_root, token) => {
      statuses.push(puppet.call('proxy_grpc_send', token!, 'late', 0));
      return 0;
    };
    const token = await stream();
    await worker.traced('proxy_on_grpc_close');
    statuses.push(await during(() => puppet.call('proxy_grpc_send', token, 'later', 0)));
    assert.deepEqual(statuses, [Status.Ok, Status.NotFound]);
  });

  test('S80: a lost connection is one close', async t => {
    const { worker, server, texts, stream } = await start(t, call => call.send('one'));
    await stream();
    await worker.traced('proxy_on_grpc_receive');
    server.dropConnections();
    await worker.traced('proxy_on_grpc_close');
    assert.deepEqual(texts, [
      'message one',
      'status 13 upstream_reset_after_response_started{connection_termination}',
    ]);
  });
});
