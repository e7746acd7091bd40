import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { HeaderMap } from '@dragoman/http';
import { GrpcServer, type GrpcServerCall, grpcFrame } from '@dragoman/testkit';
import { type ClientFixture, startClient } from '../testing/client-fixture.ts';
import { GrpcClient } from './grpc-client.ts';
import type { GrpcStreamListener } from './grpc-stream.ts';
import { GrpcTarget, grpcTimeout } from './grpc-target.ts';

const PATH = '/pkg.Service/Method';
const target = (fields: object = {}, service: object = {}): GrpcTarget =>
  new GrpcTarget({
    envoyGrpc: { clusterName: 'service', authority: '', skipEnvoyHeaders: false, ...fields },
    initialMetadata: [],
    ...service,
  });

let server: GrpcServer;
let fixture: ClientFixture;

before(async () => {
  server = await GrpcServer.listen();
  fixture = await startClient(server.port);
});
beforeEach(() => {
  server.script = () => {};
});
after(async () => {
  fixture.worker.close();
  await server.close();
});

const client = (to = target()): GrpcClient => new GrpcClient(to, fixture.client);
const metadataText = (metadata: HeaderMap): string => metadata.toPairs().slice(0, 4).join(' ');

/** A unary call and what came of it. */
function unary(message = 'hello', head: object = {}, to = target()): Promise<string> {
  return new Promise(resolve => {
    const call = client(to).unary(
      PATH,
      Buffer.from(message),
      (answer, status, text) => resolve(answer === null ? `${status} ${text}` : `message ${answer}`),
      head,
    );
    if (call === null) resolve('no cluster');
  });
}

/** A listener that notes what it hears, and a promise for its end. */
function notes(more: Partial<GrpcStreamListener> = {}) {
  const events: string[] = [];
  let end: () => void = () => {};
  const closed = new Promise<void>(resolve => {
    end = resolve;
  });
  const listener: GrpcStreamListener = {
    onInitialMetadata: metadata => events.push(`initial ${metadata.get('x-first') ?? '-'}`),
    onMessage: message => events.push(`message ${message}`),
    onTrailingMetadata: metadata => events.push(`trailing ${metadata.get('x-last') ?? '-'}`),
    onClose: (status, message) => {
      events.push(`close ${status} ${message}`);
      end();
    },
    ...more,
  };
  return { events, listener, closed };
}

/** The next call that reaches the server. */
const nextCall = (): Promise<GrpcServerCall> =>
  new Promise(resolve => {
    server.script = resolve;
  });

