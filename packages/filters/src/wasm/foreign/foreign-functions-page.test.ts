import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FOREIGN_FUNCTIONS } from './foreign-functions.ts';

test('docs/FOREIGN_FUNCTIONS.md has every foreign function that there is, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../../../docs/FOREIGN_FUNCTIONS.md'), 'utf8');
  const named = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(match => match[1]);
  assert.deepEqual(named.toSorted(), [...FOREIGN_FUNCTIONS.keys()].toSorted());
});
