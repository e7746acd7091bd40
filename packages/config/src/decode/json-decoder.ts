// JSON values to decoded messages over the descriptor: protobuf's JSON mapping, the shape that descriptor/types.ts
// describes. Reports every mistake by path and goes on. Rules about values (validate.rules) are checked elsewhere.

import type { Problems } from '../errors.ts';
import {
  enumSchema,
  type FieldSchema,
  findMessage,
  type MessageSchema,
  messageSchema,
} from '../schema/descriptor.ts';
import { defineOwn, type Json, type JsonObject } from '../text/source.ts';
import { decodeDuration, decodeEnum, decodeScalar, decodeTimestamp, Refusal, show } from './scalars.ts';
import { suggestion } from './suggestion.ts';
import { isTypedStruct, isWellKnown, wrappedKind } from './well-known.ts';

/** A decoded message of unknown type. */
export type Decoded = Record<string, unknown>;

/** A decoded google.protobuf.Any. */
export interface DecodedAny {
  typeUrl: string;
  typeName: string;
  value: unknown;
  /** The TypedStruct type the value came in, if it did. */
  wrapper?: string;
}

export type UnknownFields = 'error' | 'warn' | 'ignore';

/** What an absent value of the field is: [] for lists, {} for maps, the proto3 default, undefined with presence. */
export function defaultOf(field: FieldSchema): unknown {
  if (field.repeated) return [];
  if (field.mapKey !== null) return {};
  if (field.hasPresence) return undefined;
  if (field.kind === 'enum') return enumSchema(field.typeName).defaultName;
  if (field.kind === 'string') return '';
  if (field.kind === 'bool') return false;
  return field.kind === 'bytes' ? new Uint8Array() : 0;
}

/** A message with nothing set. */
export function emptyMessage(schema: MessageSchema): Decoded {
  const message: Decoded = {};
  for (const field of schema.fields) {
    const value = defaultOf(field);
    if (value !== undefined) message[field.jsonName] = value;
  }
  return message;
}

/** Decodes to the JSON it is. */
const STRUCT = 'google.protobuf.Struct';

const isObject = (json: Json): json is JsonObject =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

/** The message name in a type URL: what follows the last slash. */
export const typeNameOf = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('/') + 1);

/** Decodes JSON values, reporting to `problems`. */
export class JsonDecoder {
  /** Fields that the schema does not know, counted also when they are only warned about. */
  unknownFieldCount = 0;
  readonly #problems: Problems;
  readonly #unknownFields: UnknownFields;
  readonly #path: (string | number)[];
  /** Within an extension marked is_optional, whose type may be unknown. */
  #optional = false;

  constructor(problems: Problems, unknownFields: UnknownFields = 'error', path: (string | number)[] = []) {
    this.#problems = problems;
    this.#unknownFields = unknownFields;
    this.#path = path;
  }

  /** A value of a message type (well-known types included); undefined after reporting a mistake or for null. */
  value(typeName: string, json: Json): unknown {
    if (typeName === 'google.protobuf.Value') return json;
    if (json === null) return undefined;
    if (typeName === 'google.protobuf.Any') return this.#any(json);
    if (isWellKnown(typeName)) return this.#wellKnown(typeName, json);
    return this.message(messageSchema(typeName), json);
  }

  /** An ordinary message. */
  message(schema: MessageSchema, json: Json): Decoded | undefined {
    if (!isObject(json)) {
      this.#refuse(new Refusal(`${show(json)} is not a ${schema.name}`, 'a map'));
      return undefined;
    }
    const message = emptyMessage(schema);
    const seen: (string | undefined)[] = [];
    const wasOptional = this.#optional;
    if (json.is_optional === true || json.isOptional === true) this.#optional = true;
    for (const key of Object.keys(json)) {
      if (key === '@type') continue;
      const field = schema.byName.get(key);
      if (field === undefined) this.#unknownField(schema, key);
      else this.#field(message, schema, field, json[key]!, seen);
    }
    this.#optional = wasOptional;
    return message;
  }

