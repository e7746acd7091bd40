// gRPC calls and streams of plugins (ABI reference 6.3) over the worker's gRPC client. Callbacks and tokens are @dragoman/vm's.

import { Status } from '@dragoman/abi';
import { decodeBytes } from '@dragoman/config';
import { HeaderMap } from '@dragoman/http';
import { type AsyncClient, GrpcClient, GrpcTarget } from '@dragoman/proxy';
import type { Callout, GrpcCall, GrpcListener, GrpcStream, GrpcUnaryCall } from '@dragoman/vm';

/** Starts a unary call, or says why there can be none. */
export function sendUnaryCall(
  asyncClient: AsyncClient,
  call: GrpcUnaryCall,
  listener: GrpcListener,
): Callout | Status {
  const client = clientFor(asyncClient, call);
  if (typeof client === 'number') return client;
  const { initialMetadata: metadata, timeoutMs } = call;
  return started(
    client.unary(
      pathOf(call),
      call.message,
      (message, status, text) =>
        message === null ? listener.onClose(status, text) : listener.onMessage(message),
      { metadata, timeoutMs },
    ),
    call,
  );
}

/** Opens a stream, or says why there can be none. */
export function openStream(
  asyncClient: AsyncClient,
  call: GrpcCall,
  listener: GrpcListener,
): GrpcStream | Status {
  const client = clientFor(asyncClient, call);
  if (typeof client === 'number') return client;
  return started(client.stream(pathOf(call), listener, { metadata: call.initialMetadata }), call);
}

const pathOf = ({ service, method }: GrpcCall): string => `/${service}/${method}`;

function clientFor(asyncClient: AsyncClient, call: GrpcCall): GrpcClient | Status {
  if (!isMetadata(call.initialMetadata)) return Status.BadArgument;
  const target = targetOf(call.upstream);
  return typeof target === 'number' ? target : new GrpcClient(target, asyncClient);
}

/** Plugins give a serialised GrpcService, or just the name of a cluster. Only Envoy's own gRPC client is there. */
function targetOf(upstream: string): GrpcTarget | Status {
  const service = serviceIn(upstream);
  if (service === null) return GrpcTarget.ofCluster(upstream);
  if (service.envoyGrpc === undefined) return Status.BadArgument;
  try {
    return new GrpcTarget(service);
  } catch {
    return Status.BadArgument;
  }
}

/** A name that happens to be a message without any of the fields of a GrpcService is a name. */
function serviceIn(upstream: string) {
  try {
    const service = decodeBytes('envoy.config.core.v3.GrpcService', Buffer.from(upstream, 'latin1'));
    return service.envoyGrpc === undefined && service.googleGrpc === undefined ? null : service;
  } catch {
    return null;
  }
}

/** Names and values that can go on the wire, no pseudo headers among them. */
function isMetadata(pairs: readonly string[]): boolean {
  const probe = new HeaderMap();
  for (let i = 0; i < pairs.length; i += 2) if (!probe.add(pairs[i], pairs[i + 1])) return false;
  return true;
}

/** A cluster by name that does not exist is PARSE_FAILURE; anything else that keeps the call from starting, INTERNAL_FAILURE. */
function started<Started extends { readonly hasHost: boolean; cancel(): void }>(
  call: Started | null,
  { upstream }: GrpcCall,
): Started | Status {
  if (call === null) return serviceIn(upstream) === null ? Status.ParseFailure : Status.InternalFailure;
  if (call.hasHost) return call;
  call.cancel();
  return Status.InternalFailure;
}
