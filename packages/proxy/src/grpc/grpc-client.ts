// gRPC calls to services behind clusters (Envoy: envoy_grpc): unary calls and streams in both directions, of messages as
// bytes. Typed methods are in grpc-method.ts. Worker threads.

import { GrpcStatus } from '../format/grpc-status.ts';
import type { AsyncClient } from '../upstream/async-client.ts';
import { GrpcStream, type GrpcStreamListener } from './grpc-stream.ts';
import type { GrpcHead, GrpcTarget } from './grpc-target.ts';

/** A unary call under way. */
export type GrpcCall = Pick<GrpcStream, 'cancel' | 'hasHost'>;

/** `message` is null unless `status` is 0; `statusMessage` says more about another status. */
export type OnGrpcResult<Message> = (message: Message | null, status: number, statusMessage: string) => void;

export class GrpcClient {
  readonly target: GrpcTarget;
  readonly #asyncClient: AsyncClient;

  constructor(target: GrpcTarget, asyncClient: AsyncClient) {
    this.target = target;
    this.#asyncClient = asyncClient;
  }

  /**
   * Opens a stream; its headers go out at once. `path` is "/package.Service/Method"; with `timeoutMs` the time runs from the
   * half-close on. Null: the cluster does not exist.
   */
  stream(path: string, listener: GrpcStreamListener, head: GrpcHead = {}): GrpcStream | null {
    const headers = this.target.requestHeaders(path, head);
    const stream = new GrpcStream(listener, this.target.maxMessageBytes);
    const { timeoutMs = 0 } = head;
    const http = this.#asyncClient.start(this.target.cluster, headers, stream, {
      timeoutMs,
      forwardedFor: false,
    });
    if (http === null) return null;
    stream.attach(http);
    return stream;
  }

  /** Null: the cluster does not exist. Otherwise `onResult` is called once, after unary() has returned, unless cancelled. */
  unary(
    path: string,
    message: Uint8Array,
    onResult: OnGrpcResult<Buffer>,
    head: GrpcHead = {},
  ): GrpcCall | null {
    let response: Buffer | null = null;
    const stream = this.stream(
      path,
      {
        onMessage(bytes) {
          response = bytes;
        },
        onClose(status, statusMessage) {
          if (status !== GrpcStatus.Ok) onResult(null, status, statusMessage);
          else if (response === null) onResult(null, GrpcStatus.Internal, '');
          else onResult(response, GrpcStatus.Ok, '');
        },
      },
      head,
    );
    stream?.send(message, true);
    return stream;
  }
}
