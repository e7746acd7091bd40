// Format operators that read request headers, response headers and trailers, and the path of the request.

import type { HeaderMap } from '@dragoman/http';
import type { FormatInput, FormatValue, OperatorDefinition, ReadValue } from './format-input.ts';
import { grpcStatusCamelName, grpcStatusOfHttp, grpcStatusSnakeName } from './grpc-status.ts';

type HeadersOf = (input: FormatInput) => HeaderMap | null;

/** Splits "X?Y" into both names, the second '' when there is none. */
function headerNames(operator: string, argument: string): [string, string] {
  const names = argument.toLowerCase().split('?');
  if (names.length > 2) throw new Error(`More than 1 alternative header specified in token: ${argument}`);
  if (names[0] === '') throw new Error(`${operator} requires parameters`);
  return [lookupName(names[0]), lookupName(names[1] ?? '')];
}

/** The Host header is kept as :authority. */
function lookupName(name: string): string {
  return name === 'host' ? ':authority' : name;
}

function header(headersOf: HeadersOf, transform?: (value: string) => string): OperatorDefinition {
  return {
    parameters: 'required',
    truncates: true,
    compile({ name, text }): ReadValue {
      const [main, alternative] = headerNames(name, text ?? '');
      return input => {
        const headers = headersOf(input);
        if (headers === null) return null;
        let value = headers.get(main);
        if (value === undefined && alternative !== '') value = headers.get(alternative);
        if (value === undefined) return null;
        return transform === undefined ? value : transform(value);
      };
    },
  };
}

const requestHeaders: HeadersOf = input => input.requestHeaders;
const responseHeaders: HeadersOf = input => input.responseHeaders;
const responseTrailers: HeadersOf = input => input.responseTrailers ?? input.info.responseTrailers;

export function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}

const PATH_SOURCES: Readonly<Record<string, readonly string[]>> = {
  ORIG: ['x-envoy-original-path'],
  PATH: [':path'],
  ORIG_OR_PATH: ['x-envoy-original-path', ':path'],
};

const path: OperatorDefinition = {
  parameters: 'optional',
  truncates: true,
  compile({ text }): ReadValue {
    const [query = '', source = ''] = (text ?? '').split(':');
    if (!['', 'WQ', 'NQ'].includes(query))
      throw new Error(`Invalid PATH option: '${query}', only 'WQ'/'NQ' are allowed`);
    const names = PATH_SOURCES[source === '' ? 'ORIG_OR_PATH' : source];
    if (names === undefined)
      throw new Error(`Invalid PATH option: '${source}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed`);
    return ({ requestHeaders: headers }) => {
      if (headers === null) return null;
      for (const name of names) {
        const value = headers.get(name);
        if (value !== undefined && value !== '') return query === 'NQ' ? withoutQuery(value) : value;
      }
      return null;
    };
  },
};

/** A query string's value after percent-decoding, as a byte string; malformed escapes stay. */
function percentDecoded(value: string): string {
  return value.replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function queryOf(input: FormatInput): string | null {
  const target = input.requestHeaders?.path ?? '';
  const mark = target.indexOf('?');
  if (mark < 0) return null;
  const hash = target.indexOf('#', mark);
  return hash < 0 ? target.slice(mark + 1) : target.slice(mark + 1, hash);
}

const queryParameter: OperatorDefinition = {
  parameters: 'required',
  truncates: true,
  compile:
    ({ text: key }) =>
    input => {
      for (const pair of queryOf(input)?.split('&') ?? []) {
        const equals = pair.indexOf('=');
        const name = equals < 0 ? pair : pair.slice(0, equals);
        if (percentDecoded(name) === key) return equals < 0 ? '' : percentDecoded(pair.slice(equals + 1));
      }
      return null;
    },
};

const queryParameters: OperatorDefinition = {
  parameters: 'optional',
  truncates: true,
  compile({ text }): ReadValue {
    if (text !== null && !['', 'ORIG', 'DECODED'].includes(text))
      throw new Error(`Invalid QUERY_PARAMS option: '${text}', only 'ORIG'/'DECODED' are allowed`);
    // DECODED shows the query as it came, too: so it does in Envoy.
    return queryOf;
  },
};

/** True for a content-type of gRPC: "application/grpc" itself or with a subtype after '+'. */
export function isGrpcContentType(contentType: string | undefined): boolean {
  if (contentType === undefined || !contentType.startsWith('application/grpc')) return false;
  return contentType.length === 16 || contentType.charCodeAt(16) === 0x2b;
}

/** There is no status at all. */
const NO_STATUS = -2;

/** The gRPC status a stream ended with: trailers, headers, else from the HTTP status; -1 for a wrong one, -2 for none. */
export function grpcStatusOf(input: FormatInput): number {
  const text = responseTrailers(input)?.get('grpc-status') ?? input.responseHeaders?.get('grpc-status');
  if (text !== undefined) return /^\d+$/.test(text) ? Number(text) : -1;
  if (input.info.grpcStatus >= 0) return input.info.grpcStatus;
  return input.info.responseCode === 0 ? NO_STATUS : grpcStatusOfHttp(input.info.responseCode);
}

const GRPC_FORMS: Readonly<Record<string, (status: number) => FormatValue>> = {
  '': grpcStatusCamelName,
  CAMEL_STRING: grpcStatusCamelName,
  SNAKE_STRING: grpcStatusSnakeName,
  NUMBER: status => status,
};

function grpcStatus(form: string | null): OperatorDefinition {
  return {
    parameters: 'optional',
    truncates: false,
    compile({ text }): ReadValue {
      const write = GRPC_FORMS[form ?? text ?? ''];
      if (write === undefined)
        throw new Error('GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER.');
      return input => {
        if (!isGrpcContentType(input.requestHeaders?.get('content-type'))) return null;
        const status = grpcStatusOf(input);
        if (status === NO_STATUS) return null;
        return status < 0 && form !== 'NUMBER' && text !== 'NUMBER' ? String(status) : write(status);
      };
    },
  };
}

/** Operators by name. */
export const headerOperators: Readonly<Record<string, OperatorDefinition>> = {
  REQ: header(requestHeaders),
  REQUEST_HEADER: header(requestHeaders),
  REQ_WITHOUT_QUERY: header(requestHeaders, withoutQuery),
  RESP: header(responseHeaders),
  RESPONSE_HEADER: header(responseHeaders),
  TRAILER: header(responseTrailers),
  RESPONSE_TRAILER: header(responseTrailers),
  PATH: path,
  QUERY_PARAM: queryParameter,
  QUERY_PARAMS: queryParameters,
  GRPC_STATUS: grpcStatus(null),
  GRPC_STATUS_NUMBER: grpcStatus('NUMBER'),
};
