// One gRPC call on an asynchronous stream: messages out and in, and every way to end as one status (Envoy:
// Grpc::AsyncStreamImpl, whose order of events this keeps).

import { HeaderMap, ResponseHeaders } from '@dragoman/http';
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
  /**
   * `status` is 0 for success, -1 where the server said something that is none. `message` is Envoy's: what the server says
   * about it and, in braces, what the proxy knows, "not found{via_upstream}".
   */
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

  /** False: no host of the cluster is to be had, and the call is about to fail. */
  get hasHost(): boolean {
    return this.#stream?.hasHost ?? false;
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
    const accepted = headers.status === 200 || (endStream && headers.has('grpc-status'));
    this.#listener.onInitialMetadata?.(endStream || !accepted ? new HeaderMap() : headers);
    if (this.#over) return;
    if (!accepted) this.#close(new HeaderMap(), grpcStatusOfHttp(headers.status), VIA_UPSTREAM);
    else if (endStream) this.onTrailers(headers);
  }

  onData(bytes: Buffer, endStream: boolean): void {
    this.#reader.read(bytes, message => {
      this.#listener.onMessage(message);
      return !this.#over;
    });
    if (this.#over) return;
    const { error } = this.#reader;
    if (error === 'message over the limit') this.#fail(GrpcStatus.ResourceExhausted);
    else if (error !== null) this.#fail(GrpcStatus.Internal);
    else if (endStream) this.#fail(GrpcStatus.Unknown);
  }

  onTrailers(trailers: HeaderMap): void {
    const text = trailers.get('grpc-message') ?? '';
    this.#close(trailers, statusIn(trailers), text === '' ? VIA_UPSTREAM : `${text}{${VIA_UPSTREAM}}`);
  }

  /** What did not begin looks as if the server had answered with a status only. */
  onFailure({ status, text, details, responseStarted }: AsyncFailure): void {
    if (responseStarted) {
      this.#close(new HeaderMap(), GrpcStatus.Internal, details);
      return;
    }
    const trailers = new ResponseHeaders();
    const grpcStatus = grpcStatusOfHttp(status);
    trailers.status = 200;
    trailers.add('content-type', 'application/grpc');
    trailers.add('grpc-status', String(grpcStatus));
    trailers.add('grpc-message', text);
    this.#listener.onInitialMetadata?.(new HeaderMap());
    if (!this.#over) this.#close(trailers, grpcStatus, `${text}{${details}}`);
  }

  onWritable(): void {
    this.#listener.onWritable?.();
  }

  /** The server's own bytes are to blame. */
  #fail(status: number): void {
    this.#close(new HeaderMap(), status, VIA_UPSTREAM);
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
/** Details of whatever a server answers. */
const VIA_UPSTREAM = 'via_upstream';
const MAX_STATUS = 16;

function statusIn(headers: HeaderMap): number {
  const text = headers.get('grpc-status');
  if (text === undefined) return GrpcStatus.Unknown;
  return /^\d{1,9}$/.test(text) && Number(text) <= MAX_STATUS ? Number(text) : GrpcStatus.InvalidCode;
}