describe('unary calls', () => {
  test('what is sent: the headers of gRPC, no content-length, one message, half-closed', async () => {
    server.script = async call => {
      const message = await call.message();
      call.send(`${message}!`);
      await call.message();
      call.end();
    };
    const to = target({ authority: 'svc.test' }, { initialMetadata: [{ key: 'X-Token', value: 'a b' }] });
    assert.equal(
      await unary('hello', { timeoutMs: 5000, metadata: ['x-m', '1', 'bad name', 'x'] }, to),
      'message hello!',
    );
    const { 'x-forwarded-for': _, ...headers } = server.calls.at(-1)!.headers;
    assert.deepEqual(Object.fromEntries(Object.entries(headers)), {
      ':method': 'POST',
      ':path': PATH,
      ':authority': 'svc.test',
      ':scheme': 'http',
      te: 'trailers',
      'grpc-timeout': '5000m',
      'content-type': 'application/grpc',
      'x-token': 'a b',
      'x-m': '1',
      'x-envoy-internal': 'true',
      'x-envoy-expected-rq-timeout-ms': '5000',
    });
  });

  test('a status of the server, with its message, also where there is no body', async () => {
    server.script = call => call.end(5, 'no such thing');
    assert.equal(await unary(), '5 no such thing{via_upstream}');
    server.script = call => {
      call.send('x');
      call.end(9, 'after a message');
    };
    assert.equal(await unary(), '9 after a message{via_upstream}');
    server.script = call => call.end(77, 'odd');
    assert.equal(await unary(), '-1 odd{via_upstream}');
  });

  test('OK without a message is INTERNAL; of several messages the last one counts', async () => {
    server.script = call => call.end(0);
    assert.equal(await unary(), '13 ');
    server.script = call => {
      call.send('one');
      call.send('two');
      call.end(0);
    };
    assert.equal(await unary(), 'message two');
  });

  test('answers that are no gRPC', async () => {
    server.script = call => call.stream.respond({ ':status': 404 }, { endStream: true });
    assert.equal(await unary(), '12 via_upstream');
    server.script = call =>
      call.stream.respond({ ':status': 503, 'grpc-status': 8, 'grpc-message': 'full' }, { endStream: true });
    assert.equal(await unary(), '8 full{via_upstream}');
    server.script = call => {
      call.stream.respond({ ':status': 200 });
      call.stream.end(grpcFrame('no trailers'));
    };
    assert.equal(await unary(), '2 via_upstream');
    server.script = call => {
      call.sendMetadata();
      call.stream.write(grpcFrame('zipped', 1));
    };
    assert.equal(await unary(), '13 via_upstream');
  });

  test('messages over the limit are refused', async () => {
    server.script = call => {
      call.send('12345');
      call.end(0);
    };
    assert.equal(await unary('', {}, target({ maxReceiveMessageLength: 5 })), 'message 12345');
    assert.equal(await unary('', {}, target({ maxReceiveMessageLength: 4 })), '8 via_upstream');
  });

  test('an answer that does not come in time', async () => {
    assert.equal(await unary('', { timeoutMs: 20 }), '14 upstream request timeout{response_timeout}');
    assert.equal(await server.calls.at(-1)!.closed, 2, 'the server sees a reset');
    assert.equal(fixture.worker.stat('cluster.service.upstream_rq_timeout'), 1);
  });

  test('a reset before and after the headers', async () => {
    server.script = call => call.stream.close(2);
    assert.match(
      await unary(),
      /^14 upstream connect error .* reset reason: remote reset\{upstream_reset_before_response_started\{remote_reset\}\}$/,
    );
    server.script = async call => {
      call.send('x');
      await call.message();
      call.stream.close(2);
    };
    assert.equal(await unary(), '13 upstream_reset_after_response_started{remote_reset}');
  });

  test('a call that is given up is reset, and nobody hears of it', async () => {
    const call = nextCall();
    let heard = false;
    const running = client().unary(PATH, Buffer.alloc(0), () => {
      heard = true;
    });
    const seen = await call;
    running!.cancel();
    assert.equal(await seen.closed, 2);
    assert.equal(heard, false);
  });

  test('a cluster that does not exist', async () => {
    assert.equal(await unary('', {}, GrpcTarget.ofCluster('nowhere')), 'no cluster');
  });
});

