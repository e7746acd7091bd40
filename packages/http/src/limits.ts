// Limits of the HTTP/1 codec with Envoy's defaults, and the options objects the parsers take.
// Options are made once per configuration by the functions here, so that all have one shape.

/** `max_request_headers_kb`: a request head over this is answered 431. */
export const DEFAULT_MAX_REQUEST_HEADERS_BYTES = 60 * 1024;
/** A response head over this is a protocol error of the upstream. */
export const DEFAULT_MAX_RESPONSE_HEADERS_BYTES = 80 * 1024;
/** `max_headers_count`, in both directions; Host counts. */
export const DEFAULT_MAX_HEADERS_COUNT = 100;
/** Empty lines read over before a request line (RFC 9112 2.2). */
export const MAX_EMPTY_LINES = 4;
/** Longest method that is looked at. */
export const MAX_METHOD_BYTES = 64;
/** As many or more names in Connection refuse the request (Envoy: MAX_ALLOWED_NOMINATED_HEADERS). */
export const MAX_CONNECTION_TOKENS = 10;
/** Digits of a Content-Length; the value must also be a safe integer. */
export const MAX_CONTENT_LENGTH_DIGITS = 16;
/** Hexadecimal digits of a chunk size; the value must also be a safe integer. */
export const MAX_CHUNK_SIZE_DIGITS = 16;
/** Bytes of chunk extensions in one body. */
export const MAX_CHUNK_EXTENSION_BYTES = 1024;
/** A trailer section over these limits is malformed. */
export const MAX_TRAILERS_BYTES = 16 * 1024;
export const MAX_TRAILERS_COUNT = 100;

/** `headers_with_underscores_action`, in Envoy's words. */
export type UnderscoresAction = 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';

export interface RequestParserOptions {
  /** Request line, header lines and the final CR LF together. */
  readonly maxHeadersBytes: number;
  /** Header lines, Host and hop-by-hop lines included. */
  readonly maxHeadersCount: number;
  /** Anything but HTTP/1.1 is taken as HTTP/1.0; otherwise it gets 426. */
  readonly acceptHttp10: boolean;
  /** When false a target in absolute form is refused. */
  readonly allowAbsoluteUrl: boolean;
  /** Any token is a method; otherwise only those Envoy knows. */
  readonly allowCustomMethods: boolean;
  /** A Content-Length beside `Transfer-Encoding: chunked` is dropped; otherwise both together get 400. */
  readonly allowChunkedLength: boolean;
  readonly headersWithUnderscores: UnderscoresAction;
}

export interface ResponseParserOptions {
  readonly maxHeadersBytes: number;
  readonly maxHeadersCount: number;
}

/** Request options with Envoy's defaults where `options` says nothing. */
export function requestParserOptions(options: Partial<RequestParserOptions> = {}): RequestParserOptions {
  return {
    maxHeadersBytes: options.maxHeadersBytes ?? DEFAULT_MAX_REQUEST_HEADERS_BYTES,
    maxHeadersCount: options.maxHeadersCount ?? DEFAULT_MAX_HEADERS_COUNT,
    acceptHttp10: options.acceptHttp10 ?? false,
    allowAbsoluteUrl: options.allowAbsoluteUrl ?? true,
    allowCustomMethods: options.allowCustomMethods ?? false,
    allowChunkedLength: options.allowChunkedLength ?? false,
    headersWithUnderscores: options.headersWithUnderscores ?? 'ALLOW',
  };
}

/** Response options with Envoy's defaults where `options` says nothing. */
export function responseParserOptions(options: Partial<ResponseParserOptions> = {}): ResponseParserOptions {
  return {
    maxHeadersBytes: options.maxHeadersBytes ?? DEFAULT_MAX_RESPONSE_HEADERS_BYTES,
    maxHeadersCount: options.maxHeadersCount ?? DEFAULT_MAX_HEADERS_COUNT,
  };
}
