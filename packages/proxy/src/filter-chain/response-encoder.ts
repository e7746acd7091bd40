// What a stream writes its response to: one HTTP/1 connection or one HTTP/2 stream.

import type { HeaderMap, ResponseHeaders } from '@dragoman/http';

export interface ResponseEncoder {
  /** "HTTP/1.1", "HTTP/1.0" or "HTTP/2". */
  readonly protocol: string;
  encodeInformational(headers: ResponseHeaders): void;
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  /** `bytes` is borrowed: copied when the socket does not take it at once. */
  encodeData(bytes: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  /** Writes what was gathered for one write. */
  flush(): void;
  /** True when more data should wait for Stream.onDownstreamWritable. */
  readonly needsDrain: boolean;
  /** Stops (or lets go on) reading the request: backpressure from the upstream or a filter. */
  pauseReading(paused: boolean): void;
  /** The whole response was encoded, and its stream is over (logged, filters gone). */
  complete(): void;
  /** The response cannot be completed: end it so that the client can tell. */
  abort(): void;
}
