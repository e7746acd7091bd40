// One gRPC call on an asynchronous stream: messages out and in, and every way to end as one status (Envoy:
// Grpc::AsyncStreamImpl, whose order of events this keeps).

import { HeaderMap, type ResponseHeaders } from '@dragoman/http';
import { GrpcStatus, grpcStatusOfHttp } from '../format/grpc-status.ts';
import type { AsyncFailure, AsyncStream, AsyncStreamListener } from '../upstream/async-stream.ts';
import { GrpcMessageReader, grpcFrame } from './grpc-framing.ts';

/**
 * Hears of a call: initial metadata, messages, trailing metadata, close; always all of them but the messages. Nothing comes
 * before the call has been returned, after onClose, or after cancel().
 */
export interface GrpcStreamListener {
  onInitialMetadata?(metadata: HeaderMap): void;
  /** `message` is the listener's to keep. */
  onMessage(message: Buffer): void;
  onTrailingMetadata?(metadata: HeaderMap): void;
  /** `status` is 0 for success; `message` is what the server says about it, or what happened on the way. */
  onClose(status: number, message: string): void;
  /** `needsDrain` was true and is no longer. */
  onWritable?(): void;
}

export class GrpcStream implements AsyncStreamListener {
  readonly #listener: GrpcStreamListener;
  readonly #reader: GrpcMessageReader;
  #stream: AsyncStream | null = null;
  #over = false;

  constructor(listener: GrpcStreamListener, maxMessageBytes: number) {
    this.#listener = listener;
    this.#reader = new GrpcMessageReader(maxMessageBytes);
  }

  /** The stream this is the listener of. */
  attach(stream: AsyncStream): void {
    this.#stream = stream;
  }

  // --- for the caller ---

  /** Without effect once the stream is closed, which the server may do at any time. */
  send(message: Uint8Array, endStream = false): void {
    this.#stream?.sendData(grpcFrame(message), endStream);
  }

  /** Half-closes: there are no more messages from here. */
  close(): void {
    this.#stream?.sendData(NO_BYTES, true);
  }

  /** Resets the stream; the listener hears nothing any more. */
  cancel(): void {
    this.#over = true;
    this.#stream?.cancel();
  }

  /** True when more messages should wait for onWritable. */
  get needsDrain(): boolean {
    return this.#stream?.needsDrain ?? false;
  }

  /** Stops the reading of messages, or lets it go on: for a listener that cannot keep up. */
  pauseReading(paused: boolean): void {
    this.#stream?.pauseReading(paused);
  }

  // --- AsyncStreamListener ---

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    const status = statusIn(headers);
    this.#listener.onInitialMetadata?.(endStream ? new HeaderMap() : headers);
    if (this.#over) return;
    if (headers.status === 200 || (endStream && status !== null)) {
      if (endStream) this.onTrailers(headers);
    } else this.#fail(GrpcStatus.Canceled, '');
  }

  onData(bytes: Buffer, endStream: boolean): void {
    this.#reader.read(bytes, message => {
      this.#listener.onMessage(message);
      return !this.#over;
    });
    if (this.#over) return;
    if (this.#reader.error === 'message over the limit') this.#fail(GrpcStatus.ResourceExhausted, '');
    else if (this.#reader.error !== null) this.#fail(GrpcStatus.Internal, '');
    else if (endStream) this.#fail(GrpcStatus.Unknown, '');
  }

  onTrailers(trailers: HeaderMap): void {
    this.#close(trailers, statusIn(trailers) ?? GrpcStatus.Unknown, trailers.get('grpc-message') ?? '');
  }

  /** What did not begin looks as if the server had answered with a status only. */
  onFailure({ status, text, responseStarted }: AsyncFailure): void {
    if (responseStarted) {
      this.#fail(GrpcStatus.Internal, '');
      return;
    }
    const trailers = new HeaderMap();
    const grpcStatus = grpcStatusOfHttp(status);
    trailers.add('content-type', 'application/grpc');
    trailers.add('grpc-status', String(grpcStatus));
    trailers.add('grpc-message', text);
    this.#listener.onInitialMetadata?.(new HeaderMap());
    if (!this.#over) this.#close(trailers, grpcStatus, text);
  }

  onWritable(): void {
    this.#listener.onWritable?.();
  }

  #fail(status: number, message: string): void {
    this.#close(new HeaderMap(), status, message);
  }

  #close(trailers: HeaderMap, status: number, message: string): void {
    this.#listener.onTrailingMetadata?.(trailers);
    if (this.#over) return;
    this.#over = true;
    this.#stream?.cancel();
    this.#listener.onClose(status, message);
  }
}

const NO_BYTES = Buffer.alloc(0);

/** A status that is no number is none. */
function statusIn(headers: HeaderMap): number | null {
  const text = headers.get('grpc-status');
  if (text === undefined) return null;
  return /^\d{1,9}$/.test(text) ? Number(text) : GrpcStatus.Unknown;
}
