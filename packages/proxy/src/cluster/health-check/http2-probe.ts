// Health checks over HTTP/2: plain HTTP ones and those of the gRPC health service (grpc.health.v1.Health/Check).
// Plaintext connections start HTTP/2 at once (prior knowledge).

import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { HealthCheck_GrpcHealthCheck as GrpcConfig } from '@dragoman/config';
import { type HttpCheck, judgeAnswer } from './http-probe.ts';
import { type Probe, ProbeOutcome, type ProbeTarget } from './probe.ts';

/** Loaded with the first such check: as an import it would cost every thread 20 ms at its start. */
const http2 = () => process.getBuiltinModule('node:http2');

/** One question over HTTP/2. */
interface Question {
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
  readonly responseBufferBytes: number;
  readonly judge: (headers: Readonly<Record<string, unknown>>, body: Buffer) => ProbeOutcome;
}

export function http2Question(check: HttpCheck): Question {
  const headers: Record<string, string | string[]> = {
    ':method': check.method,
    ':path': check.path,
    ':authority': check.authority,
  };
  for (const [name, value] of check.headers) headers[name] = value;
  return {
    headers,
    body: check.send,
    responseBufferBytes: check.responseBufferBytes,
    judge: (answer, body) => judgeAnswer(check, Number(answer[':status']), answer, body),
  };
}

/** HealthCheckResponse.ServingStatus.SERVING. */
const SERVING = 1;

/** A length-prefixed HealthCheckRequest: field 1 is the service's name. */
function grpcRequest(serviceName: string): Buffer {
  const name = Buffer.from(serviceName);
  const lengthBytes: number[] = [];
  let length = name.length;
  for (; length > 0x7f; length >>>= 7) lengthBytes.push((length & 0x7f) | 0x80);
  const message =
    name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...lengthBytes, length]), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** True for a HealthCheckResponse that says SERVING; its status is field 1, a varint. */
function isServing(body: Buffer): boolean {
  return body.length >= 7 && body[0] === 0 && body[5] === 0x08 && body[6] === SERVING;
}

export function grpcQuestion(config: GrpcConfig, target: ProbeTarget): Question {
  const headers: Record<string, string | string[]> = {
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':authority': config.authority || target.authority,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'Envoy/HC',
  };
  for (const { header } of config.initialMetadata)
    if (header !== undefined) headers[header.key.toLowerCase()] = header.value;
  return {
    headers,
    body: grpcRequest(config.serviceName),
    responseBufferBytes: 1024,
    judge: (answer, body) => {
      if (answer[':status'] !== 200) return ProbeOutcome.FAILURE;
      return answer['grpc-status'] === '0' && isServing(body) ? ProbeOutcome.SUCCESS : ProbeOutcome.FAILURE;
    },
  };
}

export class Http2Probe implements Probe {
  readonly #question: Question;
  readonly #target: ProbeTarget;
  readonly #reuseConnection: boolean;
  #session: ClientHttp2Session | null = null;
  #stream: ClientHttp2Stream | null = null;
  #onOutcome: ((outcome: ProbeOutcome) => void) | null = null;

  constructor(question: Question, target: ProbeTarget, reuseConnection: boolean) {
    this.#question = question;
    this.#target = target;
    this.#reuseConnection = reuseConnection;
  }

  start(onOutcome: (outcome: ProbeOutcome) => void): void {
    this.#onOutcome = onOutcome;
    const session = this.#session ?? this.#open();
    const { headers, body } = this.#question;
    const stream = session.request(headers, { endStream: body.length === 0 });
    this.#stream = stream;
    const answer: Record<string, unknown> = {};
    const chunks: Buffer[] = [];
    let left = this.#question.responseBufferBytes;
    stream.on('response', received => Object.assign(answer, received));
    stream.on('trailers', trailers => Object.assign(answer, trailers));
    stream.on('data', (chunk: Buffer) => {
      if (left <= 0) return;
      chunks.push(chunk.subarray(0, left));
      left -= chunk.length;
    });
    stream.on('error', () => this.#end(ProbeOutcome.NETWORK_FAILURE));
    stream.on('close', () => this.#end(ProbeOutcome.NETWORK_FAILURE));
    stream.on('end', () => this.#end(this.#question.judge(answer, Buffer.concat(chunks))));
    if (body.length > 0) stream.end(body);
  }

  cancel(): void {
    this.#onOutcome = null;
    this.#stream?.close(http2().constants.NGHTTP2_CANCEL);
    this.#stream = null;
    this.close();
  }

  close(): void {
    this.#onOutcome = null;
    const session = this.#session;
    this.#session = null;
    session?.destroy();
  }

  #open(): ClientHttp2Session {
    const session = http2().connect('http://health.check', {
      createConnection: () => this.#target.connect(),
    });
    this.#session = session;
    const lost = () => {
      if (this.#session !== session) return;
      this.#session = null;
      this.#end(ProbeOutcome.NETWORK_FAILURE);
    };
    session.on('error', lost);
    session.on('close', lost);
    session.on('goaway', () => {
      if (this.#session === session) this.#session = null;
      session.close();
    });
    return session;
  }

  #end(outcome: ProbeOutcome): void {
    const onOutcome = this.#onOutcome;
    if (onOutcome === null) return;
    this.#onOutcome = null;
    this.#stream = null;
    if (!this.#reuseConnection) this.close();
    onOutcome(outcome);
  }
}
