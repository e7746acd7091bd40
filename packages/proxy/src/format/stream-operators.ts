// Format operators that read StreamInfo: times, bytes, codes, addresses, upstream and downstream facts.
// Operators on headers are in header-operators.ts, on metadata and state in metadata-operators.ts.

import { hostname } from 'node:os';
import type { HeaderMap } from '@dragoman/http';
import { addressText } from '../cluster/host-spec.ts';
import { NO_TIME, type StreamInfo } from '../filter-chain/stream-info.ts';
import type { FormatInput, FormatValue, OperatorDefinition, ReadValue } from './format-input.ts';
import { responseFlagNames } from './response-flags.ts';
import { compileTimeFormat } from './time-format.ts';

const plain = (read: (info: StreamInfo) => FormatValue | undefined): OperatorDefinition => ({
  parameters: 'none',
  truncates: false,
  compile: () => input => read(input.info) ?? null,
});

const text = (read: (info: StreamInfo) => string): OperatorDefinition =>
  plain(info => {
    const value = read(info);
    return value === '' ? null : value;
  });

/** Whole milliseconds between two points; null unless both have come. */
function elapsedMs(fromMs: number, toMs: number): number | null {
  return fromMs === NO_TIME || toMs === NO_TIME ? null : Math.max(0, Math.floor(toMs - fromMs));
}

/** "10.0.0.1:80", "[::1]:80" or the path of a pipe; null when there is no address. */
function socketText(address: string, port: number): string | null {
  if (address === '') return null;
  return addressText(address, port, address.startsWith('/') || address.startsWith('@') ? address : '');
}

/** "10.0.0.1" of "10.0.0.1:80", "::1" of "[::1]:80". */
function withoutPort(addressAndPort: string): string {
  const colon = addressAndPort.lastIndexOf(':');
  if (colon < 0 || addressAndPort.startsWith('/')) return addressAndPort;
  return addressAndPort.startsWith('[') ? addressAndPort.slice(1, colon - 1) : addressAndPort.slice(0, colon);
}

function portOf(addressAndPort: string): number | null {
  const colon = addressAndPort.lastIndexOf(':');
  return colon < 0 || addressAndPort.startsWith('/') ? null : Number(addressAndPort.slice(colon + 1));
}

/** Bytes of all names and values as they are at the end, counted only when somebody asks. */
function headerBytes(headersOf: (input: FormatInput) => HeaderMap | null): OperatorDefinition {
  return {
    parameters: 'none',
    truncates: false,
    compile: () => input => {
      let bytes = 0;
      headersOf(input)?.forEach((name, value) => {
        bytes += name.length + value.length;
      });
      return bytes;
    },
  };
}

const time = (wallMs: (info: StreamInfo) => number, local: boolean): OperatorDefinition => ({
  parameters: 'optional',
  truncates: false,
  compile: ({ text: format }) => {
    const write = compileTimeFormat(format ?? '', local);
    return input => write(wallMs(input.info));
  },
});

const TIME_POINTS: Readonly<Record<string, (info: StreamInfo) => number>> = {
  DS_RX_BEG: info => info.startMs,
  DS_RX_END: info => info.lastDownstreamRxByteMs,
  US_CX_BEG: info => info.upstreamConnectStartMs,
  US_CX_END: info => info.upstreamConnectEndMs,
  US_HS_END: info => info.upstreamHandshakeEndMs,
  US_TX_BEG: info => info.firstUpstreamTxByteMs,
  US_TX_END: info => info.lastUpstreamTxByteMs,
  US_RX_BEG: info => info.firstUpstreamRxByteMs,
  US_RX_BODY_BEG: info => info.firstUpstreamRxBodyByteMs,
  US_RX_END: info => info.lastUpstreamRxByteMs,
  DS_TX_BEG: info => info.firstDownstreamTxByteMs,
  DS_TX_END: info => info.lastDownstreamTxByteMs,
};

const PRECISIONS: Readonly<Record<string, number>> = { ms: 1, us: 1000, ns: 1_000_000 };

