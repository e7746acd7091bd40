// One request and its response: drives both through the filter chain, keeps the facts about them, and has the
// one exit where an error becomes a response. Reused for the next request of an HTTP/1 connection. Worker threads only.

import { assert } from '@dragoman/base';
import {
  type BodyBuffer,
  HeaderMap,
  type RequestHeaders,
  type RequestRefusal,
  type ResponseHeaders,
} from '@dragoman/http';
import type { ConnectionManager } from '../connection-manager/connection-manager.ts';
import { ResponseFlag } from '../format/response-flags.ts';
import type { Route } from '../route/route.ts';
import type { WorkerServices } from '../server/worker-services.ts';
import { DecodeEnds, EncodeEnds } from './ends.ts';
import type { HttpFilter } from './filter.ts';
import { FilterPipeline } from './filter-pipeline.ts';
import { makeLocalReply } from './local-reply.ts';
import type { ResponseEncoder } from './response-encoder.ts';
import { StreamFilters } from './stream-filters.ts';
import { type DownstreamConnectionInfo, StreamInfo } from './stream-info.ts';
import { StreamTimers } from './stream-timers.ts';
import type { TerminalFilter } from './terminal.ts';

export class Stream {
  readonly worker: WorkerServices;
  readonly manager: ConnectionManager;
  readonly info = new StreamInfo();
  readonly decode: FilterPipeline;
  readonly encode: FilterPipeline;
  readonly #terminal: TerminalFilter;
  readonly #filters = new StreamFilters(this);
  readonly #timers: StreamTimers;
  #encoder: ResponseEncoder | null = null;
  #connection: DownstreamConnectionInfo | null = null;

  requestHeaders: RequestHeaders | null = null;
  requestTrailers: HeaderMap | null = null;
  responseHeaders: ResponseHeaders | null = null;
  responseTrailers: HeaderMap | null = null;
  /** The whole request has come from the client. */
  requestEnded = false;
  /** The whole response has come from the upstream, or was made here. */
  responseEnded = false;
  /** Response headers have gone to the client. */
  responseStarted = false;
  /** The response was made here. */
  localReply = false;
  /** Lower-case type of an upgrade that was allowed ("websocket", "connect"); ''. */
  upgrade = '';
  /** The connection must not carry another request after this one (HTTP/1). */
  closeConnection = false;
  #active = false;
  #route: Route | null = null;
  #routeKnown = false;
  /** The route whose response headers a local reply gets: set once the terminal filter has the request. */
  localReplyRoute: Route | null = null;
  /** A local reply of the router shows how many attempts there were. */
  attemptCountHeader = false;
  #downstreamFull = false;
  #pauses = 0;
  /** The routes whose redirects were followed in the client's place. */
  redirects: readonly Route[] = NO_ROUTES;
  /** A flag that logs show and the text of the local reply does not. */
  #lateFlag = 0;
  /** How often the stream object was taken for a request; tells late callbacks that theirs is over. */
  generation = 0;

  constructor(worker: WorkerServices, manager: ConnectionManager) {
    this.worker = worker;
    this.manager = manager;
    this.decode = new FilterPipeline(new DecodeEnds(this));
    this.encode = new FilterPipeline(new EncodeEnds(this));
    this.#terminal = manager.createTerminal(this);
    this.#timers = new StreamTimers(worker.timers, this);
  }

  get active(): boolean {
    return this.#active;
  }

