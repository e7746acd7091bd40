// The protobuf messages a plugin can read as a property, whole (serialised) or field by field: metadata, node, locality.

import type { Locality, Node } from '@dragoman/config';
import { jsonProperty, type PropertyMap, type PropertyMessage, utf8Property, writeField } from '@dragoman/vm';

type Fields = Readonly<Record<string, unknown>>;
const NO_ENTRIES: PropertyMap = { get: () => undefined, entries: () => [] };
/** Envoy's own: plugins know the proxy they run in by it. */
const USER_AGENT_NAME = 'envoy';

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
    field: name => {
      if (name === 'filter_metadata') return jsonProperty(namespaces);
      // Filters keep no metadata of other types.
      return name === 'typed_filter_metadata' ? NO_ENTRIES : undefined;
    },
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
  const { id = '', cluster = '', metadata, locality, userAgentName = '' } = node ?? {};
  const userAgent = userAgentName === '' ? USER_AGENT_NAME : userAgentName;
  return {
    field: name => {
      switch (name) {
        case 'id':
          return utf8Property(id);
        case 'cluster':
          return utf8Property(cluster);
        case 'metadata':
          return jsonProperty(metadata ?? {});
        case 'locality':
          return localityProperty(locality);
        case 'user_agent_name':
          return utf8Property(userAgent);
        case 'user_agent_version':
          return '';
        case 'dynamic_parameters':
          return NO_ENTRIES;
        case 'extensions':
        case 'client_features':
        case 'listening_addresses':
          return [];
      }
      return undefined;
    },
    serialize: () => {
      const parts = [textField(1, id), textField(2, cluster)];
      if (metadata !== undefined) parts.push(writeField(3, encodeStruct(metadata as Fields)));
      if (locality !== undefined) parts.push(writeField(4, localityProperty(locality).serialize()));
      parts.push(textField(6, userAgent));
      return Buffer.concat(parts);
    },
  };
}

const textField = (field: number, text: string): Buffer =>
  text === '' ? Buffer.alloc(0) : writeField(field, Buffer.from(text));
