import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyBuffer } from './body-buffer.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

type Step =
  | ['append' | 'prepend' | 'appendCopy', string]
  | ['drain', number]
  | ['clear' | 'join']
  | ['replace', number, number, string];

const content = fc.string({ maxLength: 6, unit: 'binary-ascii' });
const position = fc.nat(20);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constantFrom('append' as const, 'prepend' as const, 'appendCopy' as const), content),
  fc.tuple(fc.constant('drain' as const), position),
  fc.tuple(fc.constantFrom('clear' as const, 'join' as const)),
  fc.tuple(fc.constant('replace' as const), position, position, content),
);

function apply(
  buffer: BodyBuffer,
  model: string,
  [kind, a, b, c]: Step & (string | number | undefined)[],
): string {
  switch (kind) {
    case 'append':
      buffer.append(bytes(a as string));
      return model + a;
    case 'appendCopy':
      buffer.appendCopy(bytes(a as string));
      return model + a;
    case 'prepend':
      buffer.prepend(bytes(a as string));
      return a + model;
    case 'drain':
      buffer.drain(a as number);
      return model.slice(a as number);
    case 'replace':
      buffer.replaceRange(a as number, b as number, bytes(c as string));
      return model.slice(0, a as number) + c + model.slice((a as number) + (b as number));
    case 'join':
      buffer.toBuffer();
      return model;
    default:
      buffer.clear();
      return '';
  }
}

test('behaves like one string, whatever the chunks', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), position, position, (steps, start, length) => {
      const buffer = new BodyBuffer();
      let model = '';
      for (const each of steps) {
        model = apply(buffer, model, each as Step & (string | number | undefined)[]);
        assert.equal(buffer.length, model.length);
        assert.equal(Buffer.concat(buffer.chunks).latin1Slice(), model);
        assert.ok(buffer.chunks.every(chunk => chunk.length > 0));
      }
      assert.equal(buffer.slice(start, length).latin1Slice(), model.slice(start, start + length));
      assert.equal(buffer.toBuffer().latin1Slice(), model);
    }),
  );
});

test('append keeps the memory it is given, appendCopy and replaceRange do not', () => {
  const buffer = new BodyBuffer();
  const [owned, borrowed, inserted] = [bytes('a'), bytes('b'), bytes('c')];
  buffer.append(owned);
  buffer.appendCopy(borrowed);
  buffer.replaceRange(2, 0, inserted);
  for (const each of [owned, borrowed, inserted]) each[0] = 0x7a;
  assert.equal(buffer.toBuffer().latin1Slice(), 'zbc');
});

test('a slice within one chunk is a view, toBuffer joins once', () => {
  const buffer = new BodyBuffer();
  const first = bytes('abc');
  buffer.append(first);
  buffer.append(bytes('def'));
  assert.equal(buffer.slice(1, 2).buffer, first.buffer);
  assert.equal(buffer.chunks.length, 2);
  assert.equal(buffer.toBuffer(), buffer.toBuffer());
});
