// The request line: method, target bytes, version. One SP between the parts, nothing else (RFC 9112 3).
// What the target means is in request-target.ts.

import { MAX_METHOD_BYTES } from '../limits.ts';
import { FRAGMENT, TARGET, TOKEN_LOWER } from '../tables.ts';
import { HeadError } from './codec-error.ts';

const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const DIGIT_1 = 0x31;
const GET_ = 0x20544547;

/** `HTTP/` */
const VERSION_PREFIX: readonly number[] = [0x48, 0x54, 0x54, 0x50, 0x2f];
/** `HTTP/1.1` CR LF */
const VERSION_BYTES = 10;

/** The methods Envoy's parser knows; interned, so that comparing a parsed method compares pointers. */
const KNOWN_METHODS: ReadonlyMap<string, string> = new Map(
  (
    'ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY ' +
    'OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK ' +
    'UNSUBSCRIBE'
  )
    .split(' ')
    .map(method => [method, method] as const),
);

/** The parts of the request line last parsed; offsets are positions in the buffer. */
export class RequestLine {
  method = '';
  targetStart = 0;
  targetEnd = 0;
  /** The target holds a `#`. */
  fragment = false;
  /** Exactly HTTP/1.1. Any other version Envoy would take for HTTP/1.0, a missing one too. */
  http11 = false;
}

/** Reads a request line at `position`. Answers the position behind it, 0 when bytes are missing, or an error. */
export function parseRequestLine(
  line: RequestLine,
  buffer: Buffer,
  position: number,
  end: number,
  allowCustomMethods: boolean,
): number {
  const targetStart = parseMethod(line, buffer, position, end, allowCustomMethods);
  if (targetStart <= 0) return targetStart;
  let i = targetStart;
  let kinds = 0;
  for (; i < end; i++) {
    const kind = TARGET[buffer[i]];
    if (kind === 0) break;
    kinds |= kind;
  }
  if (i >= end) return 0;
  if (i === targetStart) return HeadError.MALFORMED;
  line.targetStart = targetStart;
  line.targetEnd = i;
  line.fragment = kinds === FRAGMENT;
  if (buffer[i] === SP) return parseVersion(line, buffer, i + 1, end);
  if (buffer[i] !== CR) return HeadError.MALFORMED;
  if (i + 1 >= end) return 0;
  line.http11 = false;
  return buffer[i + 1] === LF ? i + 2 : HeadError.MALFORMED;
}

function parseMethod(
  line: RequestLine,
  buffer: Buffer,
  start: number,
  end: number,
  allowCustomMethods: boolean,
): number {
  if (start + 4 <= end && isGet(buffer, start)) {
    line.method = 'GET';
    return start + 4;
  }
  let i = start;
  while (i < end && TOKEN_LOWER[buffer[i]] !== 0) i++;
  const length = i - start;
  if (length > MAX_METHOD_BYTES) return HeadError.MALFORMED;
  if (i >= end) return 0;
  if (buffer[i] !== SP || length === 0) return HeadError.MALFORMED;
  const text = buffer.latin1Slice(start, i);
  const known = KNOWN_METHODS.get(text);
  if (known === undefined && !allowCustomMethods) return HeadError.MALFORMED;
  line.method = known ?? text;
  return i + 1;
}

function isGet(buffer: Buffer, i: number): boolean {
  return (buffer[i] | (buffer[i + 1] << 8) | (buffer[i + 2] << 16) | (buffer[i + 3] << 24)) === GET_;
}

function parseVersion(line: RequestLine, buffer: Buffer, start: number, end: number): number {
  const known = Math.min(end - start, VERSION_PREFIX.length);
  for (let i = 0; i < known; i++) if (buffer[start + i] !== VERSION_PREFIX[i]) return HeadError.MALFORMED;
  if (end - start < VERSION_BYTES) return 0;
  const major = buffer[start + 5];
  const minor = buffer[start + 7];
  if (!isDigit(major) || buffer[start + 6] !== DOT || !isDigit(minor)) return HeadError.MALFORMED;
  if (buffer[start + 8] !== CR || buffer[start + 9] !== LF) return HeadError.MALFORMED;
  line.http11 = major === DIGIT_1 && minor === DIGIT_1;
  return start + VERSION_BYTES;
}

function isDigit(byte: number): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}
