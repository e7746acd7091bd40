// What the tests of routes, formats, access logs and local replies start from: decoded messages from JSON, request
// headers from a few words, a stream's facts. Imported from tests only.

import { decodeMessage, type Json, type MessageOf } from '@dragoman/config';
import { RequestHeaders, ResponseHeaders } from '@dragoman/http';
import { StreamInfo } from '../filter-chain/stream-info.ts';
import type { FormatInput } from '../format/format-input.ts';
import { compileRouteTable, type RouteTable } from './route-table.ts';

/** Decodes a message from its JSON form with snake_case or camelCase names; throws for a mistake. */
export function decoded<N extends string>(typeName: N, json: unknown): MessageOf<N> {
  const { message, errors } = decodeMessage(typeName, json as Json);
  if (message === undefined) throw new Error(errors.map(error => error.message).join('\n'));
  return message;
}

export function request(path: string, headers: Record<string, string | string[]> = {}): RequestHeaders {
  const pairs = [':method', 'GET', ':path', path, ':authority', 'proxy.test', ':scheme', 'http'];
  for (const [name, values] of Object.entries(headers))
    for (const value of [values].flat()) pairs.push(name, value);
  return RequestHeaders.fromPairs(pairs);
}

export function response(status: number, headers: Record<string, string | string[]> = {}): ResponseHeaders {
  const map = new ResponseHeaders();
  map.status = status;
  for (const [name, values] of Object.entries(headers))
    for (const value of [values].flat()) map.add(name, value);
  return map;
}

export interface InputParts {
  requestHeaders?: RequestHeaders | null;
  responseHeaders?: ResponseHeaders | null;
  info?: Partial<StreamInfo>;
}

export function formatInput(parts: InputParts = {}): FormatInput & { info: StreamInfo } {
  const info = new StreamInfo();
  Object.assign(info, parts.info);
  return {
    requestHeaders: parts.requestHeaders ?? null,
    responseHeaders: parts.responseHeaders ?? null,
    responseTrailers: null,
    route: null,
    info,
  };
}

/** Header lines in order, as "name: value". */
export function lines(headers: RequestHeaders | ResponseHeaders): string[] {
  const found: string[] = [];
  headers.forEach((name, value) => {
    if (!name.startsWith(':')) found.push(`${name}: ${value}`);
  });
  return found;
}

export function routeTable(config: Record<string, unknown>): RouteTable {
  return compileRouteTable(
    decoded('envoy.config.route.v3.RouteConfiguration', { name: 'routes', ...config }),
    {
      compileFilterConfig: (_name, any) => any.value,
    },
  );
}

/** A table of one virtual host for all domains. */
export function routes(...list: Record<string, unknown>[]): RouteTable {
  return routeTable({ virtual_hosts: [{ name: 'all', domains: ['*'], routes: list }] });
}

/** A route that answers with its own name. */
export function named(name: string, match: Record<string, unknown>): Record<string, unknown> {
  return { name, match, direct_response: { status: 200, body: { inline_string: name } } };
}

/** Name of the route that a request takes; '' for none. */
export function routeName(table: RouteTable, headers: RequestHeaders, info = new StreamInfo()): string {
  return table.match(headers, { info })?.name ?? '';
}
