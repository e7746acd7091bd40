// The bytes a guest gets for a configuration of any type (ABI reference 9.4).

import { type Any, encodeMessage } from '@dragoman/config';
import { readBytesFields } from '@dragoman/vm';

const VALUE_FIELD_OF_ANY = 2;

/** S99: text and bytes as they are, a Struct as JSON text, other messages serialised, nothing for nothing. */
export function configurationBytes(any: Any | undefined): Buffer {
  if (any === undefined) return Buffer.alloc(0);
  const { typeName, value } = any;
  // A message that came in a TypedStruct is given as the TypedStruct it came in.
  const isWrapped = (any as { wrapper?: string }).wrapper !== undefined;
  if (!isWrapped) {
    if (typeName === 'google.protobuf.StringValue') return Buffer.from(value as string, 'utf8');
    if (typeName === 'google.protobuf.BytesValue') return Buffer.from(value as Uint8Array);
    if (typeName === 'google.protobuf.Struct') return Buffer.from(JSON.stringify(value), 'utf8');
  }
  const message = Buffer.from(encodeMessage('google.protobuf.Any', any));
  return readBytesFields(message).get(VALUE_FIELD_OF_ANY) ?? Buffer.alloc(0);
}
