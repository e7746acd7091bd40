// The two sides of one upstream request: what the protocol clients (HTTP/1, HTTP/2) offer the router, and
// what the router, or the asynchronous client, hears from them. Worker threads only.

import type { HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type { Host } from '../cluster/host.ts';
import type { TlsConnectionInfo } from '../filter-chain/stream-info.ts';

/** Why an upstream request ended without a complete response (Envoy: StreamResetReason). */
export const ResetReason = {
  RemoteConnectionFailure: 'remote connection failure',
  LocalConnectionFailure: 'local connection failure',
  ConnectionTimeout: 'connection timeout',
  ConnectionTermination: 'connection termination',
  LocalReset: 'local reset',
  LocalRefusedStream: 'local refused stream reset',
  Overflow: 'overflow',
  RemoteReset: 'remote reset',
  RemoteRefusedStream: 'remote refused stream reset',
  ProtocolError: 'protocol error',
} as const;
export type ResetReason = (typeof ResetReason)[keyof typeof ResetReason];

/** One request on an upstream connection, once there is one. */
export interface UpstreamStream {
  readonly host: Host;
  /** "HTTP/1.1" or "HTTP/2", for %UPSTREAM_PROTOCOL%. */
  readonly protocol: string;
  readonly localAddress: string;
  /** Null: plaintext. */
  readonly tls: TlsConnectionInfo | null;
  /** How many requests this connection carried before this one. */
  readonly requestsBefore: number;
  sendHeaders(headers: RequestHeaders, endStream: boolean): void;
  /** `bytes` is borrowed: copied when the socket does not take it at once. */
  sendData(bytes: Buffer, endStream: boolean): void;
  sendTrailers(trailers: HeaderMap): void;
  /** Writes what was gathered for one write. */
  flush(): void;
  /** True when more data should wait for onUpstreamWritable. */
  readonly needsDrain: boolean;
  /** Stops (or lets go on) reading the response: backpressure from the client. */
  pauseReading(paused: boolean): void;
  /** Gives the request up; the handler hears nothing any more. */
  cancel(): void;
}

/** Hears of one upstream request. After onUpstreamReset, or the end of the response, nothing more comes. */
export interface UpstreamHandler {
  /** The response's data is shown to filters: it comes as Envoy's codecs show it. */
  readonly showsData?: boolean;
  /** There is a connection: the request may be written now. */
  onUpstreamReady(stream: UpstreamStream): void;
  onUpstreamInformational(headers: ResponseHeaders): void;
  onUpstreamHeaders(headers: ResponseHeaders, endStream: boolean): void;
  /** `bytes` is borrowed: valid until the call returns. */
  onUpstreamData(bytes: Buffer, endStream: boolean): void;
  onUpstreamTrailers(trailers: HeaderMap): void;
  /** No (complete) response will come. `transportFailure` is the transport's own words, '' when there are none. */
  onUpstreamReset(reason: ResetReason, transportFailure: string): void;
  onUpstreamWritable(): void;
  /** The bytes of one read have been handed over: what was gathered for one write can go. */
  onUpstreamReadDone(): void;
}

/** A waiting request: it can be given up before there is a connection. */
export interface PendingRequest {
  cancel(): void;
}

/** Connections of one protocol to one host on this worker. */
export interface ConnectionPool {
  /**
   * Asks for a connection. When one is idle the handler's onUpstreamReady runs before this returns, and the
   * result is null; else the result cancels the wait. Failure arrives through onUpstreamReset, also possibly
   * before this returns.
   */
  newStream(handler: UpstreamHandler): PendingRequest | null;
  /** There is neither a connection nor a request that waits for one. */
  readonly unused: boolean;
  /** Idle connections close now, busy ones after their request. */
  drain(): void;
  closeAll(): void;
}
