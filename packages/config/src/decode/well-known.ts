// The google.protobuf types with a JSON form and a decoded form of their own, and the two TypedStructs.

import type { FieldKind } from '../schema/descriptor.ts';

const WRAPPERS: Record<string, FieldKind> = {
  'google.protobuf.DoubleValue': 'double',
  'google.protobuf.FloatValue': 'float',
  'google.protobuf.Int64Value': 'int64',
  'google.protobuf.UInt64Value': 'uint64',
  'google.protobuf.Int32Value': 'int32',
  'google.protobuf.UInt32Value': 'uint32',
  'google.protobuf.BoolValue': 'bool',
  'google.protobuf.StringValue': 'string',
  'google.protobuf.BytesValue': 'bytes',
};

const WELL_KNOWN = new Set([
  ...Object.keys(WRAPPERS),
  'google.protobuf.Duration',
  'google.protobuf.Timestamp',
  'google.protobuf.FieldMask',
  'google.protobuf.Struct',
  'google.protobuf.Value',
  'google.protobuf.ListValue',
  'google.protobuf.Any',
]);

/** The kind inside a wrapper such as UInt32Value, or null for other types. */
export function wrappedKind(typeName: string): FieldKind | null {
  return WRAPPERS[typeName] ?? null;
}

/** True for types whose decoded value is not an object with the message's fields. */
export function isWellKnown(typeName: string): boolean {
  return typeName.startsWith('google.protobuf.') && WELL_KNOWN.has(typeName);
}

export function isTypedStruct(typeName: string): boolean {
  return typeName === 'udpa.type.v1.TypedStruct' || typeName === 'xds.type.v3.TypedStruct';
}
