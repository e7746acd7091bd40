// The bytes a guest gets for a configuration of any type (ABI reference 9.4).

import { type Any, encodeMessage } from '@dragoman/config';

/** S99: text and bytes as they are, a Struct as JSON text, other messages in their wire form, nothing for nothing. */
export function configurationBytes(any: Any | undefined): Buffer {
  if (any === undefined) return Buffer.alloc(0);
  const { typeName, value } = any;
  switch (typeName) {
    case 'google.protobuf.StringValue':
      return Buffer.from(value as string, 'utf8');
    case 'google.protobuf.BytesValue':
      return Buffer.from(value as Uint8Array);
    case 'google.protobuf.Struct':
      return Buffer.from(JSON.stringify(value), 'utf8');
    default:
      return Buffer.from(encodeMessage(typeName, value));
  }
}
