// Facts about one request that logs, header formats and statistics read: times, bytes, flags, who was asked.
// Plain data written by the stream, the connection manager and the router; lives as long as its Stream object
// and is reset for each request. Worker threads only.

import type { Clock } from '@dragoman/base';
import type { HeaderMap } from '@dragoman/http';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';

/** What is known of the certificates of a TLS connection; '' and [] where there is none. */
export interface CertificateInfo {
  readonly subject: string;
  readonly issuer: string;
  /** Serial number in lower-case hexadecimal. */
  readonly serial: string;
  /** SHA-256 of the DER form in lower-case hexadecimal. */
  readonly fingerprint256: string;
  /** SHA-1 of the DER form in lower-case hexadecimal. */
  readonly fingerprint1: string;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly ipSans: readonly string[];
  readonly emailSans: readonly string[];
  /** PEM text. */
  readonly pem: string;
  /** Milliseconds since 1970; 0 when unknown. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** What is known of a TLS connection, downstream or upstream. */
export interface TlsConnectionInfo {
  /** "TLSv1.2", "TLSv1.3". */
  readonly version: string;
  /** The cipher's OpenSSL name. */
  readonly cipher: string;
  /** Session id in lower-case hexadecimal. */
  readonly sessionId: string;
  readonly alpn: string;
  /** The peer has shown a certificate, or null. */
  readonly peer: CertificateInfo | null;
  /** The peer's certificate was checked against the trusted CA. */
  readonly peerValidated: boolean;
  readonly local: CertificateInfo | null;
}

/** The client connection a stream came on. */
export interface DownstreamConnectionInfo {
  /** Address of the peer of the socket (or what the PROXY protocol says), without port. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Number of the connection, unique in the process. */
  readonly id: number;
  readonly tls: TlsConnectionInfo | null;
  /** Server name from TLS or the TLS inspector; ''. */
  readonly requestedServerName: string;
  /** Filter state that lives as long as the connection: what later requests on it begin with. Absent until there is any. */
  filterState?: Map<string, unknown>;
  /** What network filters know of the connection; absent when the chain has none. */
  readonly streamInfo?: StreamInfo;
}

/** A time point that has not come yet. All points are monotonic milliseconds. */
export const NO_TIME = -1;

/** `filterMetadata` as filters write it: namespace, then key, then a JSON value. */
export type DynamicMetadata = Record<string, Record<string, unknown>>;

export class StreamInfo {
  /** Wall-clock milliseconds since 1970 when the request began. */
  startTimeWallMs = 0;
  /** Monotonic milliseconds when the request began; the zero point of all durations. */
  startMs = 0;
  /** The last byte of the request came from the client. */
  lastDownstreamRxByteMs = NO_TIME;
  /** Connecting to the upstream began, ended, and its TLS handshake ended (not for a reused connection). */
  upstreamConnectStartMs = NO_TIME;
  upstreamConnectEndMs = NO_TIME;
  upstreamHandshakeEndMs = NO_TIME;
  firstUpstreamTxByteMs = NO_TIME;
  lastUpstreamTxByteMs = NO_TIME;
  firstUpstreamRxByteMs = NO_TIME;
  firstUpstreamRxBodyByteMs = NO_TIME;
  lastUpstreamRxByteMs = NO_TIME;
  firstDownstreamTxByteMs = NO_TIME;
  lastDownstreamTxByteMs = NO_TIME;
  /** The stream is over; duration = this minus startMs. */
  endMs = NO_TIME;
  downstreamHandshakeMs = NO_TIME;
  /** How long the last attempt waited for an upstream connection, or for the news that there is none. */
  upstreamPoolReadyMs = NO_TIME;

  /** "HTTP/1.0", "HTTP/1.1", "HTTP/2"; '' for TCP. */
  protocol = '';
  upstreamProtocol = '';

