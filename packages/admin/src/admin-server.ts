// The admin HTTP server: Envoy's header lines around the pages, methods, unknown and forbidden paths. Runs on the
// main thread over node:http: it is not on the path of traffic.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DragomanError, type Logger } from '@dragoman/base';
import type { StatLane } from '@dragoman/shm';
import { AdminStats } from './admin-stats.ts';
import type { AdminContext } from './context.ts';
import { ENDPOINTS, type Endpoint, helpText } from './endpoints.ts';
import { Query } from './query.ts';
import { type AdminReply, text } from './reply.ts';

// As an import, node:http would load all of undici for its export WebSocket: 35 ms of every start.
const { createServer } = process.getBuiltinModule('node:http');

export interface AdminServerOptions {
  readonly context: AdminContext;
  /** Lane of the calling thread, for http.admin.* and listener.admin.*. */
  readonly lane: StatLane;
  readonly logger: Logger;
  /** admin.allow_paths; null allows all. */
  readonly allowPath?: ((path: string) => boolean) | null;
  /** Called after each answer, for the admin's access log. */
  readonly onAnswer?: ((request: AnsweredRequest) => void) | null;
}

export interface AnsweredRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly protocol: string;
  /** [name, value, name, value, ...] as they came. */
  readonly headers: readonly string[];
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly status: number;
  readonly contentType: string;
  readonly bytesReceived: number;
  /** Of the body. */
  readonly bytesSent: number;
  readonly durationMs: number;
}

/** A form of an admin page is short; more than this is answered with 413. */
const BODY_LIMIT_BYTES = 1 << 20;

export class AdminServer {
  readonly #context: AdminContext;
  readonly #logger: Logger;
  readonly #allowPath: (path: string) => boolean;
  readonly #onAnswer: ((request: AnsweredRequest) => void) | null;
  readonly #stats: AdminStats;
  readonly #endpoints = new Map<string, Endpoint>(ENDPOINTS.map(endpoint => [endpoint.path, endpoint]));
  readonly #server: Server;

  constructor(options: AdminServerOptions) {
    this.#context = options.context;
    this.#logger = options.logger;
    this.#allowPath = options.allowPath ?? (() => true);
    this.#onAnswer = options.onAnswer ?? null;
    this.#stats = new AdminStats(options.lane);
    this.#server = createServer({ keepAliveTimeout: 0 }, this.#onRequest);
    this.#server.on('connection', socket => {
      const startMs = performance.now();
      this.#stats.onConnection();
      socket.setNoDelay(true);
      socket.once('close', () => this.#stats.onConnectionEnd(performance.now() - startMs));
    });
  }

  /** Binds; gives the address ("127.0.0.1:9901", "[::1]:9901" or the path of a Unix socket). */
  listen(where: { address: string; port: number } | { pipe: string }): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new DragomanError('ADMIN_LISTEN', `the admin server cannot listen: ${error.message}`, {
            cause: error,
          }),
        ),
      );
      const done = (): void => resolve(this.address());
      if ('pipe' in where) this.#server.listen(where.pipe, done);
      else this.#server.listen({ host: where.address, port: where.port }, done);
    });
  }

  address(): string {
    const bound = this.#server.address() as AddressInfo | string;
    if (typeof bound === 'string') return bound;
    return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
  }

  /** Stops accepting and ends the connections; for the end of the process. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const startMs = performance.now();
    this.#stats.onRequest();
    this.#answer(request)
      .catch((error: Error): AdminReply => {
        this.#logger.log(
          'error',
          'admin',
          `admin request ${request.url} failed: ${error.stack ?? error.message}`,
        );
        return text('the admin page failed; see the log', 500);
      })
      .then(reply => {
        send(request, response, reply);
        const durationMs = performance.now() - startMs;
        this.#stats.onAnswer(reply.status, durationMs);
        this.#onAnswer?.(answeredRequest(request, reply, durationMs));
      });
  };

  async #answer(request: IncomingMessage): Promise<AdminReply> {
    const url = request.url ?? '/';
    const question = url.indexOf('?');
    const path = question < 0 ? url : url.slice(0, question);
    const method = request.method ?? 'GET';
    const body = await readBody(request);
    if (body === null) return text('Payload Too Large', 413);
    if (!this.#allowPath(path)) return text(`request to path ${path} not allowed`, 403);
    const endpoint = this.#endpoints.get(path);
    if (endpoint === undefined) return text(`invalid path. ${helpText()}`, 404);
    if (endpoint.mutates && method !== 'POST')
      return text(`Method ${method} not allowed, POST required.`, 405);
    if (endpoint.mutates)
      this.#logger.log(
        'info',
        'admin',
        `admin ${method} ${url} from ${request.socket.remoteAddress ?? 'a local socket'}`,
      );
    const form = request.headers['content-type'] === 'application/x-www-form-urlencoded' ? body : '';
    const query = new Query(question < 0 ? form : url.slice(question + 1));
    return endpoint.answer(this.#context, { method, path, query });
  }
}

function answeredRequest(request: IncomingMessage, reply: AdminReply, durationMs: number): AnsweredRequest {
  const { socket } = request;
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    protocol: `HTTP/${request.httpVersion}`,
    headers: request.rawHeaders,
    remoteAddress: socket.remoteAddress ?? '',
    remotePort: socket.remotePort ?? 0,
    localAddress: socket.localAddress ?? '',
    localPort: socket.localPort ?? 0,
    status: reply.status,
    contentType: reply.contentType,
    bytesReceived: Number(request.headers['content-length'] ?? 0),
    bytesSent: Buffer.byteLength(reply.body),
    durationMs,
  };
}

/** The body as text, null when it is too long. */
function readBody(request: IncomingMessage): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= BODY_LIMIT_BYTES) chunks.push(chunk);
    });
    request.on('end', () =>
      resolve(length > BODY_LIMIT_BYTES ? null : Buffer.concat(chunks).toString('utf8')),
    );
    request.on('error', reject);
  });
}

/** Header lines in Envoy's order and lower case; always chunked, and no keep-alive lines. */
function send(request: IncomingMessage, response: ServerResponse, reply: AdminReply): void {
  const lines = [
    ...(reply.noSniffTwice ? ['x-content-type-options', 'nosniff'] : []),
    ...['content-type', reply.contentType],
    ...['cache-control', 'no-cache, max-age=0'],
    ...['x-content-type-options', 'nosniff'],
    ...['date', new Date().toUTCString()],
    ...['server', 'envoy'],
  ];
  const closing = /(^|[\s,])close([\s,]|$)/i.test(request.headers.connection ?? '');
  if (closing) lines.push('connection', 'close');
  if (request.httpVersion === '1.1') lines.push('transfer-encoding', 'chunked');
  response.sendDate = false;
  if (!closing) response.removeHeader('connection');
  response.writeHead(reply.status, lines);
  // Comes after the last byte, and also when the client has gone away meanwhile.
  if (reply.afterwards !== undefined) response.once('close', reply.afterwards);
  response.end(reply.body);
}
