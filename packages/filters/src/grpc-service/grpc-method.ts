// One unary gRPC method of a service behind a cluster (Envoy: envoy_grpc), for filters that ask a service about a request.
// Messages go by their names in the schema.

import { decodeBytes, encodeMessage, type GrpcService, type MessageOf } from '@dragoman/config';
import { RequestHeaders } from '@dragoman/http';
import type { AsyncResponse, FilterContext } from '@dragoman/proxy';

const PREFIX_BYTES = 5;

export const GrpcStatus = { Ok: 0, Unknown: 2, Internal: 13, Unavailable: 14 } as const;

/** The fields of a GrpcService that are implemented; a filter that uses GrpcMethod declares them. */
export const grpcServiceFields = {
  'envoy.config.core.v3.GrpcService': ['envoy_grpc', 'timeout', 'initial_metadata'],
  'envoy.config.core.v3.GrpcService.EnvoyGrpc': ['cluster_name', 'authority'],
} as const;

/** `message` is null unless `status` is 0. */
export type OnGrpcResponse<Response> = (message: Response | null, status: number) => void;

export interface GrpcCall {
  cancel(): void;
}

function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

/** The one uncompressed message of a body; null for anything else. */
function unframed(body: Buffer): Buffer | null {
  if (body.length < PREFIX_BYTES || body[0] !== 0) return null;
  return body.readUInt32BE(1) === body.length - PREFIX_BYTES ? body.subarray(PREFIX_BYTES) : null;
}

function grpcStatus(response: AsyncResponse): number {
  if (response.local || response.headers.status !== 200) return GrpcStatus.Unavailable;
  const text = response.trailers?.get('grpc-status') ?? response.headers.get('grpc-status');
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : GrpcStatus.Unknown;
}

export class GrpcMethod<Request extends string, Response extends string> {
  readonly #service: GrpcService;
  readonly #path: string;
  readonly #requestType: Request;
  readonly #responseType: Response;
  readonly #context: FilterContext;

  /** `path`: "/package.Service/Method". */
  constructor(
    service: GrpcService,
    path: string,
    types: { readonly request: Request; readonly response: Response },
    context: FilterContext,
  ) {
    this.#service = service;
    this.#path = path;
    this.#requestType = types.request;
    this.#responseType = types.response;
    this.#context = context;
  }

  /** Null: the cluster does not exist. `onDone` is called once, after call() has returned, unless cancelled. */
  call(
    request: MessageOf<Request>,
    defaultTimeoutMs: number,
    onDone: OnGrpcResponse<MessageOf<Response>>,
  ): GrpcCall | null {
    const { envoyGrpc, timeout: timeoutMs = defaultTimeoutMs } = this.#service;
    const body = framed(encodeMessage(this.#requestType, request));
    const headers = this.#headers(timeoutMs);
    return this.#context.asyncClient.send(
      envoyGrpc?.clusterName ?? '',
      { headers, body, timeoutMs },
      response => {
        const status = grpcStatus(response);
        const message = status === GrpcStatus.Ok ? this.#decoded(response.body) : null;
        onDone(message, message === null && status === GrpcStatus.Ok ? GrpcStatus.Internal : status);
      },
    );
  }

  #headers(timeoutMs: number): RequestHeaders {
    const { envoyGrpc, initialMetadata } = this.#service;
    const headers = new RequestHeaders();
    headers.method = 'POST';
    headers.scheme = 'http';
    headers.path = this.#path;
    headers.authority = envoyGrpc?.authority || (envoyGrpc?.clusterName ?? '');
    headers.add('te', 'trailers');
    if (timeoutMs > 0) headers.add('grpc-timeout', `${Math.ceil(timeoutMs)}m`);
    headers.add('content-type', 'application/grpc');
    for (const { key, value } of initialMetadata) headers.add(key.toLowerCase(), value);
    return headers;
  }

  #decoded(body: Buffer): MessageOf<Response> | null {
    const bytes = unframed(body);
    if (bytes === null) return null;
    try {
      return decodeBytes(this.#responseType, bytes);
    } catch {
      return null;
    }
  }
}
