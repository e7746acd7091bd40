// Unary gRPC calls of plugins over the worker's HTTP client: one request message, one response message or a status.
// Streams need a client that hands over bodies piece by piece; there is none yet.

import { Status } from '@dragoman/abi';
import type { AsyncClient, AsyncResponse } from '@dragoman/proxy';
import {
  type Callout,
  type GrpcListener,
  type GrpcUnaryCall,
  ProtobufError,
  readBytesFields,
} from '@dragoman/vm';
import { requestHeaders } from './request-headers.ts';

/** gRPC status codes used here. */
const Code = {
  Ok: 0,
  Unknown: 2,
  DeadlineExceeded: 4,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
} as const;
const FRAME_HEAD_BYTES = 5;

/** What "HTTP to gRPC status code" of the gRPC documentation maps to something else than UNKNOWN. */
const CODE_OF_HTTP: Readonly<Record<number, number>> = {
  400: Code.Internal,
  401: 16,
  403: 7,
  404: Code.Unimplemented,
  429: Code.Unavailable,
  502: Code.Unavailable,
  503: Code.Unavailable,
  504: Code.Unavailable,
};

/** Starts a call; ParseFailure when its service is no cluster (S79), BadArgument for metadata that may not go on the wire. */
export function sendUnaryCall(
  client: AsyncClient,
  call: GrpcUnaryCall,
  listener: GrpcListener,
): Callout | Status {
  const cluster = clusterOf(call.upstream);
  const headers = requestHeaders([
    ':method',
    'POST',
    ':path',
    `/${call.service}/${call.method}`,
    ':authority',
    cluster,
    'te',
    'trailers',
    'content-type',
    'application/grpc',
    ...(call.timeoutMs > 0 ? ['grpc-timeout', `${call.timeoutMs}m`] : []),
    ...call.initialMetadata,
  ]);
  if (headers === null) return Status.BadArgument;
  const body = Buffer.alloc(FRAME_HEAD_BYTES + call.message.length);
  body.writeUInt32BE(call.message.length, 1);
  call.message.copy(body, FRAME_HEAD_BYTES);
  const request = { headers, body, timeoutMs: call.timeoutMs };
  return client.send(cluster, request, response => finish(response, listener)) ?? Status.ParseFailure;
}

/** Plugins give a serialised GrpcService (envoy_grpc 1, in it cluster_name 1), or just the name of a cluster. */
function clusterOf(upstream: string): string {
  try {
    const service = readBytesFields(Buffer.from(upstream, 'latin1')).get(1);
    const name = service === undefined ? undefined : readBytesFields(service).get(1);
    if (name !== undefined) return name.toString('utf8');
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
  }
  return upstream;
}

function finish(response: AsyncResponse, listener: GrpcListener): void {
  const { body, headers, local, trailers } = response;
  const status = trailers?.get('grpc-status') ?? headers.get('grpc-status');
  if (local || status === undefined || !/^\d{1,9}$/.test(status)) {
    const code = local && headers.status === 504 ? Code.DeadlineExceeded : CODE_OF_HTTP[headers.status];
    listener.onClose(code ?? Code.Unknown, local ? body.toString('utf8') : `HTTP status ${headers.status}`);
    return;
  }
  if (status !== '0') {
    listener.onClose(
      Number(status),
      percentDecoded(trailers?.get('grpc-message') ?? headers.get('grpc-message')),
    );
    return;
  }
  const message = onlyMessage(body);
  if (typeof message === 'string') listener.onClose(Code.Internal, message);
  else listener.onMessage(message);
}

/** The message of a response that has exactly one, or what is wrong with it. */
function onlyMessage(body: Buffer): Buffer | string {
  if (body.length < FRAME_HEAD_BYTES) return 'the response has no message';
  if (body[0] !== 0) return 'the response is compressed';
  const end = FRAME_HEAD_BYTES + body.readUInt32BE(1);
  if (end !== body.length)
    return end > body.length ? 'the message is cut off' : 'the response has more than one message';
  return body.subarray(FRAME_HEAD_BYTES);
}

function percentDecoded(text = ''): string {
  const bytes = text.replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
