// The protobuf wire format of decoded messages: plugin configurations of message types, and xDS. The byte writer and
// reader are protobufjs's, loaded with the first message; the tables are ours.

import { createRequire } from 'node:module';
import type { Reader, Writer } from 'protobufjs';
import type { Decoded, DecodedAny } from '../decode/json-decoder.ts';
import { isSet } from '../decode/merge.ts';
import { isWellKnown, wrappedKind } from '../decode/well-known.ts';
import {
  enumSchema,
  type FieldKind,
  type FieldSchema,
  findMessage,
  messageSchema,
} from '../schema/descriptor.ts';
import type { Json, JsonObject } from '../text/source.ts';
import { toProtoJson } from './proto-json.ts';

type Minimal = { Writer: typeof Writer; Reader: typeof Reader };

let minimal: Minimal | null = null;

function protobuf(): Minimal {
  minimal ??= createRequire(import.meta.url)('protobufjs/minimal.js') as Minimal;
  return minimal;
}

/** Wire types: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. */
const WIRE_TYPES: Readonly<Record<FieldKind, number>> = {
  ...{ int32: 0, int64: 0, uint32: 0, uint64: 0, sint32: 0, sint64: 0, bool: 0, enum: 0 },
  ...{ double: 1, fixed64: 1, sfixed64: 1 },
  ...{ string: 2, bytes: 2, message: 2 },
  ...{ float: 5, fixed32: 5, sfixed32: 5 },
};
const tag = (number: number, kind: FieldKind): number => ((number << 3) | WIRE_TYPES[kind]) >>> 0;

/** The bytes of a decoded message or well-known type. */
export function encodeMessage(typeName: string, decoded: unknown): Uint8Array {
  const writer = new (protobuf().Writer)();
  writeMessage(writer, typeName, decoded);
  return writer.finish();
}

function writeMessage(writer: Writer, typeName: string, decoded: unknown): void {
  if (isWellKnown(typeName)) writeWellKnown(writer, typeName, decoded);
  else
    for (const field of messageSchema(typeName).fields)
      writeField(writer, field, (decoded as Decoded)[field.jsonName]);
}

function writeField(writer: Writer, field: FieldSchema, value: unknown): void {
  if (!isSet(field, value)) return;
  const { number, kind } = field;
  if (field.mapKey !== null) {
    for (const [key, item] of Object.entries(value as Decoded)) {
      writer.uint32(tag(number, 'message')).fork();
      writer.uint32(tag(1, field.mapKey));
      writeScalar(writer, field.mapKey, field.mapKey === 'string' ? key : mapKeyValue(key), '');
      writer.uint32(tag(2, kind));
      writeValue(writer, field, item);
      writer.ldelim();
    }
  } else if (!field.repeated) {
    writer.uint32(tag(number, kind));
    writeValue(writer, field, value);
  } else if (WIRE_TYPES[kind] === 2) {
    for (const item of value as unknown[]) {
      writer.uint32(tag(number, kind));
      writeValue(writer, field, item);
    }
  } else {
    writer.uint32(tag(number, 'bytes')).fork();
    for (const item of value as unknown[]) writeScalar(writer, kind, item, field.typeName);
    writer.ldelim();
  }
}

const mapKeyValue = (key: string): number | boolean =>
  key === 'true' || key === 'false' ? key === 'true' : Number(key);

function writeValue(writer: Writer, field: FieldSchema, value: unknown): void {
  if (field.kind !== 'message') {
    writeScalar(writer, field.kind, value, field.typeName);
    return;
  }
  writer.fork();
  writeMessage(writer, field.typeName, value);
  writer.ldelim();
}

function writeScalar(writer: Writer, kind: FieldKind, value: unknown, typeName: string): void {
  if (kind === 'enum')
    writer.int32(enumSchema(typeName).byUpperName.get(String(value).toUpperCase()) ?? Number(value));
  else writer[kind as 'string'](value as string);
}

