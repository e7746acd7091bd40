// google.protobuf.FieldMask over JSON with proto field names.

import type { JsonObject, JsonValue } from '@dragoman/config';

/** `a.b,c` as paths. */
export const parseMask = (mask: string): string[][] =>
  mask
    .split(',')
    .filter(path => path !== '')
    .map(path => path.split('.'));

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Keeps only what a path leads to; "@type" stays, as an Any without it could not be read. */
export function applyMask(message: JsonObject, paths: readonly (readonly string[])[]): JsonObject {
  const kept: JsonObject = {};
  for (const [name, value] of Object.entries(message)) {
    if (name === '@type') kept[name] = value;
    const deeper = paths.filter(path => path[0] === name).map(path => path.slice(1));
    if (deeper.length === 0) continue;
    kept[name] =
      isObject(value) && !deeper.some(path => path.length === 0) ? applyMask(value, deeper) : value;
  }
  return kept;
}
