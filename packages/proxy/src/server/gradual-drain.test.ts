import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScriptedServer, StoppedClock } from '@dragoman/testkit';
import { WorkerFixture } from '../testing/worker-fixture.ts';
import { GradualDrain } from './gradual-drain.ts';

const PLAN = { timeMs: 1000, immediate: false, inboundOnly: false };

test('the share of connections that end grows with the drain time', () => {
  const clock = new StoppedClock();
  const seldom = new GradualDrain(PLAN, clock, () => 0.9);
  const often = new GradualDrain(PLAN, clock, () => 0.1);
  assert.deepEqual([seldom.endsConnection(false), often.endsConnection(false)], [false, false]);
  clock.advance(500);
  assert.deepEqual([seldom.endsConnection(false), often.endsConnection(false)], [false, true]);
  clock.advance(500);
  assert.equal(seldom.endsConnection(false), true);
  const now = new GradualDrain({ ...PLAN, immediate: true, inboundOnly: true }, clock, () => 0.9);
  assert.deepEqual([now.endsConnection(true), now.endsConnection(false)], [true, false]);
});

async function closes(worker: WorkerFixture): Promise<boolean> {
  const client = await worker.connect();
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const { headers } = await client.readMessage();
  client.close();
  return headers.get('connection')?.[0] === 'close';
}

test('a failing health check closes at once, but not on a MODIFY_ONLY listener; a drain closes there, too', async () => {
  const upstream = await ScriptedServer.listen(async connection => {
    await connection.readMessage();
    connection.send('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  });
  for (const [drain_type, onFailure] of [
    ['DEFAULT', true],
    ['MODIFY_ONLY', false],
  ] as const) {
    const worker = await WorkerFixture.start({ clusters: { app: upstream.port }, listener: { drain_type } });
    assert.equal(await closes(worker), false);
    worker.setDraining(true);
    assert.equal(await closes(worker), onFailure);
    worker.setDraining(false);
    worker.startDrain({ timeMs: 0, immediate: false, inboundOnly: true });
    assert.equal(await closes(worker), false, 'not an inbound listener');
    worker.startDrain({ timeMs: 0, immediate: false, inboundOnly: false });
    assert.equal(await closes(worker), true);
    assert.equal(worker.stat('http.test.downstream_cx_drain_close'), onFailure ? 2 : 1);
    worker.close();
  }
  await upstream.close();
});
