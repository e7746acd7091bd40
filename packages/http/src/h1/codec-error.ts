// What can be wrong with a message head, as small negative numbers, and what a client is told about each.
// The parsers return these numbers; nothing is thrown on the way.

import { reasonPhrase } from '../status.ts';

/** Negative results of the parsers. */
export const HeadError = {
  /** Request line, header syntax, Content-Length: what Envoy's parser refuses. */
  MALFORMED: -1,
  INVALID_VALUE: -2,
  HEADERS_TOO_LARGE: -3,
  TOO_MANY_HEADERS: -4,
  LENGTH_AND_CHUNKED: -5,
  TRANSFER_ENCODING: -6,
  /** Connection names a header that must not be removed by it, or too many. */
  CONNECTION_HEADER: -7,
  UNDERSCORE: -8,
  INVALID_URL: -9,
  INVALID_SCHEME: -10,
  INVALID_AUTHORITY: -11,
  BODY_DISALLOWED: -12,
  LOW_VERSION: -13,
  MISSING_HOST: -14,
  FRAGMENT: -15,
  ABSOLUTE_PATH: -16,
} as const;
export type HeadError = (typeof HeadError)[keyof typeof HeadError];

/** How a malformed request is answered; the connection closes afterwards in every case. */
export interface RequestRefusal {
  readonly status: number;
  /** The reason phrase as body, or '' where Envoy sends none. */
  readonly body: string;
  /** Envoy's response code details. */
  readonly details: string;
  /**
   * True when the codec refuses (flag DPE, counted as protocol error, `- -` in the access log). False when Envoy's
   * connection manager does: then the head was parsed to its end and its fields can be logged.
   */
  readonly protocolError: boolean;
}

function codec(status: number, details: string): RequestRefusal {
  return { status, body: reasonPhrase(status), details, protocolError: true };
}

function manager(status: number, details: string): RequestRefusal {
  return { status, body: '', details, protocolError: false };
}

const REFUSALS: Readonly<Record<HeadError, RequestRefusal>> = {
  [HeadError.MALFORMED]: codec(400, 'http1.codec_error'),
  [HeadError.INVALID_VALUE]: codec(400, 'http1.invalid_characters'),
  [HeadError.HEADERS_TOO_LARGE]: codec(431, 'http1.headers_too_large'),
  [HeadError.TOO_MANY_HEADERS]: codec(431, 'http1.too_many_headers'),
  [HeadError.LENGTH_AND_CHUNKED]: codec(400, 'http1.content_length_and_chunked_not_allowed'),
  [HeadError.TRANSFER_ENCODING]: codec(501, 'http1.invalid_transfer_encoding'),
  [HeadError.CONNECTION_HEADER]: codec(400, 'http1.connection_header_rejected'),
  [HeadError.UNDERSCORE]: codec(400, 'http1.unexpected_underscore'),
  [HeadError.INVALID_URL]: codec(400, 'http1.invalid_url'),
  [HeadError.INVALID_SCHEME]: codec(400, 'http1.invalid_scheme'),
  [HeadError.INVALID_AUTHORITY]: codec(400, 'http.invalid_authority'),
  [HeadError.BODY_DISALLOWED]: codec(400, 'http1.body_disallowed'),
  [HeadError.LOW_VERSION]: codec(426, 'low_version'),
  [HeadError.MISSING_HOST]: manager(400, 'missing_host_header'),
  [HeadError.FRAGMENT]: manager(400, 'path_normalization_failed'),
  [HeadError.ABSOLUTE_PATH]: manager(404, 'absolute_path_rejected'),
};

/** The answer to a negative result of parseRequest. */
export function requestRefusal(error: number): RequestRefusal {
  return REFUSALS[error as HeadError];
}

/** The answer to a malformed chunked request body. */
export const BODY_REFUSAL: RequestRefusal = REFUSALS[HeadError.MALFORMED];
