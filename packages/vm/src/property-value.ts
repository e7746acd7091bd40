// Values of properties and how they look in guest memory (ABI reference 8.2). Finding the value of a path is the
// embedder's business; descending into maps and lists and encoding is done here.

import { encodeBytePairs } from '@dragoman/abi';

/**
 * A property's value. A bigint is an integer (8 bytes; also nanoseconds of timestamps and durations), a number is a
 * double; undefined means "not found"; null has no encoding.
 */
export type PropertyValue =
  | string
  | Uint8Array
  | bigint
  | number
  | boolean
  | null
  | undefined
  | readonly PropertyValue[]
  | PropertyMap
  | PropertyMessage;

/** A map attribute, such as request.headers. */
export interface PropertyMap {
  get(key: string): PropertyValue;
  entries(): Iterable<readonly [string, PropertyValue]>;
}

/** A protobuf message: read whole as its serialised form, or field by field. */
export interface PropertyMessage {
  field(name: string): PropertyValue;
  serialize(): Uint8Array;
}

/** Integer property from a JavaScript number; undefined and NaN stay "not found". */
export function integerProperty(value: number | undefined | null): bigint | undefined {
  return value === undefined || value === null || Number.isNaN(value) ? undefined : BigInt(Math.trunc(value));
}

/** Timestamp or duration property (nanoseconds) from milliseconds. */
export function nanosecondsProperty(milliseconds: number | undefined | null): bigint | undefined {
  if (milliseconds === undefined || milliseconds === null || Number.isNaN(milliseconds)) return undefined;
  const whole = Math.trunc(milliseconds);
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((milliseconds - whole) * 1e6));
}

/** String property from text of the configuration; a plain string value is taken as latin1, as headers are. */
export function utf8Property(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

/** Property map over decoded JSON (google.protobuf.Struct): numbers are doubles, objects maps, arrays lists. */
export function jsonProperty(value: unknown): PropertyValue {
  if (value === null || value === undefined) return value;
  if (typeof value === 'string') return utf8Property(value);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(jsonProperty);
  const object = value as Record<string, unknown>;
  return {
    get: key => (Object.hasOwn(object, key) ? jsonProperty(object[key]) : undefined),
    entries: () => Object.entries(object).map(([key, item]) => [key, jsonProperty(item)] as const),
  };
}

/** Follows `path` from index `start` into a value; undefined where it leads nowhere (also into a scalar). */
export function descend(value: PropertyValue, path: readonly string[], start: number): PropertyValue {
  for (let i = start; i < path.length; i++) {
    const key = path[i];
    if (Array.isArray(value)) value = /^\d{1,9}$/.test(key) ? value[Number(key)] : undefined;
    else if (isMap(value)) value = value.get(key);
    else if (isMessage(value)) value = value.field(key);
    else return undefined;
  }
  return value;
}

/** The bytes a guest gets, or null when the value has no encoding (status SERIALIZATION_FAILURE). */
export function encodeProperty(value: PropertyValue): Uint8Array | null {
  switch (typeof value) {
    case 'string':
      return Buffer.from(value, 'latin1');
    case 'bigint': {
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeBigInt64LE(BigInt.asIntN(64, value));
      return bytes;
    }
    case 'number': {
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeDoubleLE(value);
      return bytes;
    }
    case 'boolean':
      return Buffer.of(value ? 1 : 0);
  }
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return encodeEntries(value.map(item => [item, ''] as const));
  if (isMap(value)) return encodeEntries([...value.entries()]);
  return (value as PropertyMessage).serialize();
}

function encodeEntries(entries: readonly (readonly [PropertyValue, PropertyValue])[]): Uint8Array | null {
  const pairs: [Buffer, Buffer][] = [];
  for (const [key, item] of entries) {
    const name = encodeProperty(key);
    const value = encodeProperty(item);
    if (name === null || value === null) return null;
    pairs.push([Buffer.from(name), Buffer.from(value)]);
  }
  return encodeBytePairs(pairs);
}

function isMap(value: PropertyValue): value is PropertyMap {
  return typeof value === 'object' && value !== null && 'entries' in value && 'get' in value;
}

function isMessage(value: PropertyValue): value is PropertyMessage {
  return typeof value === 'object' && value !== null && 'serialize' in value;
}
