import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TextCache } from './text-cache.ts';

test('the cache answers what lies there now, whatever lay there or elsewhere before', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'B', '-', '\xff', '\0'),
    minLength: 1,
    maxLength: 120,
  });
  const write = fc.tuple(fc.nat({ max: 4000 }), text);
  fc.assert(
    fc.property(fc.array(write, { minLength: 1, maxLength: 200 }), writes => {
      const cache = new TextCache(raw => raw.toLowerCase());
      const memory = Buffer.alloc(4200);
      for (const [at, value] of writes) {
        memory.latin1Write(value, at);
        assert.equal(cache.get(memory, at, value.length), value.toLowerCase());
        // Again, now from the cache.
        assert.equal(cache.get(memory, at, value.length), value.toLowerCase());
      }
    }),
  );
});
