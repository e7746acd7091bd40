// What an HTTP/1 client that takes its time is told, and how long its connection may last. The clock is the test's own.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RawConnection, ScriptedServer, StoppedClock } from '@dragoman/testkit';
import { WorkerFixture } from '../testing/worker-fixture.ts';

let upstream: ScriptedServer;
before(async () => {
  upstream = await ScriptedServer.listen(async connection => {
    for (;;) {
      const { startLine } = await connection.readMessage();
      if (startLine.includes('/silent')) return void (await connection.closed());
      connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    }
  });
});
after(() => upstream.close());

interface Run {
  readonly clock: StoppedClock;
  readonly worker: WorkerFixture;
  readonly client: RawConnection;
}

async function run(manager: object, steps: (run: Run) => Promise<void>): Promise<void> {
  const clock = new StoppedClock();
  const cluster = { connect_timeout: '99s' };
  const worker = await WorkerFixture.start({ clusters: { app: upstream.port }, cluster, manager, clock });
  const client = await worker.connect();
  try {
    await steps({ clock, worker, client });
  } finally {
    client.close();
    worker.close();
  }
}

const received = async ({ worker }: Run, bytes: number): Promise<void> => {
  while (worker.stat('http.test.downstream_cx_rx_bytes_total') < bytes) await new Promise(setImmediate);
};

const HALF = 'GET / HTTP/1.1\r\nhost: a\r\nx-h';

describe('the head of a request that does not come', () => {
  const cases: readonly [string, object, string, string][] = [
    [
      'request_headers_timeout',
      { request_headers_timeout: '1s' },
      'request header timeout',
      'rq_header_timeout',
    ],
    ['request_timeout', { request_timeout: '1s' }, 'request timeout', 'rq_timeout'],
    ['stream_idle_timeout', { stream_idle_timeout: '1s' }, 'stream timeout', 'rq_idle_timeout'],
    [
      'the shortest of them',
      { stream_idle_timeout: '3s', request_timeout: '1s' },
      'request timeout',
      'rq_timeout',
    ],
  ];
  for (const [name, manager, body, stat] of cases)
    test(`${name}: 408 from the first byte on, whatever drips in meanwhile`, () =>
      run(manager, async all => {
        const { clock, worker, client } = all;
        client.send(HALF);
        await received(all, HALF.length);
        clock.advance(600);
        client.send(': 1\r\ny: 2\r\nz');
        await received(all, HALF.length + 12);
        clock.advance(600);
        const answer = await client.readMessage();
        assert.deepEqual([answer.startLine, answer.body], ['HTTP/1.1 408 Request Timeout', body]);
        assert.deepEqual(answer.headers.get('connection'), ['close']);
        assert.equal(worker.stat(`http.test.downstream_${stat}`), 1);
      }));
});

test("a timeout while the request is not complete is the client's fault: 408, after that 504", async () => {
  for (const [manager, body] of [
    [{ stream_idle_timeout: '1s' }, 'stream timeout'],
    [{ common_http_protocol_options: { max_stream_duration: '1s' } }, 'downstream duration timeout'],
  ] as const)
    for (const [request, status] of [
      ['POST /silent HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n123', 408],
      ['GET /silent HTTP/1.1\r\nhost: a\r\n\r\n', 504],
    ] as const)
      await run(manager, async all => {
        all.client.send(request);
        await received(all, request.length);
        all.clock.advance(1100);
        const answer = await all.client.readMessage();
        assert.equal(Number(answer.startLine.split(' ')[1]), status);
        assert.equal(answer.body, body);
      });
});

describe('max_connection_duration', () => {
  const manager = { common_http_protocol_options: { max_connection_duration: '1s' }, drain_timeout: '2s' };
  const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

  test('an unused connection is closed', () =>
    run(manager, async ({ clock, worker, client }) => {
      while (worker.stat('http.test.downstream_cx_active') === 0) await new Promise(setImmediate);
      clock.advance(1100);
      await client.closed();
      assert.equal(worker.stat('http.test.downstream_cx_max_duration_reached'), 1);
    }));

  test('a used one is asked to close, and is closed when the drain timeout has passed', () =>
    run(manager, async ({ clock, client }) => {
      client.send(GET);
      assert.equal((await client.readMessage()).headers.get('connection'), undefined);
      clock.advance(1100);
      client.send(GET);
      assert.deepEqual((await client.readMessage()).headers.get('connection'), ['close']);
      client.send(GET);
      assert.deepEqual((await client.readMessage()).headers.get('connection'), ['close']);
      clock.advance(2100);
      await client.closed();
    }));

  test('http1_safe_max_connection_duration: it ends with its next response, not sooner', () =>
    run({ ...manager, http1_safe_max_connection_duration: true }, async ({ clock, client }) => {
      client.send(GET);
      await client.readMessage();
      clock.advance(60_000);
      client.send(GET);
      assert.deepEqual((await client.readMessage()).headers.get('connection'), ['close']);
      await client.closed();
    }));
});