  get connection(): DownstreamConnectionInfo {
    assert(this.#connection !== null, 'a stream is asked for its connection after its end');
    return this.#connection;
  }

  get encoder(): ResponseEncoder {
    assert(this.#encoder !== null, 'a stream is asked for its encoder after its end');
    return this.#encoder;
  }

  // --- the request, from the codec ---

  /** Begins a request. `nowMs` is the monotonic time at which its head was complete. */
  begin(
    encoder: ResponseEncoder,
    connection: DownstreamConnectionInfo,
    headers: RequestHeaders,
    endStream: boolean,
    nowMs: number,
    upgrade: string,
  ): void {
    const { manager } = this;
    this.#open(encoder, connection, headers, endStream, nowMs);
    this.#timers.begin(manager.settings, endStream, nowMs);
    this.redirects = NO_ROUTES;
    if (!manager.onRequestHeaders(this, headers, upgrade)) return;
    this.#filters.create(this.manager.filterInstances, this.decode, this.encode);
    this.decode.headers(endStream);
    if (this.#active) this.#terminal.flush();
  }

  /**
   * Answers a request whose head the codec refused. `headers` is null when there is nothing in it that could be trusted;
   * no filter sees it.
   */
  refuse(
    encoder: ResponseEncoder,
    connection: DownstreamConnectionInfo,
    headers: RequestHeaders | null,
    refusal: RequestRefusal,
    nowMs: number,
    flag = 0,
  ): void {
    this.#open(encoder, connection, headers, false, nowMs);
    if (flag !== 0) this.info.addResponseFlag(flag);
    this.manager.onRefusedRequest(this, headers);
    if (refusal.protocolError) this.#lateFlag = ResponseFlag.DownstreamProtocolError;
    this.closeConnection = true;
    this.sendLocalReply(refusal.status, refusal.body, refusal.details);
  }

  /** A request whose head the HTTP/2 codec refused: it is counted and logged, and nothing is answered. */
  discard(encoder: ResponseEncoder, from: DownstreamConnectionInfo, details: string, nowMs: number): void {
    this.#open(encoder, from, null, false, nowMs);
    this.manager.onRefusedRequest(this, null);
    this.info.addResponseFlag(ResponseFlag.DownstreamProtocolError);
    this.info.responseCodeDetails = details;
    this.#finish();
  }

  /** The body turned out to be malformed: nothing after this point can be trusted. */
  onCodecError(refusal: RequestRefusal): void {
    if (!this.#active) return;
    this.#lateFlag = ResponseFlag.DownstreamProtocolError;
    this.closeConnection = true;
    this.sendLocalReply(refusal.status, refusal.body, refusal.details);
  }

  #open(
    encoder: ResponseEncoder,
    connection: DownstreamConnectionInfo,
    headers: RequestHeaders | null,
    endStream: boolean,
    nowMs: number,
  ): void {
    const { manager, worker } = this;
    this.generation++;
    this.closeConnection = false;
    this.upgrade = '';
    this.#active = true;
    this.#encoder = encoder;
    this.#connection = connection;
    this.requestHeaders = headers;
    this.requestTrailers = null;
    this.responseHeaders = null;
    this.responseTrailers = null;
    this.requestEnded = endStream;
    this.responseEnded = false;
    this.responseStarted = false;
    this.localReply = false;
    this.#route = null;
    this.#routeKnown = false;
    this.localReplyRoute = null;
    this.attemptCountHeader = false;
    this.#downstreamFull = false;
    this.#pauses = 0;
    this.info.reset(worker.dateLine.wallMsAt(nowMs), nowMs);
    this.info.connection = connection;
    if (connection.filterState !== undefined) this.info.filterState = new Map(connection.filterState);
    this.info.downstreamRemoteAddress = connection.remoteAddress;
    this.info.downstreamRemotePort = connection.remotePort;
    this.info.protocol = encoder.protocol;
    this.info.filterChainName = manager.filterChainName;
    if (endStream) this.info.lastDownstreamRxByteMs = nowMs;
    this.decode.reset(manager.bufferLimitBytes);
    this.encode.reset(manager.bufferLimitBytes);
  }

  /** More of the request body. `bytes` is borrowed. */
  onRequestData(bytes: Buffer, endStream: boolean): void {
    this.info.bytesReceived += bytes.length;
    if (endStream) this.#onRequestEnd();
    this.#touch();
    if (this.decode.aborted) return;
    this.decode.data(bytes, endStream);
  }

  onRequestTrailers(trailers: HeaderMap): void {
    this.#onRequestEnd();
    this.requestTrailers = trailers;
    if (!this.decode.aborted) this.decode.trailers();
  }

  /** The bytes of one read have been handed over. */
  onRequestReadDone(): void {
    if (this.#active) this.#terminal.flush();
  }

  /** The client is gone, or has reset the stream: nobody waits for an answer. */
  onDownstreamReset(details: string, flag: number = ResponseFlag.DownstreamConnectionTermination): void {
    if (!this.#active) return;
    this.manager.lane.inc(this.manager.stats.downstreamRqRxReset);
    this.info.addResponseFlag(flag);
    this.info.responseCodeDetails = details;
    this.#finish();
  }

  onDownstreamWritable(): void {
    if (!this.#downstreamFull) return;
    this.#downstreamFull = false;
    this.manager.lane.inc(this.manager.stats.downstreamFlowControlResumedReadingTotal);
    this.#terminal.pauseResponse(false);
  }

  #onRequestEnd(): void {
    this.requestEnded = true;
    this.info.lastDownstreamRxByteMs = this.worker.timers.clock.nowMs();
    this.#timers.onRequestEnd();
  }

  /** Begins the request anew with its changed headers; what was so far is logged as a request of its own. */
  recreate(body: Buffer | null, trailers: HeaderMap | null): void {
    const { encoder, connection, requestHeaders: headers, info } = this;
    const { downstreamRemoteAddress, downstreamRemotePort, internal, requestId } = info;
    this.#finish();
    const nowMs = this.worker.timers.clock.nowMs();
    this.#open(encoder, connection, headers, true, nowMs);
    Object.assign(info, { downstreamRemoteAddress, downstreamRemotePort, internal, requestId });
    this.#timers.begin(this.manager.settings, true, nowMs);
    this.manager.onRefusedRequest(this, headers);
    this.#filters.create(this.manager.filterInstances, this.decode, this.encode);
    this.decode.headers(body === null && trailers === null);
    if (body !== null && this.#active) {
      info.bytesReceived = body.length;
      this.decode.data(body, trailers === null);
    }
    if (trailers !== null && this.#active) this.onRequestTrailers(trailers);
    if (this.#active) this.#terminal.flush();
  }

  // --- the response, from the terminal filter ---

  encodeInformational(headers: ResponseHeaders): void {
    if (!this.responseStarted) this.encoder.encodeInformational(headers);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.responseHeaders = headers;
    if (endStream) this.responseEnded = true;
    if (this.encode.length > 0) headers.showTransferEncoding();
    this.encode.headers(endStream);
  }

  encodeData(bytes: Buffer, endStream: boolean): void {
    if (endStream) this.responseEnded = true;
    else this.#touch();
    this.encode.data(bytes, endStream);
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.responseEnded = true;
    this.responseTrailers = trailers;
    this.encode.trailers();
  }

  /** Writes to the client what was gathered for one write. */
  flushResponse(): void {
    if (this.#encoder !== null) this.#encoder.flush();
  }

  // --- what the pipelines' ends call ---

  /** The request past the last filter. */
  get terminal(): TerminalFilter {
    return this.#terminal;
  }

  /** Response headers past the last filter: the connection manager's rules, then the wire. */
  sendHeaders(endStream: boolean): void {
    const headers = this.responseHeaders;
    assert(headers !== null, 'response headers are sent before there are any');
    this.responseStarted = true;
    headers.hideTransferEncoding();
    this.manager.onResponseHeaders(this, headers);
    this.encoder.encodeHeaders(headers, endStream);
    if (endStream) this.#complete();
  }

  sendData(bytes: Buffer, endStream: boolean): void {
    this.info.bytesSent += bytes.length;
    const encoder = this.encoder;
    encoder.encodeData(bytes, endStream);
    if (endStream) this.#complete();
    else if (!this.#downstreamFull && encoder.needsDrain) {
      this.#downstreamFull = true;
      this.manager.lane.inc(this.manager.stats.downstreamFlowControlPausedReadingTotal);
      this.#terminal.pauseResponse(true);
    }
  }

  sendTrailers(): void {
    const trailers = this.responseTrailers;
    assert(trailers !== null, 'response trailers are sent before there are any');
    this.info.responseTrailers = trailers;
    this.encoder.encodeTrailers(trailers);
    this.#complete();
  }

  /** Stops reading the request while anything asks for it; calls nest. */
  pauseRequest(paused: boolean): void {
    this.#pauses += paused ? 1 : -1;
    if (this.#encoder === null) return;
    if (paused && this.#pauses === 1) this.#encoder.pauseReading(true);
    else if (!paused && this.#pauses === 0) this.#encoder.pauseReading(false);
  }

  pauseResponse(paused: boolean): void {
    this.#terminal.pauseResponse(paused);
  }

  // --- for filters ---

  continueDecoding(filter: HttpFilter): void {
    if (!this.#active) return;
    this.decode.continue(filter);
    if (this.#active) this.#terminal.flush();
  }

  continueEncoding(filter: HttpFilter): void {
    if (!this.#active) return;
    this.encode.continue(filter);
    this.flushResponse();
  }

  get decodingBuffer(): BodyBuffer | null {
    return this.decode.held;
  }

  get encodingBuffer(): BodyBuffer | null {
    return this.encode.held;
  }

  addDecodedData(filter: HttpFilter, bytes: Buffer, streaming = false): void {
    this.decode.addData(filter, bytes, streaming);
  }

  addEncodedData(filter: HttpFilter, bytes: Buffer, streaming = false): void {
    this.encode.addData(filter, bytes, streaming);
  }

  addDecodedTrailers(): HeaderMap {
    return (this.requestTrailers ??= new HeaderMap());
  }

  addEncodedTrailers(): HeaderMap {
    return (this.responseTrailers ??= new HeaderMap());
  }

  /** The route of the request, looked up on first use and kept until clearRouteCache(). */
  getRoute(): Route | null {
    if (!this.#routeKnown) {
      this.#routeKnown = true;
      this.#route = this.manager.findRoute(this);
      this.#applyRoute(this.#route);
    }
    return this.#route;
  }

  get route(): Route | null {
    return this.getRoute();
  }

  clearRouteCache(): void {
    this.#routeKnown = false;
    this.#route = null;
  }

  setRoute(route: Route | null): void {
    this.#routeKnown = true;
    this.#route = route;
  }

  /** The most specific compiled per-route configuration of a filter, by its configured name. */
  routeConfig(filterName: string): unknown {
    return this.getRoute()?.filterConfig(filterName);
  }

  /** All of them, least specific first. */
  routeConfigs(filterName: string): readonly unknown[] {
    return this.getRoute()?.filterConfigs(filterName) ?? NO_CONFIGS;
  }

  /**
   * Answers in place of the upstream. The reply passes the response side of the filters; once response headers
   * have gone to the client, the stream is reset instead.
   */
  sendLocalReply(
    status: number,
    body: string | Buffer,
    details: string,
    headers: readonly [string, string][] | null = null,
    grpcStatus?: number,
  ): void {
    if (!this.#active) return;
    this.info.responseCodeDetails = details;
    if (this.responseStarted || this.encode.headWaits) {
      this.resetStream();
      return;
    }
    this.decode.aborted = true;
    this.#terminal.cancel();
    const bypassFilters = this.responseHeaders !== null;
    const reply = makeLocalReply(this, status, body, headers, grpcStatus);
    this.info.localReplyBody = '';
    this.info.addResponseFlag(this.#lateFlag);
    this.#lateFlag = 0;
    this.localReply = true;
    if (this.responseHeaders !== null) this.responseHeaders.inUse = false;
    // Envoy closes after its own 400: what the client sends next is not to be trusted either.
    if (status === 400) this.closeConnection = true;
    this.responseHeaders = reply.headers;
    this.responseTrailers = null;
    this.responseEnded = true;
    if (bypassFilters) {
      this.encode.aborted = true;
      this.sendHeaders(reply.body.length === 0);
      if (reply.body.length > 0) this.sendData(reply.body, true);
    } else {
      this.encode.headers(reply.body.length === 0);
      if (reply.body.length > 0 && this.#active && !this.encode.aborted) this.encode.data(reply.body, true);
    }
    this.flushResponse();
  }

  /** Ends the stream without a (complete) response, in a way the client can tell. */
  resetStream(): void {
    if (!this.#active) return;
    // Envoy's own reset of a stream is heard by the stream as a reset, too, and counted twice.
    this.manager.lane.inc(this.manager.stats.downstreamRqTxReset);
    this.manager.lane.inc(this.manager.stats.downstreamRqRxReset);
    const encoder = this.encoder;
    this.encode.releaseHead();
    this.#finish();
    encoder.abort();
  }

  // --- timers ---

  #applyRoute(route: Route | null): void {
    if (route === null) return;
    this.info.routeName = route.name;
    this.info.virtualHostName = route.virtualHost.name;
    this.#timers.applyRoute(route, this.requestHeaders);
  }

  #touch(): void {
    if (this.#active) this.#timers.touch();
  }

  // --- filters and the end ---

  #complete(): void {
    const encoder = this.encoder;
    // The rest of the request is of no use any more: Envoy resets the stream.
    if (!this.requestEnded) this.manager.lane.inc(this.manager.stats.downstreamRqRxReset);
    this.#finish();
    encoder.complete();
  }

  /** The only way out: everything that holds on to the stream lets go, once. */
  #finish(): void {
    if (!this.#active) return;
    this.#active = false;
    this.decode.aborted = true;
    this.encode.aborted = true;
    this.#timers.stop();
    this.#terminal.cancel();
    this.info.endMs = this.worker.timers.clock.nowMs();
    this.#filters.log();
    this.manager.onStreamEnd(this);
    this.#filters.destroy();
    if (this.responseHeaders !== null) this.responseHeaders.inUse = false;
    this.#encoder = null;
  }
}

const NO_ROUTES: readonly Route[] = [];
const NO_CONFIGS: readonly unknown[] = [];