const commonDuration: OperatorDefinition = {
  parameters: 'required',
  truncates: false,
  compile({ text: argument }): ReadValue {
    const [start, end, precision] = (argument ?? '').split(':');
    const from = TIME_POINTS[start];
    const to = TIME_POINTS[end];
    const factor = PRECISIONS[precision ?? ''];
    if (from === undefined || to === undefined || factor === undefined)
      throw new Error(`Invalid common duration configuration: ${argument}.`);
    return ({ info }) => {
      const fromMs = from(info);
      const toMs = to(info);
      if (fromMs === NO_TIME || toMs === NO_TIME || toMs < fromMs) return null;
      return Math.floor((toMs - fromMs) * factor);
    };
  },
};

const details: OperatorDefinition = {
  parameters: 'optional',
  truncates: false,
  compile({ text: argument }): ReadValue {
    if (argument === 'ALLOW_WHITESPACES') return ({ info }) => info.responseCodeDetails || null;
    return ({ info }) => (info.responseCodeDetails === '' ? null : underscored(info.responseCodeDetails));
  },
};

function underscored(value: string): string {
  return value.includes(' ') ? value.replaceAll(' ', '_') : value;
}

const ownName = hostname();

/** Operators by name. */
export const streamOperators: Readonly<Record<string, OperatorDefinition>> = {
  START_TIME: time(info => info.startTimeWallMs, false),
  START_TIME_LOCAL: time(info => info.startTimeWallMs, true),
  EMIT_TIME: time(() => Date.now(), false),
  EMIT_TIME_LOCAL: time(() => Date.now(), true),

  DURATION: plain(info => elapsedMs(info.startMs, info.endMs)),
  REQUEST_DURATION: plain(info => elapsedMs(info.startMs, info.lastDownstreamRxByteMs)),
  REQUEST_TX_DURATION: plain(info => elapsedMs(info.startMs, info.lastUpstreamTxByteMs)),
  RESPONSE_DURATION: plain(info => elapsedMs(info.startMs, info.firstUpstreamRxByteMs)),
  RESPONSE_TX_DURATION: plain(info => elapsedMs(info.firstUpstreamRxByteMs, info.lastDownstreamTxByteMs)),
  ROUNDTRIP_DURATION: plain(() => null),
  DOWNSTREAM_HANDSHAKE_DURATION: plain(info => elapsedMs(0, info.downstreamHandshakeMs)),
  UPSTREAM_CONNECTION_POOL_READY_DURATION: plain(info => elapsedMs(0, info.upstreamPoolReadyMs)),
  COMMON_DURATION: commonDuration,

  RESPONSE_CODE: plain(info => info.responseCode),
  RESPONSE_CODE_DETAILS: details,
  RESPONSE_FLAGS: plain(info => responseFlagNames(info.responseFlags, info.responseFlagOrder, false) || '-'),
  RESPONSE_FLAGS_LONG: plain(
    info => responseFlagNames(info.responseFlags, info.responseFlagOrder, true) || '-',
  ),
  CONNECTION_TERMINATION_DETAILS: text(info => info.connectionTerminationDetails),

  BYTES_RECEIVED: plain(info => info.bytesReceived),
  BYTES_SENT: plain(info => info.bytesSent),
  UPSTREAM_WIRE_BYTES_SENT: plain(info => info.upstreamWireBytesSent),
  UPSTREAM_WIRE_BYTES_RECEIVED: plain(info => info.upstreamWireBytesReceived),
  UPSTREAM_HEADER_BYTES_SENT: plain(info => info.upstreamHeaderBytesSent),
  UPSTREAM_HEADER_BYTES_RECEIVED: plain(info => info.upstreamHeaderBytesReceived),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: plain(info => info.upstreamHeaderBytesSent),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: plain(info => info.upstreamHeaderBytesReceived),
  DOWNSTREAM_WIRE_BYTES_SENT: plain(info => info.downstreamWireBytesSent),
  DOWNSTREAM_WIRE_BYTES_RECEIVED: plain(info => info.downstreamWireBytesReceived),
  DOWNSTREAM_HEADER_BYTES_SENT: plain(info => info.responseHeaderBytes),
  DOWNSTREAM_HEADER_BYTES_RECEIVED: plain(info => info.requestHeaderBytes),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: plain(info => info.responseHeaderBytes),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: plain(info => info.requestHeaderBytes),
  REQUEST_HEADERS_BYTES: headerBytes(input => input.requestHeaders),
  RESPONSE_HEADERS_BYTES: headerBytes(input => input.responseHeaders),
  RESPONSE_TRAILERS_BYTES: headerBytes(input => input.info.responseTrailers ?? input.responseTrailers),

  PROTOCOL: text(info => info.protocol),
  UPSTREAM_PROTOCOL: text(info => info.upstreamProtocol),

  UPSTREAM_HOST: plain(info => info.upstreamHost?.addressText ?? null),
  UPSTREAM_HOST_NAME: plain(info => info.upstreamHost?.hostname || info.upstreamHost?.addressText || null),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: plain(info => {
    const host = info.upstreamHost;
    return host === null ? null : withoutPort(host.hostname || host.addressText);
  }),
  UPSTREAM_CLUSTER: text(info => info.upstreamClusterObservabilityName || info.upstreamCluster),
  UPSTREAM_CLUSTER_RAW: text(info => info.upstreamCluster),
  UPSTREAM_LOCAL_ADDRESS: text(info => info.upstreamLocalAddress),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: text(info => withoutPort(info.upstreamLocalAddress)),
  UPSTREAM_LOCAL_PORT: plain(info => portOf(info.upstreamLocalAddress)),
  UPSTREAM_REMOTE_ADDRESS: text(info => info.upstreamRemoteAddress),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: text(info => withoutPort(info.upstreamRemoteAddress)),
  UPSTREAM_REMOTE_PORT: plain(info => portOf(info.upstreamRemoteAddress)),
  UPSTREAM_TRANSPORT_FAILURE_REASON: text(info => underscored(info.upstreamTransportFailureReason)),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: plain(info => info.attemptCount),
  UPSTREAM_CONNECTION_ID: plain(info => (info.upstreamConnectionId === 0 ? null : info.upstreamConnectionId)),
  UPSTREAM_HOSTS_ATTEMPTED: plain(info => info.upstreamHostsAttempted?.join(',') ?? null),

  DOWNSTREAM_REMOTE_ADDRESS: plain(info =>
    socketText(info.downstreamRemoteAddress, info.downstreamRemotePort),
  ),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: text(info => info.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_PORT: plain(info => info.downstreamRemotePort),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: plain(
    ({ connection }) => connection && socketText(connection.remoteAddress, connection.remotePort),
  ),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: plain(({ connection }) => connection?.remoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_PORT: plain(({ connection }) => connection?.remotePort),
  DOWNSTREAM_LOCAL_ADDRESS: plain(
    ({ connection }) => connection && socketText(connection.localAddress, connection.localPort),
  ),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: plain(({ connection }) => connection?.localAddress),
  DOWNSTREAM_LOCAL_PORT: plain(({ connection }) => connection?.localPort),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: plain(
    ({ connection }) => connection && socketText(connection.localAddress, connection.localPort),
  ),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: plain(({ connection }) => connection?.localAddress),
  DOWNSTREAM_DIRECT_LOCAL_PORT: plain(({ connection }) => connection?.localPort),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: text(info => underscored(info.downstreamTransportFailureReason)),
  CONNECTION_ID: plain(({ connection }) => connection?.id),
  REQUESTED_SERVER_NAME: plain(({ connection }) => connection?.requestedServerName || null),
  STREAM_ID: text(info => info.requestId),

  ROUTE_NAME: text(info => info.routeName),
  VIRTUAL_HOST_NAME: text(info => info.virtualHostName),
  VIRTUAL_CLUSTER_NAME: text(info => info.virtualClusterName),
  FILTER_CHAIN_NAME: text(info => info.filterChainName),
  TRACE_ID: text(info => info.traceId),
  SPAN_ID: text(info => info.spanId),
  LOCAL_REPLY_BODY: plain(info => info.localReplyBody),
  HOSTNAME: plain(() => ownName),
  ACCESS_LOG_TYPE: { parameters: 'none', truncates: false, compile: () => (_input, logType) => logType },
};
