import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Status } from '@dragoman/abi';
import { Arena } from '@dragoman/shm';
import { ArenaSharedData, ArenaSharedQueues } from './arena-state.ts';

const memory = () => Arena.create({ heapBytes: 1 << 16, namespaceLimitBytes: 1 << 12 });

describe('shared state of a process', () => {
  test('S81, S82: threads see each other by VM id, and compare and set holds between them', () => {
    const shared = memory();
    const [one, two] = [1, 2].map(owner => new ArenaSharedData(new Arena(shared, owner)));
    assert.equal(one!.set('vm', 'key', Buffer.from('a'), 0), Status.Ok);
    const { cas, value } = two!.get('vm', 'key')!;
    assert.equal(String(value), 'a');
    assert.equal(two!.get('other', 'key'), null);
    assert.equal(two!.set('vm', 'key', Buffer.from('b'), cas), Status.Ok);
    assert.equal(one!.set('vm', 'key', Buffer.from('c'), cas), Status.CasMismatch);
    assert.equal(one!.set('vm', 'big', Buffer.alloc(1 << 13), 0), Status.InternalFailure);
  });

  test('S85: an item wakes the thread that registered last, once', async () => {
    const shared = memory();
    const [one, two] = [1, 2].map(owner => new ArenaSharedQueues(new Arena(shared, owner)));
    const heard: string[] = [];
    const token = one!.register('vm', 'queue', () => heard.push('one'));
    let ready: (token: number) => void = () => {};
    const waiting = new Promise<number>(resolve => {
      ready = resolve;
    });
    assert.equal(
      two!.register('vm', 'queue', which => {
        heard.push('two');
        ready(which);
      }),
      token,
    );
    assert.equal(one!.enqueue(token, Buffer.from('item')), Status.Ok);
    assert.deepEqual(heard, []);
    assert.equal(await waiting, token);
    assert.deepEqual(heard, ['two']);
    assert.equal(String(one!.dequeue(token)), 'item');
    assert.equal(one!.dequeue(token), null);
    assert.equal(one!.dequeue(token + 1), undefined);
    assert.equal(one!.enqueue(token + 1, Buffer.alloc(0)), Status.NotFound);
    assert.deepEqual([one!.resolve('vm', 'queue'), one!.resolve('vm', 'none')], [token, 0]);
    one!.close();
    two!.close();
  });
});
