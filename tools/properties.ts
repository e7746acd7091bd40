// Writes docs/PROPERTIES.md from the tables of attributes that plugins can read.

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  PROPERTIES_DOCUMENT,
  propertiesDocument,
} from '../packages/filters/src/wasm/attributes/documentation.ts';

writeFileSync(join(resolve(import.meta.dirname, '..'), PROPERTIES_DOCUMENT), propertiesDocument());
