// HTTP/1.1 health checks. Node's own client serves: probes are few, and nothing of them is on the path of traffic.

import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import type { HealthCheck_HttpHealthCheck as HttpConfig, TypeInt64Range } from '@dragoman/config';
import { compileStringMatcher, type StringMatcher } from '../../route/string-matcher.ts';
import { containsInOrder, payloadBytes } from './payload.ts';
import { type Probe, ProbeOutcome, type ProbeTarget } from './probe.ts';

/** Loaded with the first check, and not by an import: that would load all of undici for Node's global WebSocket. */
const http = () => process.getBuiltinModule('node:http');

/** What an HTTP check asks and what it takes for an answer, whichever version of HTTP carries it. */
export interface HttpCheck {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  /** Lower-case names with values, host not among them. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly send: Buffer;
  readonly receive: readonly Buffer[];
  readonly responseBufferBytes: number;
  readonly expected: readonly TypeInt64Range[];
  readonly retriable: readonly TypeInt64Range[];
  /** What x-envoy-upstream-healthchecked-cluster has to say; null = it is not looked at. */
  readonly serviceName: StringMatcher | null;
}

export function compileHttpCheck(config: HttpConfig, target: ProbeTarget): HttpCheck {
  const headers: [string, string][] = [['user-agent', 'Envoy/HC']];
  for (const { header, appendAction } of config.requestHeadersToAdd) {
    if (header === undefined) continue;
    const name = header.key.toLowerCase();
    const index = headers.findIndex(([known]) => known === name);
    if (index >= 0 && appendAction === 'ADD_IF_ABSENT') continue;
    if (index >= 0 && appendAction.startsWith('OVERWRITE')) headers.splice(index, 1);
    headers.push([name, header.value]);
  }
  const removed = new Set(config.requestHeadersToRemove.map(name => name.toLowerCase()));
  return {
    method: config.method === 'METHOD_UNSPECIFIED' ? 'GET' : config.method,
    path: config.path,
    authority: config.host || target.authority,
    headers: headers.filter(([name]) => !removed.has(name)),
    send: payloadBytes(config.send),
    receive: config.receive.map(payloadBytes),
    responseBufferBytes: config.responseBufferSize ?? 1024,
    expected: config.expectedStatuses.length > 0 ? config.expectedStatuses : [{ start: 200, end: 201 }],
    retriable: config.retriableStatuses,
    serviceName:
      config.serviceNameMatcher === undefined ? null : compileStringMatcher(config.serviceNameMatcher),
  };
}

const within = (ranges: readonly TypeInt64Range[], status: number) =>
  ranges.some(range => status >= range.start && status < range.end);

/** Judges a whole answer. */
export function judgeAnswer(
  check: HttpCheck,
  status: number,
  headers: Readonly<Record<string, unknown>>,
  body: Buffer,
): ProbeOutcome {
  if (!within(check.expected, status))
    return within(check.retriable, status) ? ProbeOutcome.RETRIABLE_FAILURE : ProbeOutcome.FAILURE;
  if (check.receive.length > 0 && !containsInOrder(body, check.receive)) return ProbeOutcome.FAILURE;
  // Another service may have got the address meanwhile.
  const service = String(headers['x-envoy-upstream-healthchecked-cluster'] ?? '');
  if (check.serviceName !== null && !check.serviceName.matches(service)) return ProbeOutcome.FAILURE;
  return headers['x-envoy-degraded'] === undefined ? ProbeOutcome.SUCCESS : ProbeOutcome.DEGRADED;
}

export class HttpProbe implements Probe {
  readonly #check: HttpCheck;
  readonly #agent: Agent;
  #request: ClientRequest | null = null;

  constructor(check: HttpCheck, target: ProbeTarget, reuseConnection: boolean) {
    this.#check = check;
    this.#agent = new (http().Agent)({ keepAlive: reuseConnection, maxSockets: 1 });
    this.#agent.createConnection = () => target.connect();
  }

  start(onOutcome: (outcome: ProbeOutcome) => void): void {
    const check = this.#check;
    const { method, path } = check;
    const question = http().request({ agent: this.#agent, method, path, setHost: false });
    this.#request = question;
    question.setHeader('host', check.authority);
    for (const [name, value] of check.headers) question.appendHeader(name, value);
    if (check.send.length > 0) question.setHeader('content-length', check.send.length);
    // A connection persists without being told to, and Envoy does not tell.
    question.removeHeader('connection');
    const end = (outcome: ProbeOutcome) => {
      if (this.#request !== question) return;
      this.#request = null;
      onOutcome(outcome);
    };
    question.on('error', () => end(ProbeOutcome.NETWORK_FAILURE));
    question.on('response', response => this.#readAnswer(response, end));
    question.end(check.send.length > 0 ? check.send : undefined);
  }

  cancel(): void {
    const question = this.#request;
    this.#request = null;
    question?.destroy();
  }

  close(): void {
    this.cancel();
    this.#agent.destroy();
  }

  #readAnswer(response: IncomingMessage, end: (outcome: ProbeOutcome) => void): void {
    const chunks: Buffer[] = [];
    let left = this.#check.responseBufferBytes;
    response.on('data', (chunk: Buffer) => {
      if (left <= 0) return;
      chunks.push(chunk.subarray(0, left));
      left -= chunk.length;
    });
    response.on('error', () => end(ProbeOutcome.NETWORK_FAILURE));
    response.on('end', () => {
      end(judgeAnswer(this.#check, response.statusCode ?? 0, response.headers, Buffer.concat(chunks)));
    });
  }
}
