import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROPERTIES_DOCUMENT, propertiesDocument } from './documentation.ts';

const root = join(import.meta.dirname, '../../../../..');

test('docs/PROPERTIES.md is what the tables of attributes say (node tools/properties.ts writes it)', () => {
  assert.equal(readFileSync(join(root, PROPERTIES_DOCUMENT), 'utf8'), propertiesDocument());
});
