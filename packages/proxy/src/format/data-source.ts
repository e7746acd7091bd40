// DataSource: text or bytes given inline, in a file or in an environment variable. Read at configuration time.

import { readFileSync } from 'node:fs';
import { DragomanError } from '@dragoman/base';
import type { DataSource } from '@dragoman/config';

/**
 * The bytes of a data source.
 * @throws DragomanError INVALID_PATH for a file that cannot be read, ENVIRONMENT_VARIABLE for one that is not set.
 */
export function readDataSource(source: DataSource | undefined): Buffer {
  if (source === undefined) return Buffer.alloc(0);
  if (source.inlineString !== undefined) return Buffer.from(source.inlineString, 'utf8');
  if (source.inlineBytes !== undefined) return Buffer.from(source.inlineBytes);
  if (source.filename !== undefined) {
    try {
      return readFileSync(source.filename);
    } catch (cause) {
      throw new DragomanError('INVALID_PATH', `Invalid path: ${source.filename}`, { cause });
    }
  }
  if (source.environmentVariable !== undefined) {
    const value = process.env[source.environmentVariable];
    if (value === undefined)
      throw new DragomanError(
        'ENVIRONMENT_VARIABLE',
        `Environment variable doesn't exist: ${source.environmentVariable}`,
      );
    return Buffer.from(value, 'utf8');
  }
  return Buffer.alloc(0);
}
