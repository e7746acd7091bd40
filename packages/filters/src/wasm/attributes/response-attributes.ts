// response.*: what the client was answered.

import { nanosecondsProperty, type PropertyValue } from '@dragoman/vm';
import { ALWAYS, type AttributeGroup, type AttributeSource, byteSize, headersProperty } from './attribute.ts';

const WITH_HEADERS = 'while the plugin sees the response headers, and in the log';
const WITH_TRAILERS = 'while the plugin sees the response trailers, and in the log';
const FROM_HEADERS = 'from the response headers on';

export const responseAttributes: AttributeGroup = {
  code: { type: 'int', when: FROM_HEADERS, read: source => integer(responseCode(source)) },
  code_details: {
    type: 'string',
    when: FROM_HEADERS,
    read: ({ info }) => (info.responseCodeDetails === '' ? undefined : info.responseCodeDetails),
  },
  flags: { type: 'int', when: ALWAYS, read: ({ info }) => BigInt(info.responseFlags >>> 0) },
  grpc_status: { type: 'int', when: `${FROM_HEADERS}; from the HTTP status without one`, read: grpcStatus },
  headers: {
    type: 'map',
    when: `${WITH_HEADERS}; else empty`,
    read: ({ responseHeaders }) => headersProperty(responseHeaders),
  },
  headers_bytes: {
    type: 'int',
    when: `${WITH_HEADERS}; else 0`,
    read: ({ responseHeaders }) => BigInt(byteSize(responseHeaders)),
  },
  trailers: {
    type: 'map',
    when: `${WITH_TRAILERS}; else empty`,
    read: ({ responseTrailers }) => headersProperty(responseTrailers),
  },
  size: { type: 'int', when: ALWAYS, read: ({ info }) => BigInt(info.bytesSent) },
  total_size: {
    type: 'int',
    when: 'always; with headers and trailers while the plugin sees them',
    read: ({ info, responseHeaders, responseTrailers }) =>
      BigInt(info.bytesSent + byteSize(responseHeaders) + byteSize(responseTrailers)),
  },
  backend_latency: {
    type: 'duration',
    when: 'once the upstream has answered completely',
    read: ({ info }) =>
      info.firstUpstreamTxByteMs < 0 || info.lastUpstreamRxByteMs < 0
        ? undefined
        : nanosecondsProperty(info.lastUpstreamRxByteMs - info.firstUpstreamTxByteMs),
  },
};

function responseCode({ info, responseHeaders }: AttributeSource): number {
  if (info.responseCode !== 0) return info.responseCode;
  return Number(responseHeaders?.get(':status') ?? 0);
}

const integer = (value: number): bigint | undefined => (value === 0 ? undefined : BigInt(value));

/** HTTP statuses with a gRPC status of their own; all others are UNKNOWN. */
const GRPC_STATUS_OF_HTTP: Readonly<Record<number, bigint>> = {
  400: 13n,
  401: 16n,
  403: 7n,
  404: 12n,
  429: 14n,
  502: 14n,
  503: 14n,
  504: 14n,
};
const GRPC_UNKNOWN = 2n;

function grpcStatus(source: AttributeSource): PropertyValue {
  const text = source.responseTrailers?.get('grpc-status') ?? source.responseHeaders?.get('grpc-status');
  if (text !== undefined && /^\d{1,9}$/.test(text)) return BigInt(text);
  const code = responseCode(source);
  return code === 0 ? undefined : (GRPC_STATUS_OF_HTTP[code] ?? GRPC_UNKNOWN);
}
