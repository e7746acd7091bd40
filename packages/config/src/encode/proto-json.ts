// Decoded messages back to protobuf's JSON with proto field names, as Envoy's admin pages print it: defaults left
// out, durations as '15s', enums by name, Any with "@type", 64-bit integers as text.

import type { Decoded, DecodedAny } from '../decode/json-decoder.ts';
import { isSet } from '../decode/merge.ts';
import { isWellKnown } from '../decode/well-known.ts';
import { type FieldKind, type FieldSchema, findMessage, messageSchema } from '../schema/descriptor.ts';
import type { Json, JsonObject } from '../text/source.ts';

/** `15s`, `0.250s`: 0, 3, 6 or 9 fraction digits, as protobuf prints them. */
export function durationText(ms: number): string {
  const size = Math.abs(ms);
  let seconds = Math.floor(size / 1000);
  // Seconds first: milliseconds times 1e6 would not fit a double's 53 bits.
  let fraction = Math.round((size - seconds * 1000) * 1e6);
  if (fraction === 1e9) [seconds, fraction] = [seconds + 1, 0];
  const sign = ms < 0 && seconds + fraction > 0 ? '-' : '';
  if (fraction === 0) return `${sign}${seconds}s`;
  const digits = String(fraction).padStart(9, '0');
  return `${sign}${seconds}.${digits.replace(/(?:000){1,2}$/, '')}s`;
}

const timestampText = (ms: number): string => new Date(ms).toISOString().replace(/\.000Z$/, 'Z');

const IS_64_BIT = new Set<FieldKind>(['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64']);

function scalarJson(kind: FieldKind, value: unknown): Json {
  if (kind === 'bytes') return Buffer.from(value as Uint8Array).toString('base64');
  if (IS_64_BIT.has(kind)) return BigInt(value as number).toString();
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (kind === 'enum' && /^-?\d+$/.test(value as string)) return Number(value);
  return value as Json;
}

function wellKnownJson(typeName: string, value: unknown): Json {
  switch (typeName) {
    case 'google.protobuf.Duration':
      return durationText(value as number);
    case 'google.protobuf.Timestamp':
      return timestampText(value as number);
    case 'google.protobuf.BytesValue':
      return scalarJson('bytes', value);
    case 'google.protobuf.Int64Value':
    case 'google.protobuf.UInt64Value':
      return scalarJson('int64', value);
    case 'google.protobuf.Any':
      return anyJson(value as DecodedAny);
    default:
      return value as Json;
  }
}

function anyJson(any: DecodedAny): JsonObject {
  if (any.typeUrl === '') return {};
  if (findMessage(any.typeName) === null || any.value instanceof Uint8Array) return unknownAnyJson(any);
  const inner = toProtoJson(any.typeName, any.value);
  if (any.wrapper !== undefined) {
    const value = isWellKnown(any.typeName) ? { value: inner } : inner;
    return { '@type': `type.googleapis.com/${any.wrapper}`, type_url: any.typeUrl, value };
  }
  return isWellKnown(any.typeName)
    ? { '@type': any.typeUrl, value: inner }
    : { '@type': any.typeUrl, ...(inner as JsonObject) };
}

/** A type the schema lacks: what was read from JSON is kept as it was; bytes are shown as bytes. */
function unknownAnyJson({ typeUrl, value }: DecodedAny): JsonObject {
  if (value instanceof Uint8Array) return { '@type': typeUrl, value: scalarJson('bytes', value) };
  return { ...(value as JsonObject), '@type': typeUrl };
}

function fieldJson(field: FieldSchema, value: unknown): Json {
  return field.kind === 'message' ? toProtoJson(field.typeName, value) : scalarJson(field.kind, value);
}

/** The JSON of a decoded message (or well-known type) with proto field names; defaults are left out. */
export function toProtoJson(typeName: string, decoded: unknown): Json {
  if (isWellKnown(typeName)) return wellKnownJson(typeName, decoded);
  const message = decoded as Decoded;
  const json: JsonObject = {};
  for (const field of messageSchema(typeName).fields) {
    const value = message[field.jsonName];
    if (!isSet(field, value)) continue;
    if (field.repeated) json[field.name] = (value as unknown[]).map(item => fieldJson(field, item));
    else if (field.mapKey !== null) {
      const entries = Object.entries(value as Decoded).map(([key, item]) => [key, fieldJson(field, item)]);
      json[field.name] = Object.fromEntries(entries) as JsonObject;
    } else json[field.name] = fieldJson(field, value);
  }
  return json;
}