  /** Body bytes from and to the client. */
  bytesReceived = 0;
  bytesSent = 0;
  /** Header sections as text lines, without framing. */
  requestHeaderBytes = 0;
  responseHeaderBytes = 0;
  responseTrailerBytes = 0;
  /** Everything on the sockets that belongs to this stream. */
  downstreamWireBytesReceived = 0;
  downstreamWireBytesSent = 0;
  upstreamWireBytesReceived = 0;
  upstreamWireBytesSent = 0;
  upstreamHeaderBytesReceived = 0;
  upstreamHeaderBytesSent = 0;

  /** Status sent to the client; 0 when none was. */
  responseCode = 0;
  responseCodeDetails = '';
  connectionTerminationDetails = '';
  /** Bits of ResponseFlag (format/response-flags.ts); set them with addResponseFlag(), which keeps their order. */
  responseFlags = 0;
  /** The flags in the order they were set, five bits each (bit number + 1), the first in the lowest bits. */
  responseFlagOrder = 0;
  /** Body of the local reply, for %LOCAL_REPLY_BODY%. */
  localReplyBody = '';
  /** gRPC status of a response without trailers, when known; -1. */
  grpcStatus = -1;

  /** Trusted address of the client: the peer, or from x-forwarded-for (then the port is 0). */
  downstreamRemoteAddress = '';
  downstreamRemotePort = 0;
  connection: DownstreamConnectionInfo | null = null;
  downstreamTransportFailureReason = '';

  upstreamHost: Host | null = null;
  /** Name of the cluster the route chose, also when it does not exist; ''. */
  upstreamCluster = '';
  /** `alt_stat_name` or the name, for %UPSTREAM_CLUSTER%; '' when the cluster was not found. */
  upstreamClusterObservabilityName = '';
  upstreamClusterMetadata: unknown = null;
  /** "127.0.0.1:54321"; ''. */
  upstreamLocalAddress = '';
  /** "127.0.0.1:80"; '' until there is a connection. */
  upstreamRemoteAddress = '';
  upstreamConnectionId = 0;
  upstreamTls: TlsConnectionInfo | null = null;
  upstreamServerName = '';
  upstreamTransportFailureReason = '';
  /** Address texts of all hosts that were tried, in order; null until the first. */
  upstreamHostsAttempted: string[] | null = null;
  /** Requests made upstream, 1 without a retry; 0 when there was none. */
  attemptCount = 0;

  routeName = '';
  virtualHostName = '';
  virtualClusterName = '';
  filterChainName = '';
  requestId = '';
  /** Unique number of the stream in this worker. */
  streamId = 0;
  traceId = '';
  spanId = '';
  /** The trace decision: this request is (or would be) sampled. */
  traceable = false;
  /** The health_check filter answered or marked this request. */
  healthCheck = false;
  /** The request came from an internal address (x-envoy-internal). */
  internal = false;

  /** What the request line said, before normalisation or rewrites; '' when the head was malformed. */
  originalMethod = '';
  originalPath = '';
  originalAuthority = '';

  dynamicMetadata: DynamicMetadata | null = null;
  filterState: Map<string, unknown> | null = null;
  /** Trailers of the response for %TRAILER(X)% once the stream is over. */
  responseTrailers: HeaderMap | null = null;

  #random = -1;

  /** Of a connection as a whole, beginning now. */
  static ofConnection(connection: DownstreamConnectionInfo, clock: Clock): StreamInfo {
    const info = new StreamInfo();
    info.reset(clock.wallMs(), clock.nowMs());
    info.connection = connection;
    info.downstreamRemoteAddress = connection.remoteAddress;
    info.downstreamRemotePort = connection.remotePort;
    return info;
  }

