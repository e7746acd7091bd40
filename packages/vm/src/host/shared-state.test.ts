import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Status } from '@dragoman/abi';
import { LocalSharedData } from '../shared-data.ts';
import { LocalSharedQueues } from '../shared-queues.ts';
import { type Fixture, inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';

const SET = 'proxy_set_shared_data';
const GET = 'proxy_get_shared_data';

function during<Result>(fixture: Fixture, inside: () => Result): Result {
  let result: Result | undefined;
  inRequestHeaders(fixture, requestHeaders(), () => {
    result = inside();
    return 0;
  });
  return result as Result;
}

/** [status, value, cas] of a key. */
function read(fixture: Fixture, key: string): [number, string | null, number] {
  return during(fixture, () => {
    const { puppet } = fixture;
    puppet.clearSlots();
    const status = puppet.call(GET, key, puppet.slot(0), puppet.slot(1), puppet.slot(2));
    return [status, status === 0 ? puppet.text() : null, status === 0 ? puppet.u32(2) : 0];
  });
}

const write = (fixture: Fixture, key: string, value: string, cas = 0): number =>
  during(fixture, () => fixture.puppet.call(SET, key, value, cas));

describe('shared data', () => {
  test('S81: VMs of one id see each other, of different ids do not', () => {
    const sharedData = new LocalSharedData();
    const [first, second, other] = ['a', 'a', 'b'].map(vmId =>
      startStream({ vm: { vmId }, host: { sharedData } }),
    );
    write(first!, 'key', 'value');
    assert.equal(read(second!, 'key')[1], 'value');
    assert.equal(read(other!, 'key')[0], Status.NotFound);
  });

  test('S82: compare and set: current cas OK, stale CAS_MISMATCH, any cas on an absent key OK', () => {
    const fixture = startStream();
    assert.equal(write(fixture, 'key', 'a'), Status.Ok);
    const [, , cas] = read(fixture, 'key');
    assert.equal(write(fixture, 'key', 'b', cas), Status.Ok);
    assert.equal(write(fixture, 'key', 'c', cas), Status.CasMismatch);
    assert.equal(read(fixture, 'key')[1], 'b');
    assert.equal(write(fixture, 'absent', 'x', 12345), Status.Ok);
    assert.equal(write(fixture, 'key', 'unconditional'), Status.Ok);
  });

  test('S83: an empty value is OK, pointer and size 0, cas not 0', () => {
    const fixture = startStream();
    write(fixture, 'key', '');
    const [status, value, cas] = read(fixture, 'key');
    assert.deepEqual([status, value], [0, '']);
    assert.notEqual(cas, 0);
    assert.deepEqual(fixture.puppet.allocations, []);
  });

  test('S32: an absent key is NOT_FOUND even with a bad cas pointer', () => {
    const fixture = startStream();
    assert.equal(
      during(fixture, () => fixture.puppet.call(GET, 'k', 16, 24, -16)),
      Status.NotFound,
    );
    write(fixture, 'k', 'v');
    assert.equal(
      during(fixture, () => fixture.puppet.call(GET, 'k', 16, 24, -16)),
      Status.InvalidMemoryAccess,
    );
  });
});

describe('shared queues', () => {
  function withQueues(vmId = 'vm', scheduled: (() => void)[] = [], queues?: LocalSharedQueues) {
    const sharedQueues = queues ?? new LocalSharedQueues(notify => scheduled.push(notify));
    const fixture = startStream({ vm: { vmId }, host: { sharedQueues } });
    const token = (name: string) =>
      during(fixture, () => {
        fixture.puppet.call('proxy_register_shared_queue', name, fixture.puppet.slot(0));
        return fixture.puppet.u32(0);
      });
    const resolve = (id: string, name: string) =>
      during(fixture, () => {
        fixture.puppet.clearSlots();
        const status = fixture.puppet.call('proxy_resolve_shared_queue', id, name, fixture.puppet.slot(0));
        return status === 0 ? fixture.puppet.u32(0) : -status;
      });
    const enqueue = (to: number, item: string) =>
      during(fixture, () => fixture.puppet.call('proxy_enqueue_shared_queue', to, item));
    const dequeue = (from: number) =>
      during(fixture, () => fixture.puppet.ask('proxy_dequeue_shared_queue', from));
    return { fixture, scheduled, sharedQueues, token, resolve, enqueue, dequeue };
  }

  test('S84: registering again keeps token and items; resolving finds own and others, or not', () => {
    const first = withQueues('first');
    const token = first.token('queue');
    first.enqueue(token, 'item');
    assert.equal(first.token('queue'), token);
    assert.equal(first.resolve('', 'queue'), token);
    assert.equal(first.resolve('first', 'queue'), token);
    assert.equal(first.resolve('', 'nowhere'), -Status.NotFound);
    const second = withQueues('second', [], first.sharedQueues);
    assert.equal(second.resolve('first', 'queue'), token);
    assert.equal(second.resolve('', 'queue'), -Status.NotFound);
    assert.deepEqual(second.dequeue(token), { status: 0, text: 'item' });
  });

  test('S85: empty is 7, unknown is 1', () => {
    const { token, dequeue, enqueue } = withQueues();
    assert.equal(dequeue(token('queue')).status, Status.Empty);
    assert.equal(dequeue(999).status, Status.NotFound);
    assert.equal(enqueue(999, 'x'), Status.NotFound);
  });

  test('S85: queue_ready comes once per item, later, to the last registrant', () => {
    const scheduled: (() => void)[] = [];
    const first = withQueues('vm', scheduled);
    const second = withQueues('vm', scheduled, first.sharedQueues);
    const token = first.token('queue');
    second.token('queue');
    for (const { fixture } of [first, second]) fixture.puppet.trace.length = 0;
    first.enqueue(token, 'one');
    first.enqueue(token, 'two');
    const ready = (of: typeof first) =>
      of.fixture.puppet.trace.filter(line => line.startsWith('proxy_on_queue_ready'));
    assert.deepEqual([ready(first), ready(second)], [[], []]);
    for (const notify of scheduled) notify();
    assert.deepEqual(ready(first), []);
    assert.deepEqual(ready(second), [
      `proxy_on_queue_ready(1, ${token})`,
      `proxy_on_queue_ready(1, ${token})`,
    ]);
    assert.equal(first.dequeue(token).text, 'one');
    assert.equal(second.dequeue(token).text, 'two');
  });

  test('an item for a VM that has died is kept and nobody is told', () => {
    const scheduled: (() => void)[] = [];
    const dead = withQueues('vm', scheduled);
    const token = dead.token('queue');
    const other = withQueues('other', scheduled, dead.sharedQueues);
    other.enqueue(token, 'item');
    dead.fixture.vm.fail('proxy_on_tick', new WebAssembly.RuntimeError('unreachable'));
    dead.fixture.puppet.trace.length = 0;
    for (const notify of scheduled) notify();
    assert.deepEqual(dead.fixture.puppet.trace, []);
    assert.equal(other.dequeue(token).text, 'item');
  });

  test('a dequeue with a bad result pointer takes nothing out', () => {
    const { fixture, token, enqueue, dequeue } = withQueues();
    const queue = token('queue');
    enqueue(queue, 'item');
    assert.equal(
      during(fixture, () => fixture.puppet.call('proxy_dequeue_shared_queue', queue, -16, 24)),
      6,
    );
    assert.equal(dequeue(queue).text, 'item');
  });
});
