// A stream and a filter context as far as filters of this package look at them, for their unit tests: a clock that
// stands still, answers that are remembered. Imported from tests only.

import { type Clock, silentLogger, Timers } from '@dragoman/base';
import { decodeMessage, type Json, type MessageOf } from '@dragoman/config';
import { RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  type DownstreamConnectionInfo,
  type FilterContext,
  type HttpFilterType,
  RuntimeValues,
  type Stream,
  StreamInfo,
} from '@dragoman/proxy';
import { StatLane, StatTable } from '@dragoman/shm';
import { StoppedClock } from '@dragoman/testkit';

/** What a filter did to its stream. */
export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly details: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly grpcStatus: number | undefined;
}

/** Decodes a message from its JSON form; throws for a mistake. */
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

/** Header lines in order, as "name: value". */
export function lines(headers: RequestHeaders | ResponseHeaders): string[] {
  const found: string[] = [];
  headers.forEach((name, value) => {
    if (!name.startsWith(':')) found.push(`${name}: ${value}`);
  });
  return found;
}

export class TestBench {
  readonly clock = new StoppedClock();
  readonly runtime = new Map<string, unknown>();
  readonly context: FilterContext;
  readonly #table = new StatTable();
  readonly #runtimeValues = new RuntimeValues(this.runtime);

  constructor() {
    const memory = StatLane.create();
    this.#table.addLane(memory);
    this.context = {
      filterName: 'under-test',
      statPrefix: 'http.test.',
      stats: new StatLane(memory),
      timers: new Timers(this.clock as Clock),
      logger: silentLogger,
      attachments: new Map(),
      workerIndex: 0,
      concurrency: 1,
      listener: { name: 'listener', direction: 'UNSPECIFIED' },
    } as unknown as FilterContext;
  }

  counter(name: string): number {
    return this.#table.snapshot().counters.get(name) ?? 0;
  }

  gauge(name: string): number {
    return this.#table.snapshot().gauges.get(name)?.value ?? 0;
  }

  /** A stream with compiled per-route configurations, least specific first. */
  stream(headers: RequestHeaders, ...routeConfigs: unknown[]): TestStream {
    return new TestStream(headers, routeConfigs, this.#runtimeValues);
  }

  /** The entry of a filter chain for a configuration in JSON form. */
  instance(type: HttpFilterType<never, never>, config: unknown) {
    return type.create(decoded(type.configTypes[0], config) as never, this.context);
  }

  /** A per-route configuration as the filter compiles it. */
  routeConfig(type: HttpFilterType<never, never>, config: unknown): unknown {
    const message = decoded(type.routeConfigTypes?.[0] ?? '', config) as never;
    return type.compileRouteConfig?.(message, this.context);
  }
}

/** Pass it as a Stream with `asStream`. */
export class TestStream {
  readonly info = new StreamInfo();
  readonly worker: { readonly runtime: RuntimeValues; draining: boolean; readonly serviceCluster: string };
  readonly decode = { limitBytes: 0 };
  readonly added: Buffer[] = [];
  connection: DownstreamConnectionInfo = {
    remoteAddress: '127.0.0.1',
    remotePort: 5000,
    localAddress: '127.0.0.1',
    localPort: 80,
    id: 1,
    tls: null,
    requestedServerName: '',
  };
  readonly requestHeaders: RequestHeaders;
  responseHeaders: ResponseHeaders | null = null;
  readonly responseTrailers = null;
  readonly requestTrailers = null;
  readonly replies: Reply[] = [];
  decodingContinued = 0;
  encodingContinued = 0;
  cluster = 'app';
  readonly #routeConfigs: readonly unknown[];

  constructor(headers: RequestHeaders, routeConfigs: readonly unknown[], runtime: RuntimeValues) {
    this.requestHeaders = headers;
    this.#routeConfigs = routeConfigs;
    this.worker = { runtime, draining: false, serviceCluster: 'front' };
  }

  get asStream(): Stream {
    return this as unknown as Stream;
  }

  get route() {
    return this.getRoute();
  }

  getRoute() {
    return {
      metadata: undefined,
      cors: undefined,
      virtualHost: { cors: undefined },
      clusterFor: () => this.cluster,
      filterConfigs: () => this.#routeConfigs,
    };
  }

  routeConfig(): unknown {
    return this.#routeConfigs.at(-1);
  }

  routeConfigs(): readonly unknown[] {
    return this.#routeConfigs;
  }

  addEncodedData(_filter: unknown, bytes: Buffer): void {
    this.added.push(bytes);
  }

  continueDecoding(): void {
    this.decodingContinued++;
  }

  continueEncoding(): void {
    this.encodingContinued++;
  }

  sendLocalReply(
    status: number,
    body: string | Buffer,
    details: string,
    headers: readonly [string, string][] | null = null,
    grpcStatus?: number,
  ): void {
    this.replies.push({ status, body: String(body), details, headers: headers ?? [], grpcStatus });
  }
}