describe('streams', () => {
  test('both sides talk in turns; the order of events', async () => {
    server.script = async call => {
      call.sendMetadata({ 'x-first': '1' });
      for (let message = await call.message(); message !== null; message = await call.message())
        call.send(`echo ${message}`);
      call.end(0, '', { 'x-last': '2' });
    };
    const { events, listener, closed } = notes();
    const stream = client().stream(PATH, {
      ...listener,
      onMessage(message) {
        listener.onMessage(message);
        if (events.length < 4) stream!.send(Buffer.from(String(events.length)));
        else stream!.close();
      },
    });
    stream!.send(Buffer.from('first'));
    await closed;
    assert.deepEqual(events, [
      'initial 1',
      'message echo first',
      'message echo 2',
      'message echo 3',
      'trailing 2',
      'close 0 via_upstream',
    ]);
  });

  test('the head goes out before there is a message', async () => {
    const call = nextCall();
    const stream = client().stream(PATH, notes().listener);
    assert.equal((await call).path, PATH);
    stream!.cancel();
    assert.equal(await (await call).closed, 2);
  });

  test('a server that ends first: the rest of the request is reset, sending has no effect', async () => {
    server.script = call => {
      call.sendMetadata();
      call.send('bye');
      call.end(0);
    };
    const { events, listener, closed } = notes();
    const stream = client().stream(PATH, listener);
    await closed;
    stream!.send(Buffer.from('too late'));
    stream!.close();
    assert.deepEqual(events, ['initial -', 'message bye', 'trailing -', 'close 0 via_upstream']);
    await server.calls.at(-1)!.closed;
    assert.equal(fixture.worker.stat('cluster.service.upstream_rq_active'), 0);
  });

  test('a lost connection', async () => {
    const { events, listener, closed } = notes();
    const call = nextCall();
    const stream = client().stream(PATH, listener);
    const seen = await call;
    seen.send('one');
    while (events.length < 2) await new Promise(resolve => setImmediate(resolve));
    server.dropConnections();
    await closed;
    stream!.send(Buffer.from('nobody'));
    const lost = 'close 13 upstream_reset_after_response_started{connection_termination}';
    assert.deepEqual(events, ['initial -', 'message one', 'trailing -', lost]);
  });

  test('nothing comes after cancel(), not even from inside a callback', async () => {
    server.script = call => {
      call.send('one');
      call.send('two');
      call.end(0);
    };
    const { events, listener } = notes();
    const closed = new Promise<void>(resolve => {
      const stream = client().stream(PATH, {
        ...listener,
        onMessage(message) {
          listener.onMessage(message);
          stream!.cancel();
          resolve();
        },
      });
    });
    await closed;
    await server.calls.at(-1)!.closed;
    assert.equal(await unary(), 'message two', 'the connection is of use');
    assert.deepEqual(events, ['initial -', 'message one']);
  });

  test('backpressure: a server that does not read makes the sender wait, then go on', async () => {
    const call = nextCall();
    let writable: () => void = () => {};
    const drained = new Promise<void>(resolve => {
      writable = resolve;
    });
    const { listener, closed, events } = notes({ onWritable: () => writable() });
    const stream = client().stream(PATH, listener)!;
    const seen = await call;
    seen.stream.pause();
    const piece = Buffer.alloc(256 * 1024);
    let sent = 0;
    while (!stream.needsDrain) {
      stream.send(piece);
      sent++;
      assert.ok(sent < 200, 'no backpressure');
    }
    seen.stream.resume();
    await drained;
    stream.close();
    let received = 0;
    while ((await seen.message()) !== null) received++;
    assert.equal(received, sent);
    seen.end(0);
    await closed;
    assert.deepEqual(events, ['initial -', 'trailing -', 'close 0 via_upstream']);
  });

  test('a reader that pauses does not lose anything', async () => {
    server.script = async call => {
      call.sendMetadata();
      for (let i = 0; i < 50; i++) call.send(Buffer.alloc(100_000, i));
      call.end(0);
    };
    let count = 0;
    const { listener, closed } = notes();
    const stream = client().stream(PATH, {
      ...listener,
      onMessage() {
        if (++count % 10 !== 0) return;
        stream!.pauseReading(true);
        setImmediate(() => stream!.pauseReading(false));
      },
    })!;
    stream.close();
    await closed;
    assert.equal(count, 50);
  });
});

test('a host nobody listens on', async () => {
  const gone = await GrpcServer.listen();
  const { port } = gone;
  await gone.close();
  const lonely = await startClient(port);
  const { events, listener, closed } = notes({
    onTrailingMetadata: metadata => events.push(metadataText(metadata)),
  });
  new GrpcClient(target(), lonely.client).stream(PATH, listener);
  await closed;
  lonely.worker.close();
  assert.equal(events[0], 'initial -');
  assert.equal(events[1], ':status 200 content-type application/grpc');
  assert.match(
    events[2]!,
    /^close 14 upstream connect error .*delayed_connect_error:_Connection_refused\}\}$/,
  );
});

test('grpc-timeout: at most eight digits, in larger units where needed', () => {
  assert.equal(grpcTimeout(0.2), '1m');
  assert.equal(grpcTimeout(99_999_999), '99999999m');
  assert.equal(grpcTimeout(100_000_000), '100000S');
  assert.equal(grpcTimeout(Number.MAX_SAFE_INTEGER), '99999999H');
});
