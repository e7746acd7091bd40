// The attributes of a stream by their paths (ABI reference 8.4): a table per root, read at the time of the call.
// What comes from a header map is there as long as the plugin may see that map, and again in on_log.

import type { Stream } from '@dragoman/proxy';
import {
  descend,
  type GuestHeaderMap,
  integerProperty,
  nanosecondsProperty,
  type PropertyMap,
  type PropertyValue,
  type StreamContext,
  utf8Property,
} from '@dragoman/vm';
import type { WasmFilterInstance } from './filter-type.ts';
import { peerProperty } from './peer-properties.ts';
import { metadataProperty } from './property-messages.ts';
import { rootProperty } from './root-properties.ts';
import { routeProperty } from './route-properties.ts';

/** The value at `path`, which has one component at least; undefined when there is none. */
export function streamProperty(
  stream: Stream,
  context: StreamContext,
  instance: WasmFilterInstance,
  path: readonly string[],
): PropertyValue {
  const [root, name] = path;
  // A whole root cannot be listed (S96).
  if (path.length === 1 && WHOLE_ROOTS.has(root)) return null;
  switch (root) {
    case 'request':
      return descend(requestProperty(stream, context, name), path, 2);
    case 'response':
      return descend(responseProperty(stream, context, name), path, 2);
    case 'connection':
    case 'source':
    case 'destination':
    case 'upstream':
      return descend(peerProperty(stream, root, name), path, 2);
    case 'connection_id':
      return integerProperty(stream.connection.id);
    case 'metadata':
      return descend(metadataProperty(stream.info.dynamicMetadata), path, 1);
    case 'filter_state':
      return descend(filterState(stream), path, 1);
    case 'xds':
      if (name === 'node') return rootProperty(instance.node, path);
      return descend(routeProperty(stream, instance, name), path, 2);
    case 'node':
      return rootProperty(instance.node, path);
  }
  // Names at the top that Envoy had before 1.33, then what plugins have set.
  const older = LEGACY_ROOTS.has(root) ? routeProperty(stream, instance, root) : undefined;
  if (older !== undefined) return descend(older, path, 1);
  const kept = stream.info.filterState?.get(`wasm.${root}`);
  return path.length === 1 ? stateValue(kept) : undefined;
}

const WHOLE_ROOTS: ReadonlySet<string> = new Set([
  'request',
  'response',
  'connection',
  'upstream',
  'source',
  'destination',
  'xds',
]);
const LEGACY_ROOTS: ReadonlySet<string> = new Set([
  'cluster_name',
  'cluster_metadata',
  'listener_direction',
  'listener_metadata',
  'route_name',
  'route_metadata',
  'upstream_host_metadata',
]);

function requestProperty(stream: Stream, context: StreamContext, name: string): PropertyValue {
  const { info } = stream;
  const headers = context.requestHeaders;
  switch (name) {
    case 'path':
      return headers?.get(':path');
    case 'url_path':
      return urlPath(headers?.get(':path'));
    case 'query':
      return query(headers?.get(':path'));
    case 'host':
      return headers?.get(':authority');
    case 'scheme':
      return headers?.get(':scheme');
    case 'method':
      return headers?.get(':method');
    case 'referer':
      return headers?.get('referer');
    case 'useragent':
      return headers?.get('user-agent');
    case 'id':
      return headers?.get('x-request-id');
    case 'headers':
      return headers === null ? undefined : headersProperty(headers);
    case 'headers_bytes':
      return headers === null ? undefined : BigInt(byteSize(headers));
    case 'protocol':
      return info.protocol === '' ? undefined : info.protocol;
    case 'time':
      return nanosecondsProperty(info.startTimeWallMs);
    case 'duration':
      return info.endMs < 0 ? undefined : nanosecondsProperty(info.endMs - info.startMs);
    case 'size':
      return requestSize(stream, headers);
    case 'total_size':
      return BigInt(info.bytesReceived + (headers === null ? info.requestHeaderBytes : byteSize(headers)));
    default:
      return undefined;
  }
}

