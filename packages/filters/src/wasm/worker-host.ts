// What plugins on one worker get from the proxy: the worker's clock, log, statistics and HTTP client.

import { Status } from '@dragoman/abi';
import type { Clock, Logger, LogLevel } from '@dragoman/base';
import type { AsyncClient, AsyncResponse } from '@dragoman/proxy';
import type { Arena, SharedTotals, StatLane } from '@dragoman/shm';
import {
  ArenaSharedData,
  ArenaSharedQueues,
  type Callout,
  type DnsRecord,
  type ForeignFunction,
  type GrpcCall,
  type GrpcListener,
  type GrpcStream,
  type GrpcUnaryCall,
  type Guard,
  type HttpCall,
  type HttpCallResponse,
  LocalSharedData,
  LocalSharedQueues,
  type Metrics,
  type PropertyValue,
  type RedisService,
  type RootContext,
  type SharedData,
  type SharedQueues,
  type VmFailure,
  type VmHost,
} from '@dragoman/vm';
import { DnsClient } from './dns-client.ts';
import { FOREIGN_FUNCTIONS } from './foreign/foreign-functions.ts';
import { openStream, sendUnaryCall } from './grpc-client.ts';
import { LaneMetrics } from './lane-metrics.ts';
import type { LogBudget } from './log-budget.ts';
import { RedisClient } from './redis/redis-client.ts';
import { requestHeaders, requestTrailers } from './request-headers.ts';

const COMPONENT = 'wasm';
/** The house's levels by GuestLogLevel. */
export const LOG_LEVEL_OF_GUEST: readonly LogLevel[] = [
  'trace',
  'debug',
  'info',
  'warning',
  'error',
  'critical',
];

/** The parts of a worker that its VMs share. */
export interface WorkerParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lane: StatLane;
  readonly asyncClient: AsyncClient;
  readonly guard?: Guard;
  /** Data and queues that plugins of all workers share; without it they share them on this thread only. */
  readonly arena?: Arena;
  /** Resolves names for plugins; by default through the system. */
  readonly dns?: DnsClient;
  /** Sums of metrics over all workers; without it a plugin reads what its own worker has counted. */
  readonly metricTotals?: SharedTotals;
}

/** Values of the properties that need no stream. */
export type RootProperties = (path: readonly string[]) => PropertyValue;

/** State that all VMs of a worker share. */
export class WorkerWasmState {
  readonly sharedData: SharedData;
  readonly sharedQueues: SharedQueues;
  readonly metrics: Metrics;
  readonly dns: DnsClient;

  constructor({ arena, dns, lane, metricTotals }: WorkerParts) {
    this.sharedData = arena === undefined ? new LocalSharedData() : new ArenaSharedData(arena);
    this.sharedQueues = arena === undefined ? new LocalSharedQueues() : new ArenaSharedQueues(arena);
    this.metrics = new LaneMetrics(lane, metricTotals);
    this.dns = dns ?? new DnsClient();
  }
}

/** The host of one VM. */
export class WorkerVmHost implements VmHost {
  readonly clock: Clock;
  readonly sharedData: SharedData;
  readonly sharedQueues: SharedQueues;
  readonly metrics: Metrics;
  readonly guard?: Guard;
  readonly foreignFunctions: ReadonlyMap<string, ForeignFunction> = FOREIGN_FUNCTIONS;
  readonly #logger: Logger;
  readonly #asyncClient: AsyncClient;
  readonly #dns: DnsClient;
  readonly #redis: RedisClient;
  readonly #rootProperties: RootProperties;
  readonly #logBudget: LogBudget;
  readonly #onFailure: (failure: VmFailure) => void;

  constructor(
    parts: WorkerParts,
    state: WorkerWasmState,
    rootProperties: RootProperties,
    logBudget: LogBudget,
    onFailure: (failure: VmFailure) => void,
  ) {
    this.clock = parts.clock;
    if (parts.guard !== undefined) this.guard = parts.guard;
    this.sharedData = state.sharedData;
    this.sharedQueues = state.sharedQueues;
    this.metrics = state.metrics;
    this.#logger = parts.logger;
    this.#asyncClient = parts.asyncClient;
    this.#dns = state.dns;
    this.#redis = new RedisClient(parts.asyncClient, parts.clock, fact =>
      this.#logger.log('warning', COMPONENT, fact),
    );
    this.#rootProperties = rootProperties;
    this.#logBudget = logBudget;
    this.#onFailure = onFailure;
  }

  log(level: number, line: string): void {
    if (this.#logBudget.take()) this.#logger.log(LOG_LEVEL_OF_GUEST[level], COMPONENT, line);
  }

  logEnabled(level: number): boolean {
    return this.#logger.enabled(LOG_LEVEL_OF_GUEST[level], COMPONENT);
  }

  httpCall(call: HttpCall, onDone: (response: HttpCallResponse | null) => void): Callout | Status {
    const headers = requestHeaders(call.headers);
    const trailers = requestTrailers(call.trailers);
    if (headers === null || trailers === null) return Status.BadArgument;
    if (call.body.length > 0) headers.set('content-length', String(call.body.length));
    const { upstream, body, timeoutMs } = call;
    const request = {
      headers,
      body: body.length > 0 ? body : null,
      trailers: call.trailers.length > 0 ? trailers : null,
      timeoutMs,
      forwardedFor: false,
    };
    const whenDone = (response: AsyncResponse) => {
      response.headers.showTransferEncoding();
      onDone(response);
    };
    const running = this.#asyncClient.send(upstream, request, whenDone);
    if (running === null) return Status.BadArgument;
    if (running.hasHost) return running;
    running.cancel();
    return Status.InternalFailure;
  }

  grpcCall(call: GrpcUnaryCall, listener: GrpcListener): Callout | Status {
    return sendUnaryCall(this.#asyncClient, call, listener);
  }

  grpcStream(call: GrpcCall, listener: GrpcListener): GrpcStream | Status {
    return openStream(this.#asyncClient, call, listener);
  }

  resolveDns(name: string, onDone: (records: readonly DnsRecord[] | null) => void): Callout | Status {
    return this.#dns.resolve(name, onDone);
  }

  redisInit(service: RedisService): Status {
    return this.#redis.init(service);
  }

  redisCall(upstream: string, query: Buffer, onDone: (reply: Buffer | null) => void): Callout | Status {
    return this.#redis.call(upstream, query, onDone);
  }

  getProperty(_root: RootContext | null, path: readonly string[]): PropertyValue {
    return this.#rootProperties(path);
  }

  onFailure(failure: VmFailure): void {
    this.#onFailure(failure);
  }
}
