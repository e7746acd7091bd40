// Wire bytes to decoded messages, for xDS resources and bytes in Any. Fields the schema lacks are counted and
// skipped, unknown types in Any stay bytes; malformed bytes throw protobufjs's RangeError or Error.

import { createRequire } from 'node:module';
import type { Reader } from 'protobufjs';
import { Problems } from '../errors.ts';
import {
  enumSchema,
  type FieldKind,
  type FieldSchema,
  findMessage,
  messageSchema,
} from '../schema/descriptor.ts';
import { defineOwn, type Json, type JsonObject } from '../text/source.ts';
import { type Decoded, type DecodedAny, emptyMessage, JsonDecoder, typeNameOf } from './json-decoder.ts';
import { isTypedStruct, isWellKnown, wrappedKind } from './well-known.ts';

type Minimal = { Reader: typeof Reader };

let minimal: Minimal | null = null;

/** Decodes messages from bytes. */
export class WireDecoder {
  /** Fields that the schema does not know, each time one is met. */
  unknownFieldCount = 0;
  readonly #problems: Problems;

  /** `problems` gets what is wrong inside TypedStructs, whose values follow the rules of JSON. */
  constructor(problems: Problems = new Problems()) {
    this.#problems = problems;
  }

  /** Decodes a message or well-known type of a known name. */
  decode(typeName: string, bytes: Uint8Array): unknown {
    minimal ??= createRequire(import.meta.url)('protobufjs/minimal.js') as Minimal;
    const reader = minimal.Reader.create(bytes);
    return this.#value(typeName, reader, reader.len);
  }