function responseProperty(stream: Stream, context: StreamContext, name: string): PropertyValue {
  const { info } = stream;
  const headers = context.responseHeaders;
  const trailers = context.responseTrailers;
  switch (name) {
    case 'code':
      return integerProperty(responseCode(stream, headers));
    case 'code_details':
      return info.responseCodeDetails === '' ? undefined : info.responseCodeDetails;
    case 'flags':
      return BigInt(info.responseFlags >>> 0);
    case 'grpc_status':
      return grpcStatus(stream, headers, trailers);
    case 'headers':
      return headers === null ? undefined : headersProperty(headers);
    case 'headers_bytes':
      return headers === null ? undefined : BigInt(byteSize(headers));
    case 'trailers':
      return trailers === null ? undefined : headersProperty(trailers);
    case 'size':
      return BigInt(info.bytesSent);
    case 'total_size': {
      const head = headers === null ? 0 : byteSize(headers);
      return BigInt(info.bytesSent + head + (trailers === null ? 0 : byteSize(trailers)));
    }
    case 'backend_latency':
      if (info.firstUpstreamTxByteMs < 0 || info.firstUpstreamRxByteMs < 0) return undefined;
      return nanosecondsProperty(info.firstUpstreamRxByteMs - info.firstUpstreamTxByteMs);
    default:
      return undefined;
  }
}

function responseCode(stream: Stream, headers: GuestHeaderMap | null): number | undefined {
  if (stream.info.responseCode !== 0) return stream.info.responseCode;
  const status = headers?.get(':status') ?? stream.responseHeaders?.get(':status');
  return status === undefined ? undefined : Number(status);
}

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

function grpcStatus(
  stream: Stream,
  headers: GuestHeaderMap | null,
  trailers: GuestHeaderMap | null,
): PropertyValue {
  const text = trailers?.get('grpc-status') ?? headers?.get('grpc-status');
  if (text !== undefined && /^\d{1,9}$/.test(text)) return BigInt(text);
  const code = responseCode(stream, headers);
  return code === undefined ? undefined : (GRPC_STATUS_OF_HTTP[code] ?? GRPC_UNKNOWN);
}

function urlPath(path: string | undefined): string | undefined {
  const end = path === undefined ? -1 : path.search(/[?#]/);
  return end === -1 ? path : path?.slice(0, end);
}

/** Empty (and found) when there is none. */
function query(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const start = path.indexOf('?');
  if (start === -1) return '';
  const fragment = path.indexOf('#', start);
  return path.slice(start + 1, fragment === -1 ? undefined : fragment);
}

/** Content-Length where the request has one, else what has come so far. */
function requestSize(stream: Stream, headers: GuestHeaderMap | null): bigint | undefined {
  const length = headers?.get('content-length');
  if (length === undefined) return BigInt(stream.info.bytesReceived);
  return /^\d{1,18}$/.test(length) ? BigInt(length) : undefined;
}

/** Names and values, as Envoy counts the size of a map. */
function byteSize(headers: GuestHeaderMap): number {
  let size = 0;
  headers.forEach((name, value) => {
    size += name.length + value.length;
  });
  return size;
}

/** A map of distinct names; several values of one name are joined by commas (S41). */
export function headersProperty(headers: GuestHeaderMap): PropertyMap {
  const joined = (): Map<string, string> => {
    const values = new Map<string, string>();
    headers.forEach((name, value) => {
      const before = values.get(name);
      values.set(name, before === undefined ? value : `${before},${value}`);
    });
    return values;
  };
  return { get: name => joined().get(name.toLowerCase()), entries: () => joined().entries() };
}

function filterState(stream: Stream): PropertyMap {
  const state = stream.info.filterState;
  return {
    get: key => stateValue(state?.get(key)),
    entries: () => [...(state ?? [])].map(([key, value]) => [key, stateValue(value)] as const),
  };
}

/** Values set by plugins are bytes; those of filters are texts, numbers, or objects that have no encoding. */
function stateValue(value: unknown): PropertyValue {
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array || typeof value === 'boolean') return value;
  if (typeof value === 'string') return utf8Property(value);
  return typeof value === 'number' ? BigInt(Math.trunc(value)) : null;
}
