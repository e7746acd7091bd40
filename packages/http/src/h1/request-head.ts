// The head of one request as the codec hands it on: the headers, and what was taken out of them for framing.

import { LINE_ID } from '../head-table.ts';
import { HeaderId, HIDDEN_HOST_ID } from '../header-names.ts';
import { RequestHeaders } from '../request-headers.ts';
import { AUTHORITY } from '../tables.ts';
import { HeadError } from './codec-error.ts';
import { equalsIgnoringCase, MessageHead } from './message-head.ts';
import { RequestLine } from './request-line.ts';

const NO_LINE = -1;

export class RequestHead extends MessageHead {
  readonly headers: RequestHeaders = new RequestHeaders();
  /** `Expect: 100-continue` was there; the line is removed. Any other expectation stays a header. */
  expectContinue = false;
  /** TE listed `trailers`: it stays as `te: trailers`, every other TE is removed. */
  teTrailers = false;

  /** Codec only. */
  readonly requestLine: RequestLine = new RequestLine();
  /** Codec only: position of the Host value in the buffer, and its line; the line is -1 without Host. */
  hostStart = 0;
  hostEnd = 0;
  hostLine = NO_LINE;
  /** Codec only: TE listed `trailers` among others, so the line had to go. */
  teRewritten = false;

  override begin(): void {
    super.begin();
    this.expectContinue = false;
    this.teTrailers = false;
    this.hostLine = NO_LINE;
    this.teRewritten = false;
  }

  override release(): void {
    this.headers.reset();
    super.release();
  }

  /** True when body bytes follow the head. */
  get hasBody(): boolean {
    return this.chunked || this.contentLength > 0;
  }

  override takeCodecLine(id: number, line: number, buffer: Buffer, start: number, end: number): number {
    switch (id) {
      case HeaderId.HOST:
        return this.#takeHost(line, buffer, start, end);
      case HeaderId.CONTENT_LENGTH:
        return this.takeContentLength(line, buffer, start, end);
      case HeaderId.TRANSFER_ENCODING:
        this.takeTransferEncoding(line, buffer, start, end);
        return 0;
      case HeaderId.CONNECTION:
        this.takeConnection(line, buffer, start, end);
        return 0;
      case HeaderId.UPGRADE:
        this.takeUpgrade(line, buffer, start, end);
        return 0;
      case HeaderId.TE:
        this.#takeTe(line, buffer, start, end);
        return 0;
      case HeaderId.EXPECT:
        if (!equalsIgnoringCase(buffer, start, end, '100-continue')) return 0;
        this.expectContinue = true;
        this.removeLine(line);
        return 0;
      default:
        // keep-alive, proxy-connection, http2-settings: meant for this hop only.
        this.removeLine(line);
        return 0;
    }
  }

  /** One Host, one host in it: Envoy joins several with a comma and passes user info, which invites disagreement. */
  #takeHost(line: number, buffer: Buffer, start: number, end: number): number {
    if (this.hostLine !== NO_LINE) return HeadError.INVALID_AUTHORITY;
    for (let i = start; i < end; i++) if (AUTHORITY[buffer[i]] === 0) return HeadError.INVALID_AUTHORITY;
    this.hostStart = start;
    this.hostEnd = end;
    this.hostLine = line;
    this.table.lines[line + LINE_ID] = HIDDEN_HOST_ID;
    return 0;
  }

  #takeTe(line: number, buffer: Buffer, start: number, end: number): void {
    if (!this.teTrailers && equalsIgnoringCase(buffer, start, end, 'trailers')) {
      this.teTrailers = true;
      return;
    }
    this.removeLine(line);
    if (this.teTrailers) return;
    const codings = buffer.latin1Slice(start, end).toLowerCase().split(',');
    if (codings.some(coding => coding.trim() === 'trailers')) {
      this.teTrailers = true;
      this.teRewritten = true;
    }
  }

  // The rest of this class is the parser's view of the fields that the base class protects.

  /** Codec only: framing as RFC 9112 6.3 orders it. Answers 0 or an error. */
  settleFraming(allowChunkedLength: boolean): number {
    if (this.transferEncodings > 0) {
      if (this.http10) return HeadError.MALFORMED;
      if (this.contentLength >= 0) {
        if (!allowChunkedLength || !this.transferEncodingValid) return HeadError.LENGTH_AND_CHUNKED;
        this.dropContentLength();
      }
      if (!this.transferEncodingValid || this.requestLine.method === 'CONNECT')
        return HeadError.TRANSFER_ENCODING;
      this.chunked = true;
    } else if (this.requestLine.method === 'CONNECT' && this.contentLength >= 0) {
      if (this.contentLength > 0) return HeadError.BODY_DISALLOWED;
      this.dropContentLength();
    }
    this.settleUpgrade();
    return 0;
  }

  /** Codec only: the names Connection listed besides its own options. */
  get nominatedNames(): readonly string[] {
    return this.nominated;
  }

  /** Codec only. */
  removeHost(): void {
    if (this.hostLine === NO_LINE) return;
    this.removeLine(this.hostLine);
    this.hostLine = NO_LINE;
  }
}
