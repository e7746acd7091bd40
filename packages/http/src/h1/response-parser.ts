// Parses response heads from upstreams: status line, header lines, framing. Every error is one and the same to the
// client: 502, "protocol error"; the reasons differ for logs only.

import { HeaderId } from '../header-names.ts';
import type { ResponseParserOptions } from '../limits.ts';
import { ResponseHeaders } from '../response-headers.ts';
import { FIELD_VALUE } from '../tables.ts';
import { HeadError } from './codec-error.ts';
import { parseHeaderLines } from './header-lines.ts';
import { MessageHead } from './message-head.ts';

const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const DIGIT_0 = 0x30;
const DIGIT_1 = 0x31;
/** `HTTP/1.` */
const VERSION_PREFIX: readonly number[] = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e];
/** `HTTP/1.1 99` and one byte more: enough to see where the status ends, or at least three digits of it. */
const MIN_STATUS_LINE_BYTES = 13;
/** Envoy passes these two on; nothing outside is a status anyone sends. */
const MIN_STATUS = 99;
const MAX_STATUS = 1000;
const MAX_STATUS_DIGITS = 4;

/** Where the body of a response ends: a length in bytes, or one of these. */
export const BodyEnd = {
  /** With the last chunk. */
  CHUNKED: -2,
  /** When the upstream closes. */
  CLOSE: -1,
} as const;

/** A response's head. */
export class ResponseHead extends MessageHead {
  readonly headers: ResponseHeaders = new ResponseHeaders();

  override release(): void {
    this.headers.reset();
    super.release();
  }

  /** 1xx but not 101: another head follows. */
  get interim(): boolean {
    const status = this.headers.status;
    return status >= 100 && status < 200 && status !== 101;
  }

  /**
   * Length of the body that follows, or a BodyEnd (RFC 9112 6.3). After 101, and 2xx to CONNECT, the bytes that follow
   * are no body but the tunnel's: this says 0.
   */
  bodyEnd(requestMethod: string): number {
    const status = this.headers.status;
    if (requestMethod === 'HEAD' || status === 204 || status === 304 || (status >= 100 && status < 200))
      return 0;
    if (requestMethod === 'CONNECT' && status >= 200 && status < 300) return 0;
    if (this.chunked) return BodyEnd.CHUNKED;
    return this.contentLength >= 0 ? this.contentLength : BodyEnd.CLOSE;
  }

  override takeCodecLine(id: number, line: number, buffer: Buffer, start: number, end: number): number {
    switch (id) {
      case HeaderId.CONTENT_LENGTH:
        return this.#takeContentLength(line, buffer, start, end);
      case HeaderId.TRANSFER_ENCODING:
        this.takeTransferEncoding(line, buffer, start, end);
        return 0;
      case HeaderId.CONNECTION:
        this.takeConnection(line, buffer, start, end);
        return 0;
      case HeaderId.UPGRADE:
        this.takeUpgrade(line, buffer, start, end);
        return 0;
      case HeaderId.KEEP_ALIVE:
      case HeaderId.PROXY_CONNECTION:
        this.removeLine(line);
        return 0;
      default:
        return 0;
    }
  }

  /** The same length given twice is one length (RFC 9110 8.6): the repetition goes, a difference is an error. */
  #takeContentLength(line: number, buffer: Buffer, start: number, end: number): number {
    const first = this.contentLength;
    this.contentLength = -1;
    const error = this.takeContentLength(line, buffer, start, end);
    if (error !== 0 || first < 0) return error;
    this.removeLine(line);
    return this.contentLength === first ? 0 : HeadError.MALFORMED;
  }

  /** Codec only: framing once all lines are read. Answers 0 or an error. */
  settleFraming(): number {
    if (this.transferEncodings > 0) {
      if (this.contentLength >= 0) return HeadError.LENGTH_AND_CHUNKED;
      if (!this.transferEncodingValid || this.http10) return HeadError.TRANSFER_ENCODING;
      this.chunked = true;
    }
    this.settleUpgrade();
    return 0;
  }

  /** Codec only: the headers know where the coding stands, for whoever is to see it. */
  noteCoding(): void {
    this.headers.noteCoding(this.chunked ? this.codingLine : -1, this.codingEnd);
  }

  /**
   * Codec only: a 1xx or 204 says nothing about a body (RFC 9110 8.6). As in Envoy it is an error to announce one, except
   * for one of length 0, which is passed on without the length. Answers 0 or an error.
   */
  dropBodilessLength(): number {
    const status = this.headers.status;
    if (status !== 204 && (status < 100 || status >= 200)) return 0;
    if (this.chunked || this.contentLength > 0) return HeadError.MALFORMED;
    if (this.contentLength === 0) this.headers.removeId(HeaderId.CONTENT_LENGTH);
    this.contentLength = -1;
    return 0;
  }
}

/**
 * Parses the response head at buffer[offset..end) into `head`. Answers the bytes consumed, 0 when the head is
 * incomplete, or a negative HeadError. Interim responses are heads of their own: see `head.interim`.
 * Header names are lower-cased inside `buffer`; nothing in `head` refers to it afterwards.
 */
export function parseResponse(
  head: ResponseHead,
  buffer: Buffer,
  offset: number,
  end: number,
  options: ResponseParserOptions,
): number {
  head.begin();
  let position = parseStatusLine(head, buffer, offset, end);
  if (position > 0) {
    position = parseHeaderLines(head, buffer, offset, position, end, options.maxHeadersCount, 'ALLOW');
  }
  if (position < 0) return position;
  const size = (position === 0 ? end : position) - offset;
  if (size > options.maxHeadersBytes) return HeadError.HEADERS_TOO_LARGE;
  if (position === 0) return 0;
  const error = head.settleFraming();
  if (error < 0) return error;
  head.headBytes = size;
  head.headers.adopt(buffer.latin1Slice(offset, position), head.table);
  const bodiless = head.dropBodilessLength();
  if (bodiless < 0) return bodiless;
  head.noteCoding();
  return size;
}

function parseStatusLine(head: ResponseHead, buffer: Buffer, start: number, end: number): number {
  const known = Math.min(end - start, VERSION_PREFIX.length);
  for (let i = 0; i < known; i++) if (buffer[start + i] !== VERSION_PREFIX[i]) return HeadError.MALFORMED;
  if (end - start < MIN_STATUS_LINE_BYTES) return 0;
  const minor = buffer[start + 7];
  if ((minor !== DIGIT_1 && minor !== DIGIT_0) || buffer[start + 8] !== SP) return HeadError.MALFORMED;
  head.http10 = minor === DIGIT_0;
  let i = start + 9;
  if (buffer[i] === DIGIT_0) return HeadError.MALFORMED;
  let status = 0;
  for (const last = i + MAX_STATUS_DIGITS; i < end && i < last; i++) {
    const digit = buffer[i] - DIGIT_0;
    if (digit < 0 || digit > 9) break;
    status = status * 10 + digit;
  }
  if (i >= end) return 0;
  if (status < MIN_STATUS || status > MAX_STATUS) return HeadError.MALFORMED;
  if (buffer[i] !== SP && buffer[i] !== CR) return HeadError.MALFORMED;
  head.headers.status = status;
  while (i < end && FIELD_VALUE[buffer[i]] !== 0) i++;
  if (i < end && buffer[i] !== CR) return HeadError.MALFORMED;
  if (i + 1 >= end) return 0;
  return buffer[i + 1] === LF ? i + 2 : HeadError.MALFORMED;
}
