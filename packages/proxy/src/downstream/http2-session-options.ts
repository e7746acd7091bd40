// Http2ProtocolOptions of a connection manager in the words of node:http2, with Envoy's defaults and the limits that keep
// one client from taking the worker: header list, streams, session memory, frames that make no sense, resets.

import type { ServerSessionOptions } from 'node:http2';
import type { Http2ProtocolOptions } from '@dragoman/config';
import type { ManagerSettings } from '../connection-manager/settings.ts';

/** Envoy's defaults. */
const DEFAULTS = {
  hpackTableBytes: 4096,
  maxConcurrentStreams: 1024,
  streamWindowBytes: 16 * 1024 * 1024,
  connectionWindowBytes: 24 * 1024 * 1024,
} as const;

/** What nghttp2 may hold for one session, in megabytes: a connection window of input and what clients have not taken. */
const MAX_SESSION_MEGABYTES = 96;
/** Pseudo headers, and room so that the proxy itself can tell, log and count the header that is too many. */
const PAIRS_MARGIN = 16;
/** Malformed messages of one session that are answered with a reset before the session is closed. */
const MAX_INVALID_FRAMES = { closing: 0, tolerant: 1000 } as const;

export interface Http2SessionOptions {
  readonly node: ServerSessionOptions;
  readonly connectionWindowBytes: number;
  /** A malformed message ends its stream only, and not the connection. */
  readonly streamErrors: boolean;
  readonly allowConnect: boolean;
  /** 0: no pings. */
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
}

export function http2SessionOptions(
  config: Http2ProtocolOptions | undefined,
  settings: ManagerSettings,
): Http2SessionOptions {
  const streamErrors =
    config?.overrideStreamErrorOnInvalidHttpMessage ??
    (config?.streamErrorOnInvalidHttpMessaging === true || settings.streamErrorOnInvalidHttpMessage);
  const allowConnect = config?.allowConnect ?? false;
  return {
    node: {
      settings: {
        headerTableSize: config?.hpackTableSize ?? DEFAULTS.hpackTableBytes,
        initialWindowSize: config?.initialStreamWindowSize ?? DEFAULTS.streamWindowBytes,
        maxConcurrentStreams: config?.maxConcurrentStreams ?? DEFAULTS.maxConcurrentStreams,
        maxHeaderListSize: settings.maxRequestHeadersBytes,
        enableConnectProtocol: allowConnect,
      },
      maxHeaderListPairs: settings.maxHeadersCount + PAIRS_MARGIN,
      maxSessionMemory: MAX_SESSION_MEGABYTES,
      maxSessionInvalidFrames: streamErrors ? MAX_INVALID_FRAMES.tolerant : MAX_INVALID_FRAMES.closing,
    },
    connectionWindowBytes: config?.initialConnectionWindowSize ?? DEFAULTS.connectionWindowBytes,
    streamErrors,
    allowConnect,
    keepaliveIntervalMs: config?.connectionKeepalive?.interval ?? 0,
    keepaliveTimeoutMs: config?.connectionKeepalive?.timeout ?? 0,
  };
}
