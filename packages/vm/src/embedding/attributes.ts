// The attributes a plugin reads of an exchange outside a proxy: what follows from the header maps, and what the embedder
// has given by dotted path. The proxy's own, far longer table is in the filter envoy.filters.http.wasm.

import type { HeaderList } from '../header-list.ts';
import { integerProperty, type PropertyMap, type PropertyValue, utf8Property } from '../property-value.ts';
import type { Attributes } from './message.ts';

/** What attributes are computed from. */
export interface AttributeSource {
  readonly requestHeaders: HeaderList | null;
  readonly requestTrailers: HeaderList | null;
  readonly responseHeaders: HeaderList | null;
  readonly responseTrailers: HeaderList | null;
  readonly attributes: Attributes;
}

/** The value at `path`; undefined when there is none. */
export function attributeValue(source: AttributeSource, path: readonly string[]): PropertyValue {
  const given = givenValue(source.attributes, path.join('.'));
  if (given !== undefined) return given;
  const [root, name, key] = path;
  if (root === 'request') return requestAttribute(source, name, key);
  return root === 'response' ? responseAttribute(source, name, key) : undefined;
}

function givenValue(attributes: Attributes, name: string): PropertyValue {
  if (!Object.hasOwn(attributes, name)) return undefined;
  const value = attributes[name];
  if (typeof value === 'string') return utf8Property(value);
  return Number.isInteger(value) ? integerProperty(value as number) : value;
}

function requestAttribute(source: AttributeSource, name: string, key: string | undefined): PropertyValue {
  const headers = source.requestHeaders;
  if (headers === null) return undefined;
  switch (name) {
    case 'path':
      return headers.get(':path');
    case 'url_path':
      return headers.get(':path')?.replace(/\?.*$/, '');
    case 'query': {
      const path = headers.get(':path') ?? '';
      const start = path.indexOf('?');
      return start < 0 ? '' : path.slice(start + 1);
    }
    case 'host':
      return headers.get(':authority');
    case 'method':
    case 'scheme':
      return headers.get(`:${name}`);
    case 'useragent':
      return headers.get('user-agent');
    case 'referer':
      return headers.get('referer');
    case 'id':
      return headers.get('x-request-id');
    case 'headers':
      return mapValue(headers, key);
    case 'trailers':
      return mapValue(source.requestTrailers, key);
  }
  return undefined;
}

function responseAttribute(source: AttributeSource, name: string, key: string | undefined): PropertyValue {
  switch (name) {
    case 'code':
      return integerProperty(Number(source.responseHeaders?.get(':status')));
    case 'headers':
      return mapValue(source.responseHeaders, key);
    case 'trailers':
      return mapValue(source.responseTrailers, key);
  }
  return undefined;
}

function mapValue(headers: HeaderList | null, key: string | undefined): PropertyValue {
  if (headers === null) return undefined;
  if (key !== undefined) return headers.get(key.toLowerCase());
  const map: PropertyMap = { get: name => headers.get(name), entries: () => headers.toArray() };
  return map;
}
