// The bytes a guest gets for a configuration of any type (ABI reference 9.4).

import type { Any } from '@dragoman/config';

/** S99: text and bytes as they are, a Struct as JSON text, nothing for nothing. */
export function configurationBytes(any: Any | undefined): Buffer {
  if (any === undefined) return Buffer.alloc(0);
  const { typeName, value } = any;
  if (typeName === 'google.protobuf.StringValue') return Buffer.from(value as string, 'utf8');
  if (typeName === 'google.protobuf.BytesValue') return Buffer.from(value as Uint8Array);
  return Buffer.from(JSON.stringify(value), 'utf8');
}
