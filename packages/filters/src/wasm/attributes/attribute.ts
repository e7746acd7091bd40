// What an attribute is (ABI reference 8.4): its type, when it has a value, and how it is read. The tables beside this file
// are the only list of attributes; host calls, CEL expressions and docs/PROPERTIES.md all go by them.

import type { Node } from '@dragoman/config';
import type { FilterContext, StreamInfo } from '@dragoman/proxy';
import type { GuestHeaderMap, PropertyMap, PropertyValue } from '@dragoman/vm';

/** How a value looks in guest memory: see "Types" in docs/PROPERTIES.md. */
export type AttributeType = 'string' | 'int' | 'uint' | 'bool' | 'timestamp' | 'duration' | 'map' | 'message';

export interface Attribute {
  readonly type: AttributeType;
  /** When it has a value, for the documentation. */
  readonly when: string;
  /** Undefined: there is none now (NOT_FOUND). Null: there is one, and it cannot be shown (SERIALIZATION_FAILURE). */
  readonly read: (source: AttributeSource) => PropertyValue;
}

/** The attributes under one root, by name. */
export type AttributeGroup = Readonly<Record<string, Attribute>>;

/** What attributes are read from; one for a stream or a connection, asked at the time of the call. */
export interface AttributeSource {
  readonly info: StreamInfo;
  /** The maps that the plugin may see now. */
  readonly requestHeaders: GuestHeaderMap | null;
  readonly responseHeaders: GuestHeaderMap | null;
  readonly responseTrailers: GuestHeaderMap | null;
  /** Looked up when it is asked for, where that has not happened yet. */
  readonly route: RouteFacts | null;
  readonly cluster: ClusterFacts | null;
  readonly listener: FilterContext['listener'];
  readonly node: Node | undefined;
}

export interface RouteFacts {
  readonly name: string;
  readonly metadata: unknown;
  readonly virtualHost: { readonly name: string; readonly metadata: unknown };
}

/** The cluster that the route names. */
export interface ClusterFacts {
  readonly name: string;
  readonly metadata: unknown;
  readonly hosts: { readonly length: number };
}

export const ALWAYS = 'always';
/** Maps are out of reach once the plugin has let them go on, until the log. */
export const WITH_REQUEST_HEADERS = 'while the plugin sees the request headers, and in the log';

export const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');

/** A text that is not there when it is empty. */
export const textOrNone = (text: string | undefined): PropertyValue =>
  text === undefined || text === '' ? undefined : utf8(text);

/** Names and values, as Envoy counts the size of a map; 0 without one. */
export function byteSize(headers: GuestHeaderMap | null): number {
  let size = 0;
  headers?.forEach((name, value) => {
    size += name.length + value.length;
  });
  return size;
}

/** A map of distinct names; several values of one name are joined by commas (S41). Without a map: an empty one. */
export function headersProperty(headers: GuestHeaderMap | null): PropertyMap {
  const joined = (): Map<string, string> => {
    const values = new Map<string, string>();
    headers?.forEach((name, value) => {
      const before = values.get(name);
      values.set(name, before === undefined ? value : `${before},${value}`);
    });
    return values;
  };
  return { get: name => joined().get(name.toLowerCase()), entries: () => joined().entries() };
}
