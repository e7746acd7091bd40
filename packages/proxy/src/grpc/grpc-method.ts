// One method of a service in the schema: messages go in and come out decoded. For filters and loggers that talk to a
// service of a GrpcService in their configuration.

import { decodeBytes, encodeMessage, type GrpcService, type MessageOf } from '@dragoman/config';
import { GrpcStatus } from '../format/grpc-status.ts';
import type { AsyncClient } from '../upstream/async-client.ts';
import { type GrpcCall, GrpcClient, type OnGrpcResult } from './grpc-client.ts';
import type { GrpcStream, GrpcStreamListener } from './grpc-stream.ts';
import { type GrpcHead, GrpcTarget } from './grpc-target.ts';

/** As GrpcStreamListener, with decoded messages; one that cannot be decoded closes the stream with INTERNAL. */
export interface GrpcMethodListener<Response> extends Omit<GrpcStreamListener, 'onMessage'> {
  onMessage(message: Response): void;
}

/** A stream of decoded messages. */
export class GrpcMethodStream<Request extends string> {
  readonly #requestType: Request;
  readonly #stream: GrpcStream;

  constructor(requestType: Request, stream: GrpcStream) {
    this.#requestType = requestType;
    this.#stream = stream;
  }

  send(message: MessageOf<Request>, endStream = false): void {
    this.#stream.send(encodeMessage(this.#requestType, message), endStream);
  }

  /** Half-closes: there are no more messages from here. */
  close(): void {
    this.#stream.close();
  }

  /** Resets the stream; the listener hears nothing any more. */
  cancel(): void {
    this.#stream.cancel();
  }

  /** True when more messages should wait for onWritable. */
  get needsDrain(): boolean {
    return this.#stream.needsDrain;
  }

  pauseReading(paused: boolean): void {
    this.#stream.pauseReading(paused);
  }
}

export class GrpcMethod<Request extends string, Response extends string> {
  readonly #client: GrpcClient;
  readonly #path: string;
  readonly #requestType: Request;
  readonly #responseType: Response;

  /**
   * `path`: "/package.Service/Method"; the types are full names of the schema.
   * @throws DragomanError HEADER_MUTATION for initial_metadata that cannot be headers.
   */
  constructor(
    service: GrpcService,
    path: string,
    types: { readonly request: Request; readonly response: Response },
    asyncClient: AsyncClient,
  ) {
    this.#client = new GrpcClient(new GrpcTarget(service), asyncClient);
    this.#path = path;
    this.#requestType = types.request;
    this.#responseType = types.response;
  }

  /**
   * A unary call; `defaultTimeoutMs` is for a service without `timeout`. Null: the cluster does not exist. `onResult` is
   * called once, after call() has returned, unless the call is cancelled.
   */
  call(
    request: MessageOf<Request>,
    defaultTimeoutMs: number,
    onResult: OnGrpcResult<MessageOf<Response>>,
    requester?: GrpcHead['requester'],
  ): GrpcCall | null {
    const { timeoutMs = defaultTimeoutMs } = this.#client.target;
    return this.#client.unary(
      this.#path,
      encodeMessage(this.#requestType, request),
      (bytes, status, statusMessage) => {
        const message = bytes === null ? null : this.#decoded(bytes);
        if (bytes !== null && message === null) onResult(null, GrpcStatus.Internal, UNDECODABLE);
        else onResult(message, status, statusMessage);
      },
      { timeoutMs, ...(requester && { requester }) },
    );
  }

  /** A stream in both directions, without a timeout. Null: the cluster does not exist. */
  open(
    listener: GrpcMethodListener<MessageOf<Response>>,
    requester?: GrpcHead['requester'],
  ): GrpcMethodStream<Request> | null {
    const stream = this.#client.stream(
      this.#path,
      {
        onInitialMetadata: metadata => listener.onInitialMetadata?.(metadata),
        onMessage: bytes => {
          const message = this.#decoded(bytes);
          if (message !== null) {
            listener.onMessage(message);
            return;
          }
          stream?.cancel();
          listener.onClose(GrpcStatus.Internal, UNDECODABLE);
        },
        onTrailingMetadata: metadata => listener.onTrailingMetadata?.(metadata),
        onClose: (status, message) => listener.onClose(status, message),
        onWritable: () => listener.onWritable?.(),
      },
      requester === undefined ? {} : { requester },
    );
    return stream === null ? null : new GrpcMethodStream(this.#requestType, stream);
  }

  #decoded(bytes: Buffer): MessageOf<Response> | null {
    try {
      return decodeBytes(this.#responseType, bytes);
    } catch {
      return null;
    }
  }
}

const UNDECODABLE = 'the response cannot be decoded';
