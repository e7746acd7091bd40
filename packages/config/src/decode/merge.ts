// protobuf's MergeFrom on decoded messages: set scalars replace, messages merge, lists append, map keys replace, a
// oneof takes the later member. Used for --config-yaml over the file.

import { enumSchema, type FieldSchema, type MessageSchema, messageSchema } from '../schema/descriptor.ts';
import { type Decoded, defaultOf } from './json-decoder.ts';
import { isWellKnown } from './well-known.ts';

/** Whether a field holds something that JSON would have had to say. */
export function isSet(field: FieldSchema, value: unknown): boolean {
  if (value === undefined) return false;
  if (field.repeated) return (value as unknown[]).length > 0;
  if (field.mapKey !== null) return Object.keys(value as object).length > 0;
  if (field.hasPresence) return true;
  if (field.kind === 'enum') return value !== enumSchema(field.typeName).defaultName;
  return field.kind === 'bytes' ? (value as Uint8Array).length > 0 : value !== defaultOf(field);
}

/** Merges `from` into `into`. Parts of `from` become parts of `into`. */
export function mergeMessage(schema: MessageSchema, into: Decoded, from: Decoded): void {
  for (const field of schema.fields) {
    const value = from[field.jsonName];
    if (!isSet(field, value)) continue;
    const old = into[field.jsonName];
    if (field.oneof !== 0) clearOthers(schema, field, into);
    if (field.repeated) into[field.jsonName] = [...(old as unknown[]), ...(value as unknown[])];
    else if (field.mapKey !== null) into[field.jsonName] = { ...(old as object), ...(value as object) };
    else if (old !== undefined && field.kind === 'message' && mergesInside(field)) {
      mergeMessage(messageSchema(field.typeName), old as Decoded, value as Decoded);
    } else if (old !== undefined && field.typeName === 'google.protobuf.Struct') {
      into[field.jsonName] = { ...(old as object), ...(value as object) };
    } else into[field.jsonName] = value;
  }
}

const mergesInside = (field: FieldSchema): boolean => !isWellKnown(field.typeName);

function clearOthers(schema: MessageSchema, field: FieldSchema, into: Decoded): void {
  for (const other of schema.fields) {
    if (other.oneof === field.oneof && other !== field) delete into[other.jsonName];
  }
}
