import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeCommand, hasOneReply, parseCommand } from './redis-command.ts';
import { RespReader } from './resp-reader.ts';

const LIMIT_BYTES = 100_000;

/** Numbers below `bound`, the same ones for the same seed. */
function randomOf(seed: number): (bound: number) => number {
  let state = seed;
  return bound => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

function randomValue(random: (bound: number) => number, depth = 0): string {
  const scalars = [
    '+OK',
    '-ERR no',
    ':-12',
    '_',
    '#t',
    ',1.5e3',
    ',inf',
    '(123456789012345678901',
    '$-1',
    '*-1',
  ];
  const kind = random(depth > 3 ? 2 : 4);
  if (kind === 0) return `${scalars[random(scalars.length)]}\r\n`;
  const many = (count: number) =>
    Array.from({ length: count }, () => randomValue(random, depth + 1)).join('');
  if (kind === 1) {
    const bytes = Array.from({ length: random(40) }, () => String.fromCharCode(random(256))).join('');
    return `${'$!='[random(3)]}${bytes.length}\r\n${bytes}\r\n`;
  }
  const count = random(4);
  if (kind === 2) return `${'*~'[random(2)]}${count}\r\n${many(count)}`;
  const attribute = random(4) === 0;
  return `${attribute ? '|' : '%'}${count}\r\n${many(2 * count)}${attribute ? many(1) : ''}`;
}

const readAll = (pieces: readonly string[], limit = LIMIT_BYTES) => {
  const reader = new RespReader(limit);
  const values = pieces.flatMap(piece => reader.push(Buffer.from(piece, 'latin1')));
  return { reader, values: values.map(value => value.toString('latin1')) };
};

describe('RespReader', () => {
  test('gives back any values as they came, however they are cut', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = randomOf(seed);
      const values = Array.from({ length: 1 + random(5) }, () => randomValue(random));
      const text = values.join('');
      const pieces: string[] = [];
      for (let at = 0; at < text.length; ) {
        const size = 1 + random(seed % 2 === 0 ? 4 : 60);
        pieces.push(text.slice(at, at + size));
        at += size;
      }
      const read = readAll(pieces);
      assert.equal(read.reader.fault, '', `seed ${seed}`);
      assert.deepEqual(read.values, values, `seed ${seed}`);
      assert.equal(read.reader.atBoundary, true);
    }
  });

  test('arbitrary bytes are values or a fault, never an exception, and never more than came', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = randomOf(seed);
      const alphabet = '+-:$*%~|>_#,(!=0123456789\r\n\r\n\r\nab';
      const text = Array.from({ length: random(200) }, () => alphabet[random(alphabet.length)]).join('');
      const { values } = readAll([text.slice(0, 50), text.slice(50)]);
      assert.ok(text.startsWith(values.join('')) || text.includes('>'), JSON.stringify(text));
    }
  });

  test('messages that were pushed are no replies', () => {
    assert.deepEqual(readAll(['>2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n:1\r\n']).values, [':1\r\n']);
  });

  test('what is not RESP is a fault with its reason, after the values before it', () => {
    const bad = [
      'x\r\n',
      ':1a\r\n',
      ':\r\n',
      '#y\r\n',
      '_x\r\n',
      '$-2\r\n',
      '!-1\r\n',
      '*1.5\r\n',
      '+a\n',
      '$1\r\nabc',
    ];
    for (const text of [...bad, '$?\r\n', '*9999999999\r\n', '+a\rb\r\n']) {
      const { reader, values } = readAll([`:7\r\n${text}`]);
      assert.match(reader.fault, /^not RESP: /, text);
      assert.deepEqual(values, [':7\r\n'], text);
      assert.deepEqual(reader.push(Buffer.from('+OK\r\n')), []);
    }
  });

  test('a value over the limit and an endless line are faults', () => {
    assert.notEqual(readAll(['*3\r\n', '$40\r\n', 'x'.repeat(40), '\r\n', '$40\r\n'], 50).reader.fault, '');
    assert.notEqual(readAll([`+${'x'.repeat(70_000)}`]).reader.fault, '');
  });
});

describe('a query', () => {
  test('is one whole command of bulk strings', () => {
    const command = encodeCommand('SET', 'key', 'ä\r\n');
    assert.deepEqual(parseCommand(command)?.map(String), ['SET', 'key', 'ä\r\n']);
    assert.equal(hasOneReply(command), true);
    const text = command.latin1Slice();
    for (let size = 0; size < text.length; size++)
      assert.equal(hasOneReply(Buffer.from(text.slice(0, size), 'latin1')), false);
    for (const other of [
      text + text,
      `${text}x`,
      'PING\r\n',
      '*0\r\n',
      '*1\r\n:1\r\n',
      '*1\r\n$-1\r\n',
      '+OK\r\n',
    ])
      assert.equal(hasOneReply(Buffer.from(other, 'latin1')), false, other);
  });

  test('is no command whose replies would be taken for those of others', () => {
    assert.equal(hasOneReply(encodeCommand('SUBSCRIBE', 'a')), false);
    assert.equal(hasOneReply(encodeCommand('Monitor')), false);
    assert.equal(hasOneReply(encodeCommand('client', 'REPLY', 'OFF')), false);
    assert.equal(hasOneReply(encodeCommand('client', 'id')), true);
  });
});
