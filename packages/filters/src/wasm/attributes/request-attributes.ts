// request.*: what the client asked for.

import { nanosecondsProperty } from '@dragoman/vm';
import {
  ALWAYS,
  type Attribute,
  type AttributeGroup,
  type AttributeSource,
  byteSize,
  headersProperty,
  WITH_REQUEST_HEADERS,
} from './attribute.ts';

const header = (name: string): Attribute => ({
  type: 'string',
  when: WITH_REQUEST_HEADERS,
  read: ({ requestHeaders }) => requestHeaders?.get(name),
});

export const requestAttributes: AttributeGroup = {
  path: header(':path'),
  url_path: {
    type: 'string',
    when: WITH_REQUEST_HEADERS,
    read: ({ requestHeaders }) => requestHeaders?.get(':path')?.replace(/\?.*$/s, ''),
  },
  query: {
    type: 'string',
    when: `${WITH_REQUEST_HEADERS}; empty without one`,
    read: ({ requestHeaders }) => query(requestHeaders?.get(':path')),
  },
  host: header(':authority'),
  scheme: header(':scheme'),
  method: header(':method'),
  headers: {
    type: 'map',
    when: `${WITH_REQUEST_HEADERS}; else empty`,
    read: ({ requestHeaders }) => headersProperty(requestHeaders),
  },
  headers_bytes: {
    type: 'int',
    when: `${WITH_REQUEST_HEADERS}; else 0`,
    read: ({ requestHeaders }) => BigInt(byteSize(requestHeaders)),
  },
  referer: header('referer'),
  useragent: header('user-agent'),
  id: header('x-request-id'),
  time: {
    type: 'timestamp',
    when: ALWAYS,
    read: ({ info }) => nanosecondsProperty(info.startTimeWallMs),
  },
  duration: {
    type: 'duration',
    when: 'once the stream is over: in the log',
    read: ({ info }) => (info.endMs < 0 ? undefined : nanosecondsProperty(info.endMs - info.startMs)),
  },
  protocol: {
    type: 'string',
    when: ALWAYS,
    read: ({ info }) => (info.protocol === '' ? undefined : info.protocol),
  },
  size: {
    type: 'int',
    when: 'always; content-length while the plugin sees the request headers, else what of the body has come',
    read: requestSize,
  },
  total_size: {
    type: 'int',
    when: 'always; with the headers while the plugin sees them',
    read: ({ info, requestHeaders }) => BigInt(info.bytesReceived + byteSize(requestHeaders)),
  },
};

function query(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const start = path.indexOf('?');
  if (start === -1) return '';
  const fragment = path.indexOf('#', start);
  return path.slice(start + 1, fragment === -1 ? undefined : fragment);
}

/** A content-length that is no number has no size. */
function requestSize({ info, requestHeaders }: AttributeSource): bigint | undefined {
  const length = requestHeaders?.get('content-length');
  if (length === undefined) return BigInt(info.bytesReceived);
  return /^\d{1,18}$/.test(length) ? BigInt(length) : undefined;
}
