// The context of one HTTP exchange or TCP connection: what its host calls may reach now, and its callbacks in the
// order of its life. A map or body can be reached from its callback until that returns Continue (ABI reference 3.5).
// The object is reusable: begin() starts a new life with a new id.

import type { GuestBody, GuestHeaderMap, StreamHost } from '../stream-host.ts';
import type { Vm } from '../vm.ts';
import { Context } from './context.ts';
import type { FinishedStream, RootContext } from './root-context.ts';

/** Answered by a callback of a VM that is dead or died in it; a callback that the guest does not have is not missed. */
export const FAILED = -1;
/** Header callbacks: wait, hold everything back, watermark (Envoy: StopAllIterationAndWatermark). */
export const STOP_ALL_AND_WATERMARK = 4;
/** Body callbacks: wait, keep nothing of this piece (Envoy: StopIterationNoBuffer). */
export const STOP_NO_BUFFER = 3;

/** A stream context. Results of header callbacks are 0, 1, 3, 4 of body callbacks 0 to 3, of trailers 0 or 1: Envoy's filter statuses; or FAILED. */
export class StreamContext extends Context {
  host: StreamHost | null = null;
  requestHeaders: GuestHeaderMap | null = null;
  requestTrailers: GuestHeaderMap | null = null;
  responseHeaders: GuestHeaderMap | null = null;
  responseTrailers: GuestHeaderMap | null = null;
  requestBody: GuestBody | null = null;
  responseBody: GuestBody | null = null;
  downstreamData: GuestBody | null = null;
  upstreamData: GuestBody | null = null;
  /** In the last body callback, where trailers can still be made (S50). */
  requestTrailersCreatable = false;
  responseTrailersCreatable = false;
  /** In on_log: maps are read-only (S48). */
  logging = false;
  /** The guest has changed something of this stream or answered it. */
  mutated = false;
  /** The guest died while it was at work on this stream; what it has changed of it may be half of what it meant to. */
  diedHere = false;
  /** Call-outs started on behalf of this stream that have not been answered yet. */
  pendingCallouts = 0;
  /** Announced to the guest and not yet deleted. */
  live = false;

  constructor(vm: Vm) {
    super(vm, 0);
    this.stream = this;
  }

  override get logName(): string {
    return this.root === null ? '' : this.root.streamLogName;
  }

  /** Announces a new stream under `root`. False when the guest died of it (or was dead). */
  begin(root: RootContext, host: StreamHost): boolean {
    const { vm } = this;
    this.root = root;
    this.host = host;
    this.mutated = this.diedHere = false;
    this.pendingCallouts = 0;
    this.logging = false;
    this.dropRequest();
    this.#dropResponse();
    if (vm.failure !== null) return false;
    vm.register(this);
    vm.streamsBegun++;
    this.live = true;
    const callback = vm.callbacks.onContextCreate;
    if (callback === null) return true;
    vm.enter(this);
    try {
      callback(this.id, root.id);
    } catch (error) {
      vm.fail('proxy_on_context_create', error);
      return false;
    }
    vm.leave();
    return true;
  }

  onRequestHeaders(headers: GuestHeaderMap, endOfStream: boolean): number {
    const { vm } = this;
    const callback = vm.callbacks.onRequestHeaders;
    if (callback === null) return 0;
    if (vm.failure !== null) return FAILED;
    this.requestHeaders = headers;
    vm.enter(this);
    let action: number;
    try {
      action = callback(this.id, headers.count, endOfStream ? 1 : 0) as number;
    } catch (error) {
      vm.fail('proxy_on_request_headers', error);
      return FAILED;
    }
    action = this.#headersStatus(action);
    if (action === 0) this.requestHeaders = null;
    vm.leave();
    return action;
  }

  onResponseHeaders(headers: GuestHeaderMap, endOfStream: boolean): number {
    const { vm } = this;
    const callback = vm.callbacks.onResponseHeaders;
    if (callback === null) return 0;
    if (vm.failure !== null) return FAILED;
    this.responseHeaders = headers;
    vm.enter(this);
    let action: number;
    try {
      action = callback(this.id, headers.count, endOfStream ? 1 : 0) as number;
    } catch (error) {
      vm.fail('proxy_on_response_headers', error);
      return FAILED;
    }
    action = this.#headersStatus(action);
    if (action === 0) this.responseHeaders = null;
    vm.leave();
    return action;
  }

