// Where gRPC goes: a GrpcService of the configuration (or just the name of a cluster), and the request headers of its calls.

import type { GrpcService, HeaderValueOption } from '@dragoman/config';
import { RequestHeaders } from '@dragoman/http';
import { StreamInfo } from '../filter-chain/stream-info.ts';
import type { FormatInput } from '../format/format-input.ts';
import { compileHeaderMutations, type HeaderMutations } from '../route/header-mutations.ts';

/** The fields of a GrpcService that are implemented; whoever reads one declares them. */
export const grpcServiceFields = {
  'envoy.config.core.v3.GrpcService': ['envoy_grpc', 'timeout', 'initial_metadata'],
  'envoy.config.core.v3.GrpcService.EnvoyGrpc': ['cluster_name', 'authority', 'max_receive_message_length'],
} as const;

/** Messages longer than this are refused where the configuration names no limit: they are held in memory. */
const DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Stands for the request on whose behalf a call is made, where there is none. */
const NO_REQUEST: FormatInput = {
  requestHeaders: null,
  responseHeaders: null,
  responseTrailers: null,
  info: new StreamInfo(),
  route: null,
};

export interface GrpcHead {
  /** [name, value, ...] in lower case; names that are pseudo headers, and what may not go on the wire, are left out. */
  readonly metadata?: readonly string[];
  readonly timeoutMs?: number;
  /** The request that asks: initial_metadata of the service may show parts of it. */
  readonly requester?: FormatInput;
}

/** Compiled once per configuration. */
export class GrpcTarget {
  readonly cluster: string;
  readonly maxMessageBytes: number;
  /** `timeout` of the service; undefined where it has none. */
  readonly timeoutMs: number | undefined;
  readonly #authority: string;
  readonly #metadata: HeaderMutations | null;

  /** @throws DragomanError HEADER_MUTATION, or Error with the text of a wrong format, for initial_metadata. */
  constructor(service: Pick<GrpcService, 'envoyGrpc' | 'timeout' | 'initialMetadata'>) {
    const { envoyGrpc, timeout, initialMetadata } = service;
    this.cluster = envoyGrpc?.clusterName ?? '';
    this.maxMessageBytes = envoyGrpc?.maxReceiveMessageLength || DEFAULT_MAX_MESSAGE_BYTES;
    this.timeoutMs = timeout;
    this.#authority = envoyGrpc?.authority || this.cluster;
    const additions = initialMetadata.map(
      (header): HeaderValueOption => ({
        header,
        appendAction: 'APPEND_IF_EXISTS_OR_ADD',
        keepEmptyValue: false,
      }),
    );
    this.#metadata = compileHeaderMutations(additions, []);
  }

  static ofCluster(clusterName: string): GrpcTarget {
    const envoyGrpc = { clusterName, authority: '', skipEnvoyHeaders: false };
    return new GrpcTarget({ envoyGrpc, initialMetadata: [] });
  }

  /** `path`: "/package.Service/Method". */
  requestHeaders(path: string, { metadata = [], timeoutMs = 0, requester }: GrpcHead): RequestHeaders {
    const headers = new RequestHeaders();
    headers.method = 'POST';
    headers.path = path;
    headers.authority = this.#authority;
    headers.add('te', 'trailers');
    if (timeoutMs > 0) headers.add('grpc-timeout', grpcTimeout(timeoutMs));
    headers.add('content-type', 'application/grpc');
    this.#metadata?.evaluate(headers, requester ?? NO_REQUEST);
    for (let i = 0; i < metadata.length; i += 2) headers.add(metadata[i], metadata[i + 1]);
    return headers;
  }
}

const MAX_TIMEOUT_VALUE = 99_999_999;

/** "250m"; at most eight digits, so long times are in larger units (gRPC over HTTP/2: Timeout). */
export function grpcTimeout(timeoutMs: number): string {
  let value = Math.ceil(timeoutMs);
  for (const [unit, factor] of TIMEOUT_UNITS) {
    if (value <= MAX_TIMEOUT_VALUE) return `${value}${unit}`;
    value = Math.floor(value / factor);
  }
  return `${Math.min(value, MAX_TIMEOUT_VALUE)}H`;
}

const TIMEOUT_UNITS: readonly (readonly [string, number])[] = [
  ['m', 1000],
  ['S', 60],
  ['M', 60],
];
