// Writes docs/ABI_CONFORMANCE.md: every statement about the ABI with the tests that are named after it.
// `npm run tidy` checks that it is true.

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { conformanceDocument, DOCUMENT } from './abi-statements/conformance-table.ts';
import { readSources } from './tidy/source-tree.ts';

const root = resolve(import.meta.dirname, '..');
writeFileSync(join(root, DOCUMENT), conformanceDocument(readSources(root)));