  #value(typeName: string, reader: Reader, end: number): unknown {
    return isWellKnown(typeName)
      ? this.#wellKnown(typeName, reader, end)
      : this.#message(typeName, reader, end);
  }

  #message(typeName: string, reader: Reader, end: number): Decoded {
    const schema = messageSchema(typeName);
    const message = emptyMessage(schema);
    while (reader.pos < end) {
      const tag = reader.uint32();
      const field = schema.byNumber.get(tag >>> 3);
      if (field === undefined) {
        this.unknownFieldCount++;
        reader.skipType(tag & 7);
        continue;
      }
      if (field.oneof !== 0)
        for (const other of schema.fields)
          if (other.oneof === field.oneof && other !== field) delete message[other.jsonName];
      this.#field(message, field, tag & 7, reader);
    }
    return message;
  }

  #field(message: Decoded, field: FieldSchema, wireType: number, reader: Reader): void {
    const name = field.jsonName;
    if (field.mapKey !== null) this.#mapEntry(message[name] as Decoded, field, reader);
    else if (!field.repeated) message[name] = this.#single(field, reader);
    else if (
      wireType === 2 &&
      field.kind !== 'message' &&
      field.kind !== 'string' &&
      field.kind !== 'bytes'
    ) {
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end)
        (message[name] as unknown[]).push(this.#scalar(field.kind, field.typeName, reader));
    } else (message[name] as unknown[]).push(this.#single(field, reader));
  }

  #mapEntry(map: Decoded, field: FieldSchema, reader: Reader): void {
    const end = reader.uint32() + reader.pos;
    let key = field.mapKey === 'string' ? '' : '0';
    let value: unknown =
      field.kind === 'message' ? this.#empty(field.typeName) : field.kind === 'string' ? '' : 0;
    while (reader.pos < end) {
      const tag = reader.uint32();
      if (tag >>> 3 === 1) key = String(this.#scalar(field.mapKey!, '', reader));
      else if (tag >>> 3 === 2) value = this.#single(field, reader);
      else reader.skipType(tag & 7);
    }
    defineOwn(map, key, value);
  }

  #empty(typeName: string): unknown {
    if (typeName === 'google.protobuf.Any') return { typeUrl: '', typeName: '', value: {} };
    return isWellKnown(typeName) ? null : emptyMessage(messageSchema(typeName));
  }

  #single(field: FieldSchema, reader: Reader): unknown {
    if (field.kind !== 'message') return this.#scalar(field.kind, field.typeName, reader);
    const end = reader.uint32() + reader.pos;
    return this.#value(field.typeName, reader, end);
  }

  #scalar(kind: FieldKind, typeName: string, reader: Reader): unknown {
    if (kind === 'enum') {
      const number = reader.int32();
      return enumSchema(typeName).byNumber.get(number) ?? String(number);
    }
    if (kind === 'bytes') return new Uint8Array(reader.bytes());
    const value = reader[kind as 'string']() as unknown;
    // 64-bit integers come as protobufjs's Long.
    return typeof value === 'object' ? Number(String(value)) : value;
  }

  /** The fields of a small message by number, as `read` returns them. */
  #fields(reader: Reader, end: number, read: (number: number) => boolean): void {
    while (reader.pos < end) {
      const tag = reader.uint32();
      if (!read(tag >>> 3)) reader.skipType(tag & 7);
    }
  }

  #wellKnown(typeName: string, reader: Reader, end: number): unknown {
    const kind = wrappedKind(typeName);
    if (kind !== null) return this.#wrapper(kind, reader, end);
    switch (typeName) {
      case 'google.protobuf.Duration':
      case 'google.protobuf.Timestamp':
        return this.#seconds(reader, end);
      case 'google.protobuf.Any':
        return this.#any(reader, end);
      case 'google.protobuf.Struct':
        return this.#struct(reader, end);
      case 'google.protobuf.ListValue':
        return this.#list(reader, end);
      case 'google.protobuf.FieldMask': {
        const paths: string[] = [];
        this.#fields(reader, end, number => number === 1 && paths.push(reader.string()) > 0);
        return paths.join(',');
      }
      default:
        return this.#jsonValue(reader, end);
    }
  }

  #wrapper(kind: FieldKind, reader: Reader, end: number): unknown {
    let value: unknown =
      kind === 'string' ? '' : kind === 'bool' ? false : kind === 'bytes' ? new Uint8Array() : 0;
    this.#fields(reader, end, number => {
      if (number !== 1) return false;
      value = this.#scalar(kind, '', reader);
      return true;
    });
    return value;
  }

  #seconds(reader: Reader, end: number): number {
    let ms = 0;
    this.#fields(reader, end, number => {
      if (number === 1) ms += Number(String(reader.int64())) * 1000;
      else if (number === 2) ms += reader.int32() / 1e6;
      else return false;
      return true;
    });
    return ms;
  }

  #any(reader: Reader, end: number): DecodedAny | undefined {
    let typeUrl = '';
    let bytes: Uint8Array = new Uint8Array();
    this.#fields(reader, end, number => {
      if (number === 1) typeUrl = reader.string();
      else if (number === 2) bytes = reader.bytes();
      else return false;
      return true;
    });
    if (typeUrl === '') return undefined;
    const typeName = typeNameOf(typeUrl);
    if (findMessage(typeName) === null) return { typeUrl, typeName, value: new Uint8Array(bytes) };
    const value = this.decode(typeName, bytes);
    return isTypedStruct(typeName)
      ? this.#typedStruct(typeUrl, typeName, value as Decoded)
      : { typeUrl, typeName, value };
  }

  #typedStruct(outerUrl: string, outerName: string, struct: Decoded): DecodedAny {
    const json = {
      '@type': outerUrl,
      type_url: struct.typeUrl as string,
      value: (struct.value ?? {}) as JsonObject,
    };
    const decoded = new JsonDecoder(this.#problems).value('google.protobuf.Any', json) as
      | DecodedAny
      | undefined;
    return decoded ?? { typeUrl: outerUrl, typeName: outerName, value: struct };
  }

  #struct(reader: Reader, end: number): JsonObject {
    const struct: JsonObject = {};
    this.#fields(reader, end, number => {
      if (number !== 1) return false;
      const entryEnd = reader.uint32() + reader.pos;
      let key = '';
      let value: Json = null;
      this.#fields(reader, entryEnd, part => {
        if (part === 1) key = reader.string();
        else if (part === 2) value = this.#jsonValue(reader, reader.uint32() + reader.pos);
        else return false;
        return true;
      });
      defineOwn(struct, key, value);
      return true;
    });
    return struct;
  }

  #list(reader: Reader, end: number): Json[] {
    const list: Json[] = [];
    this.#fields(
      reader,
      end,
      number => number === 1 && list.push(this.#jsonValue(reader, reader.uint32() + reader.pos)) > 0,
    );
    return list;
  }

  #jsonValue(reader: Reader, end: number): Json {
    let value: Json = null;
    this.#fields(reader, end, number => {
      if (number === 1) reader.int32();
      else if (number === 2) value = reader.double();
      else if (number === 3) value = reader.string();
      else if (number === 4) value = reader.bool();
      else if (number === 5) value = this.#struct(reader, reader.uint32() + reader.pos);
      else if (number === 6) value = this.#list(reader, reader.uint32() + reader.pos);
      else return false;
      return true;
    });
    return value;
  }
}
