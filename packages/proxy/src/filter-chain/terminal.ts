// The end of the request side of a filter chain: what stands where Envoy has its terminal filter (the router).

import type { HeaderMap, RequestHeaders } from '@dragoman/http';

/** Takes the request when all filters have seen it, and answers through the stream's encode methods. */
export interface TerminalFilter {
  decodeHeaders(headers: RequestHeaders, endStream: boolean): void;
  decodeData(bytes: Buffer, endStream: boolean): void;
  decodeTrailers(trailers: HeaderMap): void;
  /** Writes what was gathered for one write upstream. */
  flush(): void;
  /** The client does not take (or takes again) what is sent to it. */
  pauseResponse(paused: boolean): void;
  /** The stream is over, or answers by itself: give the upstream request up and forget the stream. */
  cancel(): void;
}