  onRequestBody(body: GuestBody, endOfStream: boolean): number {
    const { vm } = this;
    const callback = vm.callbacks.onRequestBody;
    if (callback === null) return 0;
    if (vm.failure !== null) return FAILED;
    this.requestBody = body;
    this.requestTrailersCreatable = endOfStream;
    vm.enter(this);
    let action: number;
    try {
      action = callback(this.id, body.length, endOfStream ? 1 : 0) as number;
    } catch (error) {
      vm.fail('proxy_on_request_body', error);
      return FAILED;
    }
    this.requestTrailersCreatable = false;
    action = this.#bodyStatus(action);
    if (action === 0) this.requestBody = null;
    vm.leave();
    return action;
  }

  onResponseBody(body: GuestBody, endOfStream: boolean): number {
    const { vm } = this;
    const callback = vm.callbacks.onResponseBody;
    if (callback === null) return 0;
    if (vm.failure !== null) return FAILED;
    this.responseBody = body;
    this.responseTrailersCreatable = endOfStream;
    vm.enter(this);
    let action: number;
    try {
      action = callback(this.id, body.length, endOfStream ? 1 : 0) as number;
    } catch (error) {
      vm.fail('proxy_on_response_body', error);
      return FAILED;
    }
    this.responseTrailersCreatable = false;
    action = this.#bodyStatus(action);
    if (action === 0) this.responseBody = null;
    vm.leave();
    return action;
  }

  onRequestTrailers(trailers: GuestHeaderMap): number {
    const { vm } = this;
    const callback = vm.callbacks.onRequestTrailers;
    if (callback === null) return 0;
    if (vm.failure !== null) return FAILED;
    this.requestTrailers = trailers;
    vm.enter(this);
    let action: number;
    try {
      action = callback(this.id, trailers.count) as number;
    } catch (error) {
      vm.fail('proxy_on_request_trailers', error);
      return FAILED;
    }
    action = vm.localResponseSent || action !== 0 ? 1 : 0;
    if (action === 0) this.requestTrailers = null;
    vm.leave();
    return action;
  }

  onResponseTrailers(trailers: GuestHeaderMap): number {
    const { vm } = this;
    const callback = vm.callbacks.onResponseTrailers;
    if (callback === null) return 0;
    if (vm.failure !== null) return FAILED;
    this.responseTrailers = trailers;
    vm.enter(this);
    let action: number;
    try {
      action = callback(this.id, trailers.count) as number;
    } catch (error) {
      vm.fail('proxy_on_response_trailers', error);
      return FAILED;
    }
    action = vm.localResponseSent || action !== 0 ? 1 : 0;
    if (action === 0) this.responseTrailers = null;
    vm.leave();
    return action;
  }

  /** TCP: answers 0 or 1 (pause). */
  onNewConnection(): number {
    const callback = this.vm.callbacks.onNewConnection;
    return this.#connectionCall('proxy_on_new_connection', callback, 0, 0);
  }

