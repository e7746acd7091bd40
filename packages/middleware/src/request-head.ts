// The head of a request of node:http as a plugin sees it, and back into the request after the plugin has changed it.

import type { IncomingMessage } from 'node:http';
import type { Attributes, HeaderEntries } from '@dragoman/vm';
import { distinctHeaders, entriesOfRaw, firstValue, nodeHeaders, ordinary } from './header-entries.ts';

/** What Express adds to a request below a mount point. */
interface MountedRequest extends IncomingMessage {
  readonly originalUrl?: string;
  readonly baseUrl?: string;
}

/** Pseudo headers first, as in HTTP/2; `host` is :authority. */
export function requestEntries(request: IncomingMessage): HeaderEntries {
  const { originalUrl } = request as MountedRequest;
  const scheme = 'encrypted' in request.socket ? 'https' : 'http';
  return [
    [':method', request.method ?? 'GET'],
    [':path', originalUrl ?? request.url ?? '/'],
    [':authority', request.headers.host ?? ''],
    [':scheme', scheme],
    ...entriesOfRaw(request.rawHeaders).filter(([name]) => name !== 'host'),
  ];
}

export function requestAttributes({ httpVersion, socket }: IncomingMessage): Attributes {
  const { localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 } = socket;
  return {
    'request.protocol': `HTTP/${httpVersion}`,
    'source.address': `${remoteAddress}:${remotePort}`,
    'source.port': remotePort,
    'destination.address': `${localAddress}:${localPort}`,
    'destination.port': localPort,
  };
}

/** True when the request has no body: nothing says how long one would be. */
export function isBodiless({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

/** Puts what the plugin has made of the head into the request. */
export function applyHead(request: IncomingMessage, entries: HeaderEntries): void {
  const authority = firstValue(entries, ':authority') ?? '';
  const headers: [string, string][] = [];
  if (authority !== '') headers.push(['host', authority]);
  for (const [name, value] of ordinary(entries)) headers.push([name, value]);
  // Body parsers want to see that there is a body when the plugin has made its length unknown.
  const framed = headers.some(([name]) => name === 'content-length' || name === 'transfer-encoding');
  if (!framed && !isBodiless(request)) headers.push(['transfer-encoding', 'chunked']);
  request.method = firstValue(entries, ':method') ?? request.method;
  applyPath(request, firstValue(entries, ':path'));
  request.rawHeaders = headers.flat();
  request.headers = nodeHeaders(headers);
  request.headersDistinct = distinctHeaders(headers);
}

/** Express routes by `url`, which lacks the path of the mount point. */
function applyPath(request: IncomingMessage, path: string | undefined): void {
  const { baseUrl = '', originalUrl = request.url } = request as MountedRequest;
  if (path === undefined || path === originalUrl) return;
  request.url = path.startsWith(baseUrl) ? path.slice(baseUrl.length) || '/' : path;
}
