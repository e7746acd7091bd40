// What an embedder gives a VM besides streams: time, logs, call-outs, shared state, metrics. One object can serve
// all VMs of a thread; everything here is called on the VM's own thread.

import type { MetricType, Status } from '@dragoman/abi';
import type { Clock } from '@dragoman/base';
import type { RootContext } from './contexts/root-context.ts';
import type { ForeignFunction } from './foreign/foreign-function.ts';
import type { Guard } from './limits/guard.ts';
import type { PropertyValue } from './property-value.ts';
import type { GuestHeaderMap } from './stream-host.ts';

export interface HttpCall {
  /** Name of a cluster. */
  readonly upstream: string;
  /** [name, value, ...], names in lower case; has :method, :path and :authority (or host). */
  readonly headers: readonly string[];
  readonly body: Buffer;
  readonly trailers: readonly string[];
  /** 0: none. */
  readonly timeoutMs: number;
}

export interface HttpCallResponse {
  /** With :status. */
  readonly headers: GuestHeaderMap;
  readonly body: Buffer;
  readonly trailers: GuestHeaderMap | null;
}

/** A call-out under way. */
export interface Callout {
  cancel(): void;
}

/** A gRPC stream under way. */
export interface GrpcStream extends Callout {
  send(message: Buffer, endStream: boolean): void;
  /** Half-closes the sending side. */
  close(): void;
}

export interface GrpcCall {
  /** Serialised envoy.config.core.v3.GrpcService, or the name of a cluster; latin1. */
  readonly upstream: string;
  readonly service: string;
  readonly method: string;
  readonly initialMetadata: readonly string[];
}

export interface GrpcUnaryCall extends GrpcCall {
  readonly message: Buffer;
  readonly timeoutMs: number;
}

/** One address of a name. */
export interface DnsRecord {
  readonly address: string;
  readonly ttlSeconds: number;
}

/** What becomes of a gRPC call or stream; never called inside grpcCall() or grpcStream() themselves. */
export interface GrpcListener {
  onInitialMetadata(metadata: GuestHeaderMap): void;
  onMessage(message: Buffer): void;
  onTrailingMetadata(metadata: GuestHeaderMap): void;
  onClose(grpcStatus: number, message: string): void;
}

/** Values that plugins share, by VM id and key (ABI reference 7.2). */
export interface SharedData {
  /** Null when the key is absent. `cas` is never 0. */
  get(vmId: string, key: string): { readonly value: Uint8Array; readonly cas: number } | null;
  /**
   * `value` is owned by the store. cas 0 sets unconditionally; otherwise CasMismatch when the key has another.
   * InternalFailure: there is no room. The value ends after `ttlMs` (0: never); by default, as is set for the VM id.
   */
  set(vmId: string, key: string, value: Buffer, cas: number, ttlMs?: number): Status;
  /** NotFound when the key is absent; cas as for set(). */
  delete(vmId: string, key: string, cas: number): Status;
  /** The keys that begin with `prefix`. */
  keys(vmId: string, prefix: string): string[];
  /**
   * Adds to a signed 64-bit number, stored as 8 bytes little-endian, in one step; an absent one counts as 0 and its life
   * of `ttlMs` begins. BadArgument: the value is no such number. InternalFailure: there is no room.
   */
  increment(vmId: string, key: string, delta: bigint, ttlMs?: number): SharedCount | Status;
}

/** A number after an increment. */
export interface SharedCount {
  readonly value: bigint;
  readonly cas: number;
}

/** Queues that plugins share, by VM id and name (ABI reference 7.3). Tokens are unique and never 0. */
export interface SharedQueues {
  /** `onItem` replaces the listener before it; called once for every item, never inside enqueue(). 0: there is no room. */
  register(vmId: string, name: string, onItem: (token: number) => void): number;
  /** 0 when there is none. */
  resolve(vmId: string, name: string): number;
  /** `item` is owned by the queue. NotFound for an unknown token, InternalFailure when there is no room. */
  enqueue(token: number, item: Buffer): Status;
  /** Undefined for an unknown token, null for an empty queue. */
  dequeue(token: number): Uint8Array | null | undefined;
}

/** Statistics that plugins define. A handle is whatever number the embedder likes. */
export interface Metrics {
  /** -1: the name cannot be had for this type. */
  define(type: MetricType, name: string): number;
  /** Counter and gauge: adds, for a gauge also a negative offset. */
  add(handle: number, offset: number): void;
  /** Gauge: sets. Histogram: records. */
  record(handle: number, value: number): void;
  /** Counter and gauge. */
  get(handle: number): number;
}

/** How a plugin wants to talk to a Redis (proxy_redis_init of Higress). */
export interface RedisService {
  /** Name of a cluster, perhaps with "?db=1" and other parameters behind it. */
  readonly upstream: string;
  /** May be ''. */
  readonly username: string;
  /** May be '': no authentication. */
  readonly password: string;
  /** For a reply; 0 waits for ever. */
  readonly timeoutMs: number;
}

/** Everything a VM needs from the process around it. */
export interface VmHost {
  readonly clock: Clock;
  readonly sharedData: SharedData;
  readonly sharedQueues: SharedQueues;
  readonly metrics: Metrics;
  readonly foreignFunctions: ReadonlyMap<string, ForeignFunction>;
  /** The thread's guard, which a watchdog looks after. Without one, limited modules run to their end. */
  readonly guard?: Guard;
  /** `level` is a GuestLogLevel; `line` is complete: "wasm log plugin root vm: text". */
  log(level: number, line: string): void;
  /** True when a line of that GuestLogLevel would be written. Asked on every proxy_log: cheap. */
  logEnabled(level: number): boolean;
  /** Starts a call; `onDone` comes later exactly once unless cancelled, with null for a call that failed half-way. */
  httpCall(call: HttpCall, onDone: (response: HttpCallResponse | null) => void): Callout | Status;
  grpcCall(call: GrpcUnaryCall, listener: GrpcListener): Callout | Status;
  grpcStream(call: GrpcCall, listener: GrpcListener): GrpcStream | Status;
  /** Asks for the addresses of a name; `onDone` comes later exactly once unless cancelled, with null after a failure. */
  resolveDns?(name: string, onDone: (records: readonly DnsRecord[] | null) => void): Callout | Status;
  /** Prepares for queries to an upstream, or changes how they are made from now on. */
  redisInit?(service: RedisService): Status;
  /** Sends one query, a command in RESP; `onDone` comes later exactly once unless cancelled, with null for no reply. */
  redisCall?(upstream: string, query: Buffer, onDone: (reply: Buffer | null) => void): Callout | Status;
  /** Properties that need no stream (xds.node). */
  getProperty(root: RootContext | null, path: readonly string[]): PropertyValue;
  /** The VM is dead: it will not be entered again. */
  onFailure(failure: VmFailure): void;
}

/**
 * Why a VM died; these codes stand in logs and names of statistics. `deadline` and `out_of_memory` are of modules compiled
 * as `limited`; `contract_violation`: the guest called what the ABI does not have; `host_error`: a mistake of the host.
 */
export type FailureCause =
  | 'trap'
  | 'stack_overflow'
  | 'deadline'
  | 'out_of_memory'
  | 'contract_violation'
  | 'host_error';

export interface VmFailure {
  readonly cause: FailureCause;
  /** Name of the plugin whose callback was running; '' while the VM was made. */
  readonly plugin: string;
  /** Export that was running. */
  readonly callback: string;
  /** As the engine says it: "RuntimeError: unreachable". */
  readonly reason: string;
  /** Guest frames, innermost first, where the engine gives them. */
  readonly backtrace: readonly string[];
}
