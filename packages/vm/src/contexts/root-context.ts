// A plugin configuration on a VM (a "plugin context" in the SDKs): started once, then the parent of its streams and
// the place where timers, call-outs and queues report.

import { RedisStatus, Status } from '@dragoman/abi';
import { PluginStartError } from '../errors.ts';
import { deadlineOf } from '../limits/imposed-limits.ts';
import type { GuestHeaderMap, StreamHost } from '../stream-host.ts';
import type { Vm } from '../vm.ts';
import type { Callout, GrpcListener, GrpcStream, HttpCallResponse } from '../vm-host.ts';
import { Context } from './context.ts';
import { StreamContext } from './stream-context.ts';

export interface RootOptions {
  /** Name of the plugin in logs and as property plugin_name. */
  readonly name: string;
  /** Selects the root factory in the guest; may be ''. */
  readonly rootId: string;
  readonly configuration: Buffer;
  /** Keep a returned Pause from header callbacks as StopIteration: body callbacks go on (ABI reference 5.2). */
  readonly allowOnHeadersStopIteration?: boolean;
  /** Whatever the embedder wants to find again in VmHost calls. */
  readonly owner?: unknown;
}

/** What an access log is told of. */
export interface FinishedStream {
  readonly requestHeaders: GuestHeaderMap | null;
  readonly responseHeaders: GuestHeaderMap | null;
  readonly responseTrailers: GuestHeaderMap | null;
}

const joinNames = (...parts: string[]): string => parts.filter(part => part !== '').join(' ');

/** A root context. Made and started by Vm.startRoot(). */
export class RootContext extends Context {
  readonly options: RootOptions;
  readonly name: string;
  readonly rootId: string;
  readonly allowOnHeadersStopIteration: boolean;
  /** Log prefix of this root's streams. */
  readonly streamLogName: string;
  /** Name, root id and VM id as plugins read them. */
  readonly nameBytes: Buffer;
  readonly rootIdBytes: Buffer;
  readonly vmIdBytes: Buffer;
  readonly #logName: string;
  /** True inside context_create and configure: the plugin configuration can be read (S21). */
  configurationReadable = false;
  /** What proxy_get_status answers. */
  statusCode = 0;
  statusMessage = '';
  /** Of the call-out whose callback is running. */
  callHeaders: GuestHeaderMap | null = null;
  callTrailers: GuestHeaderMap | null = null;
  callBody: Buffer | null = null;
  grpcInitialMetadata: GuestHeaderMap | null = null;
  grpcTrailingMetadata: GuestHeaderMap | null = null;
  grpcMessage: Buffer | null = null;
  statsUpdate: Uint8Array | null = null;
  /** In envoy_on_resolve_dns. */
  dnsAnswer: Buffer | null = null;
  /** In proxy_on_redis_call_response. */
  redisReply: Buffer | null = null;
  /** Set by the embedder: told when the last callback of this root has run. */
  onDeleted: (() => void) | null = null;
  /** on_done answered 0: proxy_done is awaited (S26). */
  donePending = false;
  /** What is logged, when the plugin is an access log. */
  #logged: StreamContext | null = null;
  readonly #callouts = new Map<number, Callout>();
  /** Ids of the streams on whose behalf calls were started, by token. */
  readonly #askers = new Map<number, number>();
  #tickPeriodMs = 0;
  /** How long the last tick took. */
  #lastTickMs = 0;
  #cancelTick: (() => void) | null = null;

  constructor(vm: Vm, id: number, options: RootOptions) {
    super(vm, id);
    this.root = this;
    this.options = options;
    this.name = options.name;
    this.rootId = options.rootId;
    this.allowOnHeadersStopIteration = options.allowOnHeadersStopIteration ?? false;
    this.nameBytes = Buffer.from(options.name);
    this.rootIdBytes = Buffer.from(options.rootId);
    this.vmIdBytes = Buffer.from(vm.vmId);
    this.#logName = joinNames(options.rootId, vm.vmId);
    this.streamLogName = joinNames(options.name, options.rootId, vm.vmId);
  }

  override get logName(): string {
    return this.#logName;
  }

  get calloutCount(): number {
    return this.#callouts.size;
  }