  /** A random whole number below 2^48, the same for all decisions about this request. */
  get random(): number {
    if (this.#random < 0) this.#random = Math.floor(Math.random() * 2 ** 48);
    return this.#random;
  }

  /** Puts every field back for the next request of the same Stream object. */
  reset(startTimeWallMs: number, startMs: number): void {
    this.startTimeWallMs = startTimeWallMs;
    this.startMs = startMs;
    this.#resetTimes();
    this.#resetBytes();
    this.#resetPeers();
    this.protocol = this.upstreamProtocol = '';
    this.responseCode = 0;
    this.responseCodeDetails = this.connectionTerminationDetails = this.localReplyBody = '';
    this.responseFlags = 0;
    this.responseFlagOrder = 0;
    this.grpcStatus = -1;
    this.routeName = this.virtualHostName = this.virtualClusterName = this.filterChainName = '';
    this.requestId = this.traceId = this.spanId = '';
    this.streamId = 0;
    this.traceable = this.healthCheck = this.internal = false;
    this.originalMethod = this.originalPath = this.originalAuthority = '';
    this.dynamicMetadata = null;
    this.filterState = null;
    this.responseTrailers = null;
    this.#random = -1;
  }

  #resetTimes(): void {
    this.lastDownstreamRxByteMs = NO_TIME;
    this.upstreamConnectStartMs = this.upstreamConnectEndMs = this.upstreamHandshakeEndMs = NO_TIME;
    this.firstUpstreamTxByteMs = this.lastUpstreamTxByteMs = NO_TIME;
    this.firstUpstreamRxByteMs = this.firstUpstreamRxBodyByteMs = this.lastUpstreamRxByteMs = NO_TIME;
    this.firstDownstreamTxByteMs = this.lastDownstreamTxByteMs = this.endMs = NO_TIME;
    this.downstreamHandshakeMs = this.upstreamPoolReadyMs = NO_TIME;
  }

  #resetBytes(): void {
    this.bytesReceived = this.bytesSent = 0;
    this.requestHeaderBytes = this.responseHeaderBytes = this.responseTrailerBytes = 0;
    this.downstreamWireBytesReceived = this.downstreamWireBytesSent = 0;
    this.upstreamWireBytesReceived = this.upstreamWireBytesSent = 0;
    this.upstreamHeaderBytesReceived = this.upstreamHeaderBytesSent = 0;
  }

  #resetPeers(): void {
    this.downstreamRemoteAddress = this.downstreamTransportFailureReason = '';
    this.downstreamRemotePort = 0;
    this.connection = null;
    this.upstreamHost = null;
    this.upstreamCluster = this.upstreamClusterObservabilityName = '';
    this.upstreamClusterMetadata = null;
    this.upstreamLocalAddress = this.upstreamRemoteAddress = '';
    this.upstreamConnectionId = 0;
    this.upstreamTls = null;
    this.upstreamServerName = this.upstreamTransportFailureReason = '';
    this.upstreamHostsAttempted = null;
    this.attemptCount = 0;
  }

  /** A cluster was found for the request; nothing has been tried yet. */
  setUpstreamCluster(cluster: Cluster): void {
    this.upstreamClusterObservabilityName = cluster.config.altStatName || cluster.name;
    this.upstreamClusterMetadata = cluster.metadata ?? null;
    this.attemptCount = 0;
  }

  /** Sets one bit of ResponseFlag; logs show flags in the order of these calls, up to six of them. */
  addResponseFlag(flag: number): void {
    if ((this.responseFlags & flag) !== 0) return;
    this.responseFlags |= flag;
    let shift = 0;
    while (shift < 30 && this.responseFlagOrder >>> shift !== 0) shift += 5;
    if (shift < 30) this.responseFlagOrder |= (32 - Math.clz32(flag)) << shift;
  }

  /** Sets one dynamic metadata value; the maps are made on first use. */
  setDynamicMetadata(namespace: string, key: string, value: unknown): void {
    this.dynamicMetadata ??= Object.create(null) as DynamicMetadata;
    const entries = (this.dynamicMetadata[namespace] ??= Object.create(null) as Record<string, unknown>);
    entries[key] = value;
  }

  setFilterState(key: string, value: unknown): void {
    this.filterState ??= new Map();
    this.filterState.set(key, value);
  }
}
