// A gRPC server over plain HTTP/2 that does with each call what a test says, message by message.

import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

const PREFIX_BYTES = 5;

/** A message as it stands in a body. */
export function grpcFrame(message: string | Uint8Array, flags = 0): Buffer {
  const bytes = Buffer.from(message as string);
  const prefix = Buffer.from([flags, 0, 0, 0, 0]);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** One call as the server sees it. */
export class GrpcServerCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The HTTP/2 stream, for what has no method here. */
  readonly stream: ServerHttp2Stream;
  readonly #messages: Buffer[] = [];
  readonly #waiting: ((message: Buffer | null) => void)[] = [];
  #bytes = Buffer.alloc(0);
  #ended = false;
  #trailers: OutgoingHttpHeaders = {};
  /** The code of the reset that ended the stream; 0 where none did. */
  readonly closed: Promise<number>;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.stream = stream;
    this.headers = headers;
    this.path = String(headers[':path']);
    stream.on('data', (bytes: Buffer) => this.#onData(bytes));
    stream.on('end', () => this.#onEnd());
    stream.on('error', () => {});
    stream.on('wantTrailers', () => stream.sendTrailers(this.#trailers));
    this.closed = new Promise(resolve => stream.on('close', () => resolve(stream.rstCode ?? 0)));
  }

  /** The next message; null after the client's half-close. */
  message(): Promise<Buffer | null> {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.#ended) return Promise.resolve(null);
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  sendMetadata(metadata: OutgoingHttpHeaders = {}): void {
    this.stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', ...metadata },
      { waitForTrailers: true },
    );
  }

  send(message: string | Uint8Array): void {
    if (!this.stream.headersSent) this.sendMetadata();
    this.stream.write(grpcFrame(message));
  }

  /** Ends with a status; as a "trailers only" response when nothing was sent before. */
  end(status = 0, message = '', trailers: OutgoingHttpHeaders = {}): void {
    const fields = { 'grpc-status': status, ...(message && { 'grpc-message': message }), ...trailers };
    if (!this.stream.headersSent) {
      this.stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', ...fields },
        { endStream: true },
      );
      return;
    }
    this.#trailers = fields;
    this.stream.end();
  }

  #onData(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= PREFIX_BYTES) {
      const end = PREFIX_BYTES + this.#bytes.readUInt32BE(1);
      if (this.#bytes.length < end) return;
      this.#deliver(this.#bytes.subarray(PREFIX_BYTES, end));
      this.#bytes = this.#bytes.subarray(end);
    }
  }

  #deliver(message: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#messages.push(message);
    else waiting(message);
  }

  #onEnd(): void {
    this.#ended = true;
    for (const waiting of this.#waiting.splice(0)) waiting(null);
  }
}

/** What happens in one call. */
export type GrpcScript = (call: GrpcServerCall) => void | Promise<void>;

export class GrpcServer {
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #calls: GrpcServerCall[] = [];
  /** What scripts threw: a test that expects none checks that it is empty. */
  readonly failures: Error[] = [];
  /** Serves the calls that come from now on. */
  script: GrpcScript;

  private constructor(server: Http2Server, script: GrpcScript) {
    this.#server = server;
    this.script = script;
    server.on('session', session => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', () => {});
    });
    server.on('stream', (stream, headers) => {
      const call = new GrpcServerCall(stream as ServerHttp2Stream, headers);
      this.#calls.push(call);
      Promise.resolve(this.script(call)).catch((error: Error) => this.failures.push(error));
    });
  }

  /** Listens on a free port of the loopback address. */
  static async listen(script: GrpcScript = () => {}): Promise<GrpcServer> {
    const server = createServer();
    const grpc = new GrpcServer(server, script);
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return grpc;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Calls so far, in order. */
  get calls(): readonly GrpcServerCall[] {
    return this.#calls;
  }

  /** Drops all connections; the server goes on listening. */
  dropConnections(): void {
    for (const session of this.#sessions) session.destroy();
  }

  close(): Promise<void> {
    this.dropConnections();
    return new Promise(resolve => this.#server.close(() => resolve()));
  }
}