  /** S17: create, vm_start, configure. Throws PluginStartError when the guest refuses or dies. */
  start(): void {
    const { onContextCreate, onVmStart, onConfigure } = this.vm.callbacks;
    this.configurationReadable = true;
    this.#call('proxy_on_context_create', 0, onContextCreate, this.id, 0);
    this.configurationReadable = false;
    if (this.#call('proxy_on_vm_start', 1, onVmStart, this.id, this.vm.vmConfiguration.length) === 0) {
      throw this.#startError('proxy_on_vm_start returned false');
    }
    this.configurationReadable = true;
    const configured = this.#call(
      'proxy_on_configure',
      1,
      onConfigure,
      this.id,
      this.options.configuration.length,
    );
    this.configurationReadable = false;
    if (configured === 0) throw this.#startError('proxy_on_configure returned false');
    const { failure } = this.vm;
    if (failure !== null) throw this.#startError(`${failure.callback} failed: ${failure.reason}`);
  }

  #startError(fact: string): PluginStartError {
    return new PluginStartError(`plugin ${this.name} (root id "${this.rootId}"): ${fact}`);
  }

  /** One timer per root; 0 stops it (S86). */
  setTickPeriod(periodMs: number): void {
    this.#tickPeriodMs = periodMs;
    this.stopTick();
    if (periodMs > 0) this.#armTick();
  }

  stopTick(): void {
    this.#cancelTick?.();
    this.#cancelTick = null;
  }

  #armTick(): void {
    // Ticks that take longer than they are apart must leave the thread as much time as they take.
    const delayMs = Math.max(this.#tickPeriodMs, this.#lastTickMs);
    this.#cancelTick = this.vm.host.clock.after(delayMs, this.#onTick);
  }

  readonly #onTick = (): void => {
    this.#cancelTick = null;
    this.vm.defer(() => {
      const { clock } = this.vm.host;
      const startMs = clock.nowMs();
      this.#call('proxy_on_tick', 0, this.vm.callbacks.onTick, this.id);
      this.#lastTickMs = clock.nowMs() - startMs;
      if (this.#cancelTick === null && this.#tickPeriodMs > 0 && this.vm.failure === null) this.#armTick();
    });
  };

  onQueueReady(token: number): void {
    this.vm.defer(() =>
      this.#call('proxy_on_queue_ready', 0, this.vm.callbacks.onQueueReady, this.id, token),
    );
  }

  /**
   * As an access log: tells of a finished stream, which host calls find on the root until it returns; `onContext` is given
   * what they find.
   */
  log(host: StreamHost, stream: FinishedStream, onContext: (context: StreamContext) => void): void {
    const { vm } = this;
    const { onLog } = vm.callbacks;
    if (onLog === null || vm.failure !== null) return;
    const view = (this.#logged ??= new StreamContext(vm));
    view.show(this, host, stream);
    onContext(view);
    this.stream = view;
    this.#call('proxy_on_log', 0, onLog, this.id);
    this.stream = null;
    view.hide();
  }

  /** As a stats sink: tells of a flush; `update` is readable as the buffer of foreign calls until it returns. */
  onStatsUpdate(update: Uint8Array): void {
    this.statsUpdate = update;
    const { onStatsUpdate } = this.vm.callbacks;
    this.#call('envoy_on_stats_update', 0, onStatsUpdate, this.id, update.length);
    this.statsUpdate = null;
  }

  /** Remembers a started call-out under its token, so that it can be called off. */
  addCallout(token: number, callout: Callout): void {
    this.#callouts.set(token, callout);
    const { stream } = this.vm.effective;
    if (stream === null) return;
    this.#askers.set(token, stream.id);
    stream.pendingCallouts++;
  }

  /** Tells the stream that had asked, if it still lives, when the last of its call-outs is over. */
  #settle(token: number): void {
    const id = this.#askers.get(token);
    if (id === undefined || !this.#askers.delete(token)) return;
    const stream = this.vm.context(id)?.stream ?? null;
    if (stream !== null && --stream.pendingCallouts === 0) stream.host?.onCalloutsDone?.();
  }

  callout(token: number): Callout | undefined {
    return this.#callouts.get(token);
  }

  /** The embedder's answer to an HTTP call; null: it failed half-way (S76). */
  onHttpCallDone(token: number, response: HttpCallResponse | null): void {
    if (this.#callouts.delete(token)) this.vm.defer(() => this.#deliverHttpCall(token, response));
  }

  #deliverHttpCall(token: number, response: HttpCallResponse | null): void {
    if (response === null) {
      this.statusCode = Status.BrokenConnection;
      this.statusMessage = 'reset';
    } else {
      this.callHeaders = response.headers;
      this.callBody = response.body;
      this.callTrailers = response.trailers;
    }
    this.#call(
      'proxy_on_http_call_response',
      0,
      this.vm.callbacks.onHttpCallResponse,
      this.id,
      token,
      response === null ? 0 : response.headers.count,
      response === null ? 0 : response.body.length,
      response?.trailers?.count ?? 0,
    );
    this.callHeaders = this.callTrailers = this.callBody = null;
    this.statusMessage = '';
    this.#settle(token);
  }

  /** The reply to a Redis query as it came; null: there is none. */
  onRedisCallDone(token: number, reply: Buffer | null): void {
    if (!this.#callouts.delete(token)) return;
    this.vm.defer(() => {
      const { onRedisCallResponse } = this.vm.callbacks;
      const status = reply === null ? RedisStatus.NetworkError : RedisStatus.Ok;
      const size = reply?.length ?? 0;
      this.redisReply = reply;
      this.#call('proxy_on_redis_call_response', 0, onRedisCallResponse, this.id, token, status, size);
      this.redisReply = null;
      this.#settle(token);
    });
  }

  /** What the embedder tells of the gRPC call or stream with that token. A unary call reports one thing only (S79). */
  grpcListener(token: number, unary: boolean): GrpcListener {
    const { vm } = this;
    // It may be called off between the two, by the guest that is running.
    const whenOpen = (action: () => void) => {
      if (this.#callouts.has(token)) vm.defer(() => this.#callouts.has(token) && action());
    };
    const over = () => {
      this.#callouts.delete(token);
      this.#settle(token);
    };
    return {
      onInitialMetadata: metadata =>
        whenOpen(() => {
          if (unary) return;
          this.grpcInitialMetadata = metadata;
          const callback = vm.callbacks.onGrpcReceiveInitialMetadata;
          this.#call('proxy_on_grpc_receive_initial_metadata', 0, callback, this.id, token, metadata.count);
          this.grpcInitialMetadata = null;
        }),
      onMessage: message =>
        whenOpen(() => {
          this.grpcMessage = message;
          this.#call('proxy_on_grpc_receive', 0, vm.callbacks.onGrpcReceive, this.id, token, message.length);
          this.grpcMessage = null;
          if (unary) over();
        }),
      onTrailingMetadata: metadata =>
        whenOpen(() => {
          if (unary) return;
          this.grpcTrailingMetadata = metadata;
          const callback = vm.callbacks.onGrpcReceiveTrailingMetadata;
          this.#call('proxy_on_grpc_receive_trailing_metadata', 0, callback, this.id, token, metadata.count);
          this.grpcTrailingMetadata = null;
        }),
      onClose: (grpcStatus, message) =>
        whenOpen(() => {
          this.statusCode = grpcStatus;
          this.statusMessage = message;
          this.#call('proxy_on_grpc_close', 0, vm.callbacks.onGrpcClose, this.id, token, grpcStatus);
          this.statusMessage = '';
          over();
        }),
    };
  }

  /** The addresses the guest had asked for, in Envoy's form; empty when nobody could tell. */
  onDnsResolved(token: number, answer: Buffer): void {
    if (!this.#callouts.delete(token)) return;
    this.vm.defer(() => {
      this.dnsAnswer = answer;
      this.#call('envoy_on_resolve_dns', 0, this.vm.callbacks.onResolveDns, this.id, token, answer.length);
      this.dnsAnswer = null;
      this.#settle(token);
    });
  }

  grpcStream(token: number): GrpcStream | undefined {
    return this.#callouts.get(token) as GrpcStream | undefined;
  }

  /** Calls a call-out off; nothing more is heard of it. False for an unknown token. */
  cancelCallout(token: number): boolean {
    const callout = this.#callouts.get(token);
    if (callout === undefined) return false;
    this.#callouts.delete(token);
    callout.cancel();
    this.vm.defer(() => this.#settle(token));
    return true;
  }

  /** S78: calls everything off that is under way. */
  dropCallouts(): void {
    for (const callout of this.#callouts.values()) callout.cancel();
    this.#callouts.clear();
    this.#askers.clear();
  }

  /** Announces the end: done, and delete at once or after proxy_done (ABI reference 2.6). */
  shutdown(): void {
    const { onDone } = this.vm.callbacks;
    if (this.vm.failure !== null || this.#call('proxy_on_done', 1, onDone, this.id) !== 0) this.delete();
    else this.donePending = true;
  }

  /** Runs on_delete and forgets the context. */
  delete(): void {
    this.donePending = false;
    this.setTickPeriod(0);
    this.dropCallouts();
    this.#call('proxy_on_delete', 0, this.vm.callbacks.onDelete, this.id);
    this.vm.forget(this);
    this.onDeleted?.();
  }

  /** Calls `callback`; answers `missing` when there is none, the VM is dead, or dies now. */
  #call(
    name: string,
    missing: number,
    callback: ((...args: number[]) => number | undefined) | null,
    ...args: number[]
  ): number {
    const { vm } = this;
    if (callback === null || vm.failure !== null) return missing;
    vm.enter(this, deadlineOf(name, vm.deadlines));
    let result: number;
    try {
      result = callback(...args) ?? 0;
    } catch (error) {
      vm.fail(name, error);
      return missing;
    }
    vm.leave();
    return result;
  }
}
