// How a cluster speaks HTTP to its hosts, compiled from HttpProtocolOptions or from the deprecated fields of
// Cluster that say the same.

import type {
  Cluster as ClusterConfig,
  HttpProtocolOptions as CommonOptions,
  Http1ProtocolOptions,
  Http2ProtocolOptions,
  HttpHttpProtocolOptions,
  TcpTcpProtocolOptions,
  UpstreamHttpProtocolOptions,
} from '@dragoman/config';

import { CaseSettings } from '../socket/case-settings.ts';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const TCP_OPTIONS = 'envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions';

/** Which HTTP is spoken upstream: one always, the downstream's, or what ALPN settles. */
export const UpstreamProtocol = { HTTP1: 0, HTTP2: 1, DOWNSTREAM: 2, AUTO: 3 } as const;
export type UpstreamProtocol = (typeof UpstreamProtocol)[keyof typeof UpstreamProtocol];

const HOUR_MS = 3_600_000;

/** Compiled protocol options; times in milliseconds, Infinity where there is no limit. */
export interface ProtocolOptions {
  readonly protocol: UpstreamProtocol;
  readonly http1: Http1ProtocolOptions | undefined;
  readonly http2: Http2ProtocolOptions | undefined;
  readonly upstream: UpstreamHttpProtocolOptions | undefined;
  /** Close a connection without requests after this long. */
  readonly idleTimeoutMs: number;
  readonly tcpIdleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxStreamDurationMs: number;
  /** Infinity when unlimited. */
  readonly maxRequestsPerConnection: number;
  /** Headers a response may have. */
  readonly maxHeadersCount: number;
  /** Trailers pass HTTP/1 connections, both ways. */
  readonly http1Trailers: boolean;
  readonly headerCase: CaseSettings;
}

/** A duration where 0 means "no limit" and absent means the default. */
function limitMs(value: number | undefined, defaultMs: number): number {
  if (value === undefined) return defaultMs;
  return value === 0 ? Number.POSITIVE_INFINITY : value;
}

function protocolOf(config: ClusterConfig, typed: HttpHttpProtocolOptions | undefined): UpstreamProtocol {
  if (typed?.explicitHttpConfig !== undefined)
    return typed.explicitHttpConfig.http2ProtocolOptions !== undefined
      ? UpstreamProtocol.HTTP2
      : UpstreamProtocol.HTTP1;
  if (typed?.useDownstreamProtocolConfig !== undefined) return UpstreamProtocol.DOWNSTREAM;
  if (typed?.autoConfig !== undefined) return UpstreamProtocol.AUTO;
  if (config.protocolSelection === 'USE_DOWNSTREAM_PROTOCOL') return UpstreamProtocol.DOWNSTREAM;
  return config.http2ProtocolOptions !== undefined ? UpstreamProtocol.HTTP2 : UpstreamProtocol.HTTP1;
}

export function compileProtocolOptions(config: ClusterConfig): ProtocolOptions {
  const extensions = config.typedExtensionProtocolOptions ?? {};
  const typed = extensions[HTTP_OPTIONS]?.value as HttpHttpProtocolOptions | undefined;
  const tcp = extensions[TCP_OPTIONS]?.value as TcpTcpProtocolOptions | undefined;
  const common: CommonOptions | undefined =
    typed?.commonHttpProtocolOptions ?? config.commonHttpProtocolOptions;
  const choice = typed?.explicitHttpConfig ?? typed?.useDownstreamProtocolConfig ?? typed?.autoConfig;
  const http1 = typed === undefined ? config.httpProtocolOptions : choice?.httpProtocolOptions;
  const maxRequests = common?.maxRequestsPerConnection ?? config.maxRequestsPerConnection ?? 0;
  return {
    protocol: protocolOf(config, typed),
    http1,
    http2: typed === undefined ? config.http2ProtocolOptions : choice?.http2ProtocolOptions,
    upstream: typed === undefined ? config.upstreamHttpProtocolOptions : typed.upstreamHttpProtocolOptions,
    idleTimeoutMs: limitMs(common?.idleTimeout, HOUR_MS),
    tcpIdleTimeoutMs: limitMs(tcp?.idleTimeout, 10 * 60_000),
    maxConnectionDurationMs: limitMs(common?.maxConnectionDuration, Number.POSITIVE_INFINITY),
    maxStreamDurationMs: limitMs(common?.maxStreamDuration, Number.POSITIVE_INFINITY),
    maxRequestsPerConnection: maxRequests === 0 ? Number.POSITIVE_INFINITY : maxRequests,
    maxHeadersCount: common?.maxHeadersCount ?? 100,
    headerCase: new CaseSettings(http1),
    http1Trailers: http1?.enableTrailers ?? false,
  };
}
