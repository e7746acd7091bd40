// What the encoders of both directions write around body bytes, and which requests say nothing about a body.

import type { HeaderMap } from '../header-map.ts';

/** The line that announces a chunked body. */
export const CHUNKED_LINE = 'transfer-encoding: chunked\r\n';

/** Last chunk and empty trailer section. */
export const CHUNKED_END = '0\r\n\r\n';

/** The line before a chunk of `length` bytes; a CR LF follows the chunk. `length` must not be 0. */
export function chunkHeader(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** The end of a chunked body with trailers. */
export function chunkedEnd(trailers: HeaderMap): string {
  return `0\r\n${trailers.serialize()}\r\n`;
}

/** The line that announces a body of `length` bytes. */
export function contentLengthLine(length: number): string {
  return `content-length: ${length}\r\n`;
}

/** Methods for which no content-length is written when there is no body; the others get `content-length: 0`. */
export function requestHasNoBody(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'DELETE':
    case 'TRACE':
    case 'CONNECT':
      return true;
    default:
      return false;
  }
}
