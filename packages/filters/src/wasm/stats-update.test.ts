import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatsUpdateEncoder } from './stats-update.ts';

const counter = (name: string, value: number) => ({ kind: 'counter', name, value, used: value > 0 });
const gauge = (name: string, value: number) => ({ kind: 'gauge', name, value, used: true });

/** Reads an update as Envoy's C++ SDK does: by the blocks' sizes, types and counts, names and padding. */
function parse(update: Uint8Array): string[] {
  const bytes = Buffer.from(update);
  const found: string[] = [];
  for (let start = 0; start < bytes.length; start += bytes.readUInt32LE(start)) {
    const type = bytes.readUInt32LE(start + 4);
    let at = start + 12;
    for (let i = 0; i < bytes.readUInt32LE(start + 8); i++) {
      const length = bytes.readUInt32LE(at);
      const name = bytes.toString('utf8', at + 4, at + 4 + length);
      at = Math.ceil((at + 4 + length) / 8) * 8;
      const values = Array.from({ length: type === 1 ? 2 : 1 }, () => {
        at += 8;
        return bytes.readBigInt64LE(at - 8);
      });
      found.push(`${type} ${name} ${values.join(' ')}`);
    }
  }
  return found;
}

test('an update has the used counters with their growth, and the used gauges', () => {
  const encoder = new StatsUpdateEncoder();
  const stats = [counter('a', 3), counter('unused', 0), gauge('server.live', 1), gauge('below', -2)];
  assert.deepEqual(parse(encoder.encode(stats)), ['1 a 3 3', '2 server.live 1', '2 below -2']);
  assert.deepEqual(parse(encoder.encode([counter('a', 10)])), ['1 a 10 7']);
  assert.deepEqual(parse(encoder.encode([counter('a', 4)])), ['1 a 4 4']);
});

test('the bytes of Envoy 1.40: an empty block of counters, two gauges, aligned from the start of the buffer', () => {
  const update = new StatsUpdateEncoder().encode([gauge('server.live', 1), gauge('server.concurrency', 2)]);
  const expected =
    '0c0000000100000000000000' +
    '44000000' +
    '0200000002000000' +
    '0b0000007365727665722e6c697665000100000000000000' +
    '120000007365727665722e636f6e63757272656e6379000002000000' +
    '00000000';
  assert.equal(Buffer.from(update).toString('hex'), expected);
});
