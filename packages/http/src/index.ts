// Entry of @dragoman/http: header maps, the HTTP/1 codec, body buffers.
export { BodyBuffer } from './body-buffer.ts';
export {
  CHUNKED_END,
  CHUNKED_LINE,
  chunkedEnd,
  chunkHeader,
  contentLengthLine,
  requestHasNoBody,
} from './h1/body-framing.ts';
export { ChunkedDecoder, type ChunkedDecoderOptions, type ChunkedSink } from './h1/chunked-decoder.ts';
export { BODY_REFUSAL, HeadError, type RequestRefusal, requestRefusal } from './h1/codec-error.ts';
export { HeadAccumulator } from './h1/head-accumulator.ts';
export { RequestHead } from './h1/request-head.ts';
export { parseRequest } from './h1/request-parser.ts';
export { BodyEnd, parseResponse, ResponseHead } from './h1/response-parser.ts';
export { HeadTablePool, threadHeadTables } from './head-table.ts';
export { type HeaderCase, PROPER_CASE, PreservedCase, withHeaderCase } from './header-case.ts';
export { HeaderMap } from './header-map.ts';
export { HEADER_NAMES, HeaderId } from './header-names.ts';
export { flatten, isAuthority, isHeaderName, isHeaderValue, isRequestTarget } from './header-validation.ts';
export { isJoinedName } from './joined-names.ts';
export {
  DEFAULT_MAX_HEADERS_COUNT,
  DEFAULT_MAX_REQUEST_HEADERS_BYTES,
  DEFAULT_MAX_RESPONSE_HEADERS_BYTES,
  type RequestParserOptions,
  type ResponseParserOptions,
  requestParserOptions,
  responseParserOptions,
  type UnderscoresAction,
} from './limits.ts';
export { RequestHeaders } from './request-headers.ts';
export { ResponseHeaders } from './response-headers.ts';
export { reasonPhrase, statusLine, statusLineHttp10 } from './status.ts';