function writeTwo(writer: Writer, seconds: number, nanos: number): void {
  if (seconds !== 0) writer.uint32(tag(1, 'int64')).int64(seconds);
  if (nanos !== 0) writer.uint32(tag(2, 'int32')).int32(nanos);
}

function writeWellKnown(writer: Writer, typeName: string, value: unknown): void {
  const kind = wrappedKind(typeName);
  if (kind !== null) {
    const empty =
      value === '' || value === 0 || value === false || (value instanceof Uint8Array && value.length === 0);
    if (!empty) writeScalar(writer.uint32(tag(1, kind)), kind, value, '');
    return;
  }
  switch (typeName) {
    case 'google.protobuf.Duration': {
      const seconds = Math.trunc((value as number) / 1000);
      writeTwo(writer, seconds, Math.round(((value as number) - seconds * 1000) * 1e6));
      return;
    }
    case 'google.protobuf.Timestamp': {
      const seconds = Math.floor((value as number) / 1000);
      writeTwo(writer, seconds, Math.round(((value as number) - seconds * 1000) * 1e6));
      return;
    }
    case 'google.protobuf.FieldMask':
      for (const path of (value as string).split(','))
        if (path !== '') writer.uint32(tag(1, 'string')).string(path);
      return;
    case 'google.protobuf.Any':
      writeAny(writer, value as DecodedAny);
      return;
    case 'google.protobuf.Struct':
      writeStruct(writer, value as JsonObject);
      return;
    case 'google.protobuf.ListValue':
      writeList(writer, value as Json[]);
      return;
    default:
      writeJsonValue(writer, value as Json);
  }
}

function writeAny(writer: Writer, any: DecodedAny): void {
  let { typeUrl } = any;
  const inner = any.value;
  let bytes: Uint8Array;
  if (any.wrapper !== undefined) {
    const struct = { typeUrl, value: toStructJson(any) };
    typeUrl = `type.googleapis.com/${any.wrapper}`;
    bytes = encodeMessage(any.wrapper, struct);
  } else if (inner instanceof Uint8Array && findMessage(any.typeName) === null) bytes = inner;
  else bytes = findMessage(any.typeName) === null ? new Uint8Array() : encodeMessage(any.typeName, inner);
  if (typeUrl !== '') writer.uint32(tag(1, 'string')).string(typeUrl);
  if (bytes.length > 0) writer.uint32(tag(2, 'bytes')).bytes(bytes);
}

function toStructJson(any: DecodedAny): JsonObject {
  const json = toProtoJson(any.typeName, any.value);
  if (any.typeName === 'google.protobuf.Struct') return json as JsonObject;
  return isWellKnown(any.typeName) ? { value: json } : (json as JsonObject);
}

function writeStruct(writer: Writer, struct: JsonObject): void {
  for (const [key, value] of Object.entries(struct)) {
    writer.uint32(tag(1, 'message')).fork().uint32(tag(1, 'string')).string(key);
    writeJsonValue(writer.uint32(tag(2, 'message')).fork(), value);
    writer.ldelim().ldelim();
  }
}

function writeList(writer: Writer, list: Json[]): void {
  for (const value of list) {
    writeJsonValue(writer.uint32(tag(1, 'message')).fork(), value);
    writer.ldelim();
  }
}

/** google.protobuf.Value: null 1, number 2, string 3, bool 4, struct 5, list 6. */
function writeJsonValue(writer: Writer, value: Json): void {
  if (value === null) writer.uint32(tag(1, 'enum')).int32(0);
  else if (typeof value === 'number') writer.uint32(tag(2, 'double')).double(value);
  else if (typeof value === 'string') writer.uint32(tag(3, 'string')).string(value);
  else if (typeof value === 'boolean') writer.uint32(tag(4, 'bool')).bool(value);
  else if (Array.isArray(value)) {
    writeList(writer.uint32(tag(6, 'message')).fork(), value);
    writer.ldelim();
  } else {
    writeStruct(writer.uint32(tag(5, 'message')).fork(), value);
    writer.ldelim();
  }
}
