// The upstream of the embedded default configuration: a small HTTP server in the manner of httpbin, so that a newcomer
// sees a request go through without having anything to proxy to. Runs on a thread of its own, never with -c.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';

// As an import, node:http would load all of undici for its export WebSocket.
const { createServer } = process.getBuiltinModule('node:http');

/** Longest answer to /delay/N, in seconds; httpbin's own limit. */
const DELAY_MAX_S = 10;
const BODY_LIMIT_BYTES = 1 << 20;

type Answer = (request: IncomingMessage, response: ServerResponse, argument: string) => void;

let tokensGiven = 0;

const answers: Record<string, Answer> = {
  headers: (request, response) => sendJson(response, 200, { headers: headersOf(request) }),
  get: (request, response) =>
    sendJson(response, 200, { args: argumentsOf(request), headers: headersOf(request), url: urlOf(request) }),
  status(_request, response, code) {
    const status = Number(code);
    if (status >= 200 && status <= 599) response.writeHead(status).end();
    else sendJson(response, 400, { error: 'a status from 200 to 599, such as /status/404' });
  },
  delay(request, response, seconds) {
    const delayMs = Math.min(Number(seconds) || 0, DELAY_MAX_S) * 1000;
    setTimeout(() => answers.get!(request, response, ''), delayMs);
  },
  /** What the example plugin calls: a token to put into x-auth, another one each time. */
  auth(_request, response) {
    response.setHeader('authorization', `Bearer token-${++tokensGiven}`);
    sendJson(response, 200, { authenticated: true });
  },
  anything(request, response) {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= BODY_LIMIT_BYTES) chunks.push(chunk);
    });
    request.on('end', () => {
      if (length > BODY_LIMIT_BYTES) {
        sendJson(response, 413, { error: `bodies up to ${BODY_LIMIT_BYTES} bytes are echoed` });
        return;
      }
      sendJson(response, 200, {
        args: argumentsOf(request),
        data: Buffer.concat(chunks).toString(),
        headers: headersOf(request),
        method: request.method,
        url: urlOf(request),
      });
    });
  },
};

function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, name = '', argument = ''] = new URL(urlOf(request)).pathname.split('/');
  const handler = Object.hasOwn(answers, name) ? answers[name] : undefined;
  if (handler) handler(request, response, argument);
  else
    sendJson(response, 404, {
      error: 'not here',
      try: ['/headers', '/get', '/status/418', '/delay/1', '/anything'],
    });
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = `${JSON.stringify(value, null, 2)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** Names as on the wire; repeated headers are joined. */
function headersOf(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) headers[name] = values!.join(', ');
  return headers;
}

const urlOf = (request: IncomingMessage): string =>
  new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`).href;
const argumentsOf = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries(new URL(urlOf(request)).searchParams);

/** Listens on `port` of the loopback address (0: any). */
export function startDemoUpstream(port: number): Promise<Server> {
  const server = createServer(answer);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

if (
  !isMainThread &&
  parentPort !== null &&
  (workerData as { demoPort?: number } | null)?.demoPort !== undefined
) {
  const { demoPort } = workerData as { demoPort: number };
  startDemoUpstream(demoPort).then(
    () => parentPort!.postMessage('listening'),
    error => parentPort!.postMessage((error as Error).message),
  );
}