  #field(
    message: Decoded,
    schema: MessageSchema,
    field: FieldSchema,
    json: Json,
    seen: (string | undefined)[],
  ): void {
    if (json === null && field.typeName !== 'google.protobuf.Value') return;
    this.#path.push(field.name);
    if (field.oneof !== 0) {
      const earlier = seen[field.oneof];
      if (earlier !== undefined) {
        this.#problems.error(
          this.#path,
          `'${field.name}' has already been set (either directly or as part of a oneof)`,
          `only one of ${schema.fields
            .filter(other => other.oneof === field.oneof)
            .map(other => other.name)
            .join(', ')}`,
          `remove ${earlier} or ${field.name}`,
        );
        this.#path.pop();
        return;
      }
      seen[field.oneof] = field.name;
    }
    const value = field.repeated
      ? this.#list(field, json)
      : field.mapKey !== null
        ? this.#map(field, json)
        : this.#single(field, json);
    if (value !== undefined) message[field.jsonName] = value;
    this.#path.pop();
  }

  #list(field: FieldSchema, json: Json): unknown[] {
    if (!Array.isArray(json)) {
      this.#refuse(new Refusal(`${show(json)} is not a list`, 'a list'));
      return [];
    }
    const list: unknown[] = [];
    for (let i = 0; i < json.length; i++) {
      this.#path.push(i);
      if (json[i] === null && field.typeName !== 'google.protobuf.Value')
        this.#refuse(new Refusal('null in a list', 'a value'));
      const value = this.#single(field, json[i]!);
      // A refused item keeps its place: paths of the items after it stay right.
      list.push(
        value ??
          (field.typeName === 'google.protobuf.Any'
            ? { typeUrl: '', typeName: '', value: {} }
            : this.#placeholder(field)),
      );
      this.#path.pop();
    }
    return list;
  }

  #placeholder(field: FieldSchema): unknown {
    if (field.kind === 'message' && !isWellKnown(field.typeName))
      return emptyMessage(messageSchema(field.typeName));
    return field.typeName === 'google.protobuf.Value' ? null : '';
  }

  #map(field: FieldSchema, json: Json): Decoded {
    const map: Decoded = {};
    if (!isObject(json)) {
      this.#refuse(new Refusal(`${show(json)} is not a map`, 'a map'));
      return map;
    }
    for (const [key, item] of Object.entries(json)) {
      this.#path.push(key);
      if (item === null && field.typeName !== 'google.protobuf.Value')
        this.#refuse(new Refusal('null in a map', 'a value'));
      const value = this.#single(field, item);
      if (value !== undefined) defineOwn(map, key, value);
      else if (isObject(item) && field.typeName === 'google.protobuf.Any')
        defineOwn(map, key, { typeUrl: '', typeName: '', value: {} });
      this.#path.pop();
    }
    return map;
  }

  #single(field: FieldSchema, json: Json): unknown {
    if (field.kind === 'message') return this.value(field.typeName, json);
    if (json === null) return undefined;
    return this.#accept(
      field.kind === 'enum' ? decodeEnum(enumSchema(field.typeName), json) : decodeScalar(field.kind, json),
    );
  }

  #wellKnown(typeName: string, json: Json): unknown {
    const kind = wrappedKind(typeName);
    if (kind !== null) return this.#accept(decodeScalar(kind, json));
    switch (typeName) {
      case 'google.protobuf.Duration':
        return this.#accept(decodeDuration(json));
      case 'google.protobuf.Timestamp':
        return this.#accept(decodeTimestamp(json));
      case 'google.protobuf.FieldMask':
        return this.#accept(decodeScalar('string', json));
      case 'google.protobuf.ListValue':
        return Array.isArray(json)
          ? json
          : this.#accept(new Refusal(`${show(json)} is not a list`, 'a list'));
      default:
        return isObject(json) ? json : this.#accept(new Refusal(`${show(json)} is not a map`, 'a map'));
    }
  }

  #any(json: Json): DecodedAny | undefined {
    if (!isObject(json))
      return this.#accept(new Refusal(`${show(json)} is not a map`, 'a map with "@type"')) as undefined;
    const typeUrl = json['@type'];
    if (typeof typeUrl !== 'string') {
      if (Object.keys(json).length > 0) this.#refuse(new Refusal('"@type" is missing', 'a map with "@type"'));
      return undefined;
    }
    const typeName = typeNameOf(typeUrl);
    if (findMessage(typeName) === null) return this.#unknownType(typeUrl, typeName, json);
    const wasOptional = this.#optional;
    this.#optional = false;
    const any = isTypedStruct(typeName)
      ? this.#typedStruct(typeUrl, typeName, json)
      : { typeUrl, typeName, value: this.#anyValue(typeName, json) };
    this.#optional = wasOptional;
    return any;
  }

  /** What is beside "@type": the fields, or `value` for well-known types. */
  #anyValue(typeName: string, json: JsonObject): unknown {
    const value = isWellKnown(typeName)
      ? this.value(typeName, json.value ?? null)
      : this.message(messageSchema(typeName), json);
    return value ?? this.#emptyValue(typeName);
  }

  /** The value of `{ "@type": ...StringValue }` without value. */
  #emptyValue(typeName: string): unknown {
    const kind = wrappedKind(typeName);
    if (kind === null) return {};
    return kind === 'string' ? '' : kind === 'bool' ? false : kind === 'bytes' ? new Uint8Array() : 0;
  }

  #typedStruct(outerUrl: string, outerName: string, json: JsonObject): DecodedAny | undefined {
    const { '@type': _, type_url, typeUrl: camelUrl, value, ...rest } = json;
    for (const key of Object.keys(rest)) this.#unknownField(messageSchema(outerName), key);
    const typeUrl = type_url ?? camelUrl ?? '';
    const inner = value ?? {};
    if (typeof typeUrl !== 'string' || !isObject(inner)) {
      return this.#accept(
        new Refusal('a TypedStruct needs type_url (a string) and value (a map)'),
      ) as undefined;
    }
    const typeName = typeNameOf(typeUrl);
    if (findMessage(typeName) === null) {
      return { typeUrl: outerUrl, typeName: outerName, value: { typeUrl, value: inner } };
    }
    // A Struct in it is the value itself; other types are written as in an Any.
    const decoded = typeName === STRUCT ? inner : this.#anyValue(typeName, inner);
    return { typeUrl, typeName, value: decoded, wrapper: outerName };
  }

  #unknownType(typeUrl: string, typeName: string, json: JsonObject): DecodedAny {
    const message = `could not find @type '${typeUrl}'`;
    if (this.#optional) this.#problems.warn([...this.#path, '@type'], message, 'skipped: is_optional is set');
    else
      this.#problems.error(
        [...this.#path, '@type'],
        message,
        'the type of an Envoy v3 message',
        v2Hint(typeName),
      );
    return { typeUrl, typeName, value: json };
  }

  #unknownField(schema: MessageSchema, key: string): void {
    this.unknownFieldCount++;
    if (this.#unknownFields === 'ignore') return;
    const message = `no such field: '${key}' in ${schema.name}`;
    const hint = suggestion(
      key,
      schema.fields.map(field => field.name),
    );
    if (this.#unknownFields === 'warn') this.#problems.warn([...this.#path, key], message, hint);
    else this.#problems.error([...this.#path, key], message, '', hint);
  }

  #accept(value: unknown): unknown {
    if (!(value instanceof Refusal)) return value;
    this.#refuse(value);
    return undefined;
  }

  #refuse(refusal: Refusal): void {
    this.#problems.error(this.#path, refusal.message, refusal.expected, refusal.hint);
  }
}

function v2Hint(typeName: string): string {
  return /\.v[12](alpha\d?)?\./.test(typeName) || typeName.startsWith('envoy.api.v2')
    ? 'the v2 API is gone: use the v3 type'
    : '';
}