  /** TCP: `data` is all that has been read and not yet passed on. */
  onDownstreamData(data: GuestBody, endOfStream: boolean): number {
    this.downstreamData = data;
    const callback = this.vm.callbacks.onDownstreamData;
    const action = this.#connectionCall(
      'proxy_on_downstream_data',
      callback,
      data.length,
      endOfStream ? 1 : 0,
    );
    if (action === 0) this.downstreamData = null;
    return action;
  }

  onUpstreamData(data: GuestBody, endOfStream: boolean): number {
    this.upstreamData = data;
    const callback = this.vm.callbacks.onUpstreamData;
    const action = this.#connectionCall('proxy_on_upstream_data', callback, data.length, endOfStream ? 1 : 0);
    if (action === 0) this.upstreamData = null;
    return action;
  }

  /** TCP: `peerType` as PeerType. */
  onDownstreamConnectionClose(peerType: number): void {
    const callback = this.vm.callbacks.onDownstreamConnectionClose;
    this.#connectionCall('proxy_on_downstream_connection_close', callback, peerType, 0);
  }

  onUpstreamConnectionClose(peerType: number): void {
    const callback = this.vm.callbacks.onUpstreamConnectionClose;
    this.#connectionCall('proxy_on_upstream_connection_close', callback, peerType, 0);
  }

  /** Everything is known: request and response headers and response trailers are readable once more, nothing is writable. */
  onLog(
    requestHeaders: GuestHeaderMap | null,
    responseHeaders: GuestHeaderMap | null,
    responseTrailers: GuestHeaderMap | null,
  ): void {
    const { vm } = this;
    const callback = vm.callbacks.onLog;
    if (callback === null || vm.failure !== null) return;
    this.requestHeaders = requestHeaders;
    this.responseHeaders = responseHeaders;
    this.requestTrailers = null;
    this.responseTrailers = responseTrailers;
    this.logging = true;
    vm.enter(this);
    try {
      callback(this.id);
    } catch (error) {
      vm.fail('proxy_on_log', error);
      return;
    }
    vm.leave();
  }

  /** For a root that is an access log: stands for the stream it is told of, without being announced. */
  show(root: RootContext, host: StreamHost, stream: FinishedStream): void {
    this.id = root.id;
    this.root = root;
    this.host = host;
    this.requestHeaders = stream.requestHeaders;
    this.responseHeaders = stream.responseHeaders;
    this.responseTrailers = stream.responseTrailers;
    this.logging = true;
  }

  hide(): void {
    this.logging = false;
    this.dropRequest();
    this.#dropResponse();
    this.host = null;
  }

  /** The end: done (its result is ignored, S25), then delete. Maps and bodies are out of reach already. */
  end(): void {
    if (!this.live) return;
    this.live = false;
    this.dropRequest();
    this.#dropResponse();
    const { onDone, onDelete } = this.vm.callbacks;
    if (onDone !== null) this.#lastCall('proxy_on_done', onDone);
    if (onDelete !== null) this.#lastCall('proxy_on_delete', onDelete);
    this.#forget();
  }

  /** The end of a TCP connection, whose log call stands between the two (S24). */
  endConnection(): void {
    if (!this.live) return;
    this.live = false;
    const { onDone, onLog, onDelete } = this.vm.callbacks;
    if (onDone !== null) this.#lastCall('proxy_on_done', onDone);
    if (onLog !== null) this.#lastCall('proxy_on_log', onLog);
    if (onDelete !== null) this.#lastCall('proxy_on_delete', onDelete);
    this.#forget();
  }

  #forget(): void {
    const { vm } = this;
    if (vm.failure === null) vm.streamsEnded++;
    vm.forget(this);
    this.logging = false;
    this.dropRequest();
    this.#dropResponse();
    this.host = null;
  }

  /** After proxy_continue_stream 0 or 1 the request's maps and body are out of reach at once (ABI reference 3.5). */
  dropRequest(): void {
    this.requestHeaders = null;
    this.requestTrailers = null;
    this.requestBody = null;
    this.requestTrailersCreatable = false;
  }

  #dropResponse(): void {
    this.responseHeaders = null;
    this.responseTrailers = null;
    this.responseBody = null;
    this.responseTrailersCreatable = false;
    this.downstreamData = null;
    this.upstreamData = null;
  }

  /** Envoy's filter status for what a header callback returned (ABI reference 5.1, 5.2). */
  #headersStatus(action: number): number {
    if (this.vm.localResponseSent) return STOP_ALL_AND_WATERMARK;
    if (action === 0 || action === 2 || action === undefined) return 0;
    if (action === 1) return this.root!.allowOnHeadersStopIteration ? 1 : STOP_ALL_AND_WATERMARK;
    return action === 3 ? 3 : STOP_ALL_AND_WATERMARK;
  }

  #bodyStatus(action: number): number {
    if (this.vm.localResponseSent) return STOP_NO_BUFFER;
    if (action === undefined) return 0;
    return action >= 0 && action <= 2 ? action : STOP_NO_BUFFER;
  }

  #lastCall(name: string, callback: (id: number) => number | undefined): void {
    const { vm } = this;
    if (vm.failure !== null) return;
    vm.enter(this);
    try {
      callback(this.id);
    } catch (error) {
      vm.fail(name, error);
      return;
    }
    vm.leave();
  }

  #connectionCall(
    name: string,
    callback: ((id: number, a: number, b: number) => number | undefined) | null,
    a: number,
    b: number,
  ): number {
    const { vm } = this;
    if (callback === null) return 0;
    if (vm.failure !== null) return FAILED;
    vm.enter(this);
    let action: number | undefined;
    try {
      action = callback(this.id, a, b);
    } catch (error) {
      vm.fail(name, error);
      return FAILED;
    }
    vm.leave();
    return action ? 1 : 0;
  }
}
