// The protobuf messages a plugin can read as a property, whole (serialised) or field by field: metadata, node, locality.

import type { Locality, Node } from '@dragoman/config';
import { jsonProperty, type PropertyMap, type PropertyMessage, utf8Property, writeField } from '@dragoman/vm';

type Fields = Readonly<Record<string, unknown>>;
const EMPTY: Uint8Array = new Uint8Array(0);

/** google.protobuf.Struct: one map entry (key 1, value 2) per member in field 1. */
export function encodeStruct(fields: Fields): Buffer {
  const entries: Buffer[] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    entries.push(
      writeField(1, Buffer.concat([writeField(1, Buffer.from(key)), writeField(2, encodeValue(value))])),
    );
  }
  return Buffer.concat(entries);
}

/** google.protobuf.Value: null 1, number 2, string 3, bool 4, struct 5, list 6. */
function encodeValue(value: unknown): Buffer {
  if (typeof value === 'string') return writeField(3, Buffer.from(value));
  if (typeof value === 'boolean') return writeField(4, value);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9);
    // Field 2, wire type 1: eight bytes.
    bytes[0] = 0x11;
    bytes.writeDoubleLE(value, 1);
    return bytes;
  }
  if (Array.isArray(value))
    return writeField(6, Buffer.concat(value.map(item => writeField(1, encodeValue(item)))));
  if (typeof value === 'object' && value !== null) return writeField(5, encodeStruct(value as Fields));
  return writeField(1, 0);
}

/** envoy.config.core.v3.Metadata over its filter_metadata; absent metadata is an empty message. */
export function metadataProperty(
  filterMetadata: Readonly<Record<string, unknown>> | null | undefined,
): PropertyMessage {
  const namespaces = filterMetadata ?? {};
  return {
    field: name => (name === 'filter_metadata' ? (jsonProperty(namespaces) as PropertyMap) : undefined),
    serialize: () =>
      Buffer.concat(
        Object.entries(namespaces).map(([namespace, fields]) => {
          const struct = writeField(2, encodeStruct(fields as Fields));
          return writeField(1, Buffer.concat([writeField(1, Buffer.from(namespace)), struct]));
        }),
      ),
  };
}

/** envoy.config.core.v3.Locality: region 1, zone 2, sub_zone 3. */
export function localityProperty(locality: Locality | undefined): PropertyMessage {
  const { region = '', zone = '', subZone = '' } = locality ?? {};
  return {
    field: name =>
      name === 'region'
        ? utf8Property(region)
        : name === 'zone'
          ? utf8Property(zone)
          : name === 'sub_zone'
            ? utf8Property(subZone)
            : undefined,
    serialize: () => Buffer.concat([textField(1, region), textField(2, zone), textField(3, subZone)]),
  };
}

/** envoy.config.core.v3.Node: id 1, cluster 2, metadata 3, locality 4, user agent name 6. */
export function nodeProperty(node: Node | undefined): PropertyMessage {
  return {
    field: name => {
      if (name === 'id') return utf8Property(node?.id ?? '');
      if (name === 'cluster') return utf8Property(node?.cluster ?? '');
      if (name === 'metadata') return jsonProperty(node?.metadata ?? {});
      if (name === 'locality') return localityProperty(node?.locality);
      return name === 'user_agent_name' ? utf8Property(node?.userAgentName ?? '') : undefined;
    },
    serialize: () => {
      if (node === undefined) return EMPTY;
      const parts = [textField(1, node.id), textField(2, node.cluster)];
      if (node.metadata !== undefined) parts.push(writeField(3, encodeStruct(node.metadata as Fields)));
      if (node.locality !== undefined) parts.push(writeField(4, localityProperty(node.locality).serialize()));
      parts.push(textField(6, node.userAgentName));
      return Buffer.concat(parts);
    },
  };
}

const textField = (field: number, text: string): Buffer =>
  text === '' ? Buffer.alloc(0) : writeField(field, Buffer.from(text));
