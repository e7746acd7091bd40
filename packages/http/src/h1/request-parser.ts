// Parses request heads: request line, header lines, framing, and the rules that decide whether a proxy may act on them.
// Where Envoy 1.40 is laxer than a proxy should be (bare LF, folding, two Hosts), this is strict.

import { MAX_CONNECTION_TOKENS, MAX_EMPTY_LINES, type RequestParserOptions } from '../limits.ts';
import { HeadError } from './codec-error.ts';
import { parseHeaderLines } from './header-lines.ts';
import type { RequestHead } from './request-head.ts';
import { parseRequestLine } from './request-line.ts';
import { readTarget, TargetForm } from './request-target.ts';

const LF = 0x0a;
const CR = 0x0d;

/** Names whose removal through Connection would hide where a request comes from (Envoy: sanitizeConnectionHeader). */
const NEVER_NOMINATED: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
]);
/** Names that Connection cannot remove because the codec alone decides about them. */
const NOT_REMOVABLE: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'transfer-encoding',
  'te',
  'http2-settings',
]);

/**
 * Parses the request head at buffer[offset..end) into `head`. Answers the bytes consumed (empty lines before the request
 * included), 0 when the head is incomplete, or a negative HeadError: see requestRefusal(). Header names are lower-cased
 * inside `buffer`; nothing in `head` refers to it afterwards.
 */
export function parseRequest(
  head: RequestHead,
  buffer: Buffer,
  offset: number,
  end: number,
  options: RequestParserOptions,
): number {
  const start = skipEmptyLines(buffer, offset, end);
  if (start < 0) return start;
  if (start === end || buffer[start] === CR) return 0;
  head.begin();
  let position = parseRequestLine(head.requestLine, buffer, start, end, options.allowCustomMethods);
  if (position > 0) {
    position = parseHeaderLines(
      head,
      buffer,
      start,
      position,
      end,
      options.maxHeadersCount,
      options.headersWithUnderscores,
    );
  }
  if (position < 0) return position;
  const size = (position === 0 ? end : position) - start;
  if (size > options.maxHeadersBytes) return HeadError.HEADERS_TOO_LARGE;
  if (position === 0) return 0;
  head.headBytes = size;
  const error = settle(head, buffer, start, options);
  return error < 0 ? error : position - offset;
}

/** Position of the first byte that is not part of an empty line; a CR there still waits for its LF. */
function skipEmptyLines(buffer: Buffer, offset: number, end: number): number {
  let i = offset;
  while (i < end && buffer[i] === CR) {
    if (i + 1 >= end) return i;
    if (buffer[i + 1] !== LF || i - offset >= 2 * MAX_EMPTY_LINES) return HeadError.MALFORMED;
    i += 2;
  }
  return i;
}

/** The checks that need the whole head, in Envoy's order: codec first, then connection manager. */
function settle(head: RequestHead, buffer: Buffer, start: number, options: RequestParserOptions): number {
  const line = head.requestLine;
  head.http10 = !line.http11;
  const framing = head.settleFraming(options.allowChunkedLength);
  if (framing < 0) return framing;

  const { headers } = head;
  const text = buffer.latin1Slice(start, start + head.headBytes);
  headers.method = line.method;
  headers.authority = '';
  const form = readTarget(
    headers,
    text.substring(line.targetStart - start, line.targetEnd - start),
    options.allowAbsoluteUrl,
  );
  if (form < 0 && form !== HeadError.ABSOLUTE_PATH) return form;
  const hasHost = head.hostLine >= 0;
  if (form !== TargetForm.ORIGIN) head.removeHost();
  else if (hasHost) headers.authority = text.substring(head.hostStart - start, head.hostEnd - start);
  headers.adoptRequest(text, head.table, head.hostLine >= 0 ? headers.authority : null);
  if (head.teRewritten) headers.addLine('te: trailers\r\n', 'te', 'trailers');

  const nominated = head.nominatedNames.length === 0 ? 0 : removeNominated(head);
  if (nominated < 0) return nominated;
  if (head.http10 && !options.acceptHttp10) return HeadError.LOW_VERSION;
  if (form < 0) return form;
  if (!head.http10 && !hasHost && form === TargetForm.ORIGIN) return HeadError.MISSING_HOST;
  return line.fragment ? HeadError.FRAGMENT : 0;
}

/** `Connection: name` removes the header `name` (RFC 9110 7.6.1), unless that would change routing or framing. */
function removeNominated(head: RequestHead): number {
  const names = head.nominatedNames;
  if (names.length >= MAX_CONNECTION_TOKENS) return HeadError.CONNECTION_HEADER;
  for (const name of names) {
    if (name === 'host') return HeadError.MISSING_HOST;
    if (name.startsWith(':') || NEVER_NOMINATED.has(name)) return HeadError.CONNECTION_HEADER;
    if (!NOT_REMOVABLE.has(name)) head.headers.remove(name);
  }
  return 0;
}
