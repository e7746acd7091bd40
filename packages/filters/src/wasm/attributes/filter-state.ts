// Filter state as plugins see it: what they have set themselves under "wasm.", and what filters have left for others.

import { jsonProperty, type PropertyMap, type PropertyValue, utf8Property } from '@dragoman/vm';

/** Before the names of what plugins set. */
export const WASM_STATE_PREFIX = 'wasm.';

/** One object of the filter state. Values set by plugins are bytes; those of filters are texts, numbers, or objects. */
export function filterStateValue(value: unknown): PropertyValue {
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array || typeof value === 'boolean') return value;
  if (typeof value === 'string') return utf8Property(value);
  if (typeof value === 'number') return BigInt(Math.trunc(value));
  if (typeof value === 'bigint') return value;
  return jsonProperty(value);
}

/** By key; it cannot be listed, as in Envoy. */
export function filterStateProperty(state: ReadonlyMap<string, unknown> | null): PropertyMap {
  return { get: key => filterStateValue(state?.get(key)), entries: () => UNLISTED };
}

/** A map with one entry that has no encoding: reading it whole is SERIALIZATION_FAILURE. */
const UNLISTED: readonly (readonly [string, PropertyValue])[] = [['', null]];
