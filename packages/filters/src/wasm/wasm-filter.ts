// A plugin on one stream: turns the filter chain's callbacks into the guest's, and what the guest asks for into calls on
// the stream. The object serves stream after stream.

import { Status, StreamType } from '@dragoman/abi';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type {
  DataFrame,
  DataStatus,
  HeadersStatus,
  HttpFilter,
  Stream,
  TrailersStatus,
} from '@dragoman/proxy';
import {
  FAILED,
  type GuestHeaderMap,
  type LocalResponse,
  type PropertyValue,
  type RootContext,
  STOP_ALL_AND_WATERMARK,
  STOP_NO_BUFFER,
  type StreamContext,
  type StreamHost,
} from '@dragoman/vm';
import type { WasmFilterInstance } from './filter-type.ts';
import { setStreamProperty } from './foreign/filter-state.ts';
import { StreamBody } from './stream-body.ts';
import { StreamAttributes } from './stream-properties.ts';

const NO_BYTES: Buffer = Buffer.alloc(0);
const STOP_ITERATION = 1;
const BODY_BUFFER = 1;
const FAILURE_DETAILS = 'wasm_fail_stream';
/** Dynamic metadata, for access logs: failed_plugin and failure_cause. */
const METADATA_NAMESPACE = 'envoy.filters.http.wasm';
const GRPC_UNAVAILABLE = 14;

export class WasmFilter implements HttpFilter, StreamHost {
  readonly wantsRequestData: boolean;
  readonly wantsResponseData: boolean;
  readonly #instance: WasmFilterInstance;
  readonly #requestBody: StreamBody;
  readonly #responseBody: StreamBody;
  readonly #attributes: StreamAttributes;
  #stream: Stream | null = null;
  #context: StreamContext | null = null;
  /** The guest has no say in this stream any more: it died, or nothing of it was there to begin with. */
  #bypassed = false;
  /** The last body callback of that direction answered "buffer": the next one sees the whole. */
  #bufferingRequest = false;
  #bufferingResponse = false;
  /** A callback of that direction is on the stack; continueStream then only says that it must not pause. */
  #inDecode = false;
  #inEncode = false;
  #continueDecode = false;
  #continueEncode = false;
  /** Headers wait (StopIteration) while body callbacks go on, and what those let pass waits for a call-out's answer. */
  #requestHeadersPaused = false;
  #requestHeldForCallouts = false;
  /** That direction waits for the guest to say that it goes on. */
  #requestPaused = false;
  #responsePaused = false;

  constructor(instance: WasmFilterInstance) {
    this.#instance = instance;
    this.wantsRequestData = instance.wantsRequestData;
    this.wantsResponseData = instance.wantsResponseData;
    this.#requestBody = new StreamBody(this, false);
    this.#responseBody = new StreamBody(this, true);
    this.#attributes = new StreamAttributes(instance);
  }

  /** For foreign functions that act on the proxy's stream; null between streams. */
  get proxyStream(): Stream | null {
    return this.#stream;
  }

  // --- the filter chain ---

  decodeHeaders(stream: Stream, headers: RequestHeaders, endStream: boolean): HeadersStatus {
    const root = this.#instance.plugin.acquire();
    if (root === null || !this.#begin(stream, root)) return this.#failDecode(stream, STOP_ALL_AND_WATERMARK);
    if (this.#instance.changesRequests) stream.decode.mayChange = true;
    this.#inDecode = true;
    const status = this.#context!.onRequestHeaders(headers, endStream);
    const answer = this.#leaveDecode(stream, status, STOP_ALL_AND_WATERMARK) as HeadersStatus;
    this.#requestHeadersPaused = answer === STOP_ITERATION;
    this.#requestPaused = answer !== 0;
    return answer;
  }

  decodeData(stream: Stream, data: DataFrame, endStream: boolean): DataStatus {
    if (this.#bypassed || this.#context === null) return 0;
    if (this.#bufferingRequest) {
      stream.addDecodedData(this, data.bytes, false);
      data.bytes = NO_BYTES;
      // Over the limit the stream has been answered meanwhile.
      if (this.#stream === null || stream.decode.aborted) return STOP_NO_BUFFER;
    } else this.#requestBody.frame = data;
    this.#inDecode = true;
    const status = this.#context.onRequestBody(this.#requestBody, endStream);
    this.#requestBody.frame = null;
    const answer = this.#leaveDecode(stream, status, STOP_NO_BUFFER) as DataStatus;
    this.#bufferingRequest = answer === BODY_BUFFER;
    return this.#pauseRequest(this.#holdForCallouts(answer, BODY_BUFFER)) as DataStatus;
  }

  decodeTrailers(stream: Stream, trailers: HeaderMap): TrailersStatus {
    if (this.#bypassed || this.#context === null) return 0;
    this.#inDecode = true;
    const status = this.#context.onRequestTrailers(trailers);
    const answer = this.#leaveDecode(stream, status, 1);
    return this.#pauseRequest(this.#holdForCallouts(answer, STOP_ITERATION)) as TrailersStatus;
  }

  encodeHeaders(stream: Stream, headers: ResponseHeaders, endStream: boolean): HeadersStatus {
    if (this.#bypassed || this.#context === null) return 0;
    // What was done to the request has nothing to say about whether the response can pass as it is.
    this.#context.mutated = false;
    if (this.#instance.changesResponses) stream.encode.mayChange = true;
    this.#inEncode = true;
    const status = this.#context.onResponseHeaders(headers, endStream);
    return this.#leaveEncode(stream, status, STOP_ALL_AND_WATERMARK) as HeadersStatus;
  }

  encodeData(stream: Stream, data: DataFrame, endStream: boolean): DataStatus {
    if (this.#bypassed || this.#context === null) return 0;
    if (this.#bufferingResponse) {
      stream.addEncodedData(this, data.bytes, false);
      data.bytes = NO_BYTES;
      if (this.#stream === null || stream.encode.aborted) return STOP_NO_BUFFER;
    } else this.#responseBody.frame = data;
    this.#inEncode = true;
    const status = this.#context.onResponseBody(this.#responseBody, endStream);
    this.#responseBody.frame = null;
    const answer = this.#leaveEncode(stream, status, STOP_NO_BUFFER) as DataStatus;
    this.#bufferingResponse = answer === BODY_BUFFER;
    return answer;
  }

  encodeTrailers(stream: Stream, trailers: HeaderMap): TrailersStatus {
    if (this.#bypassed || this.#context === null) return 0;
    this.#inEncode = true;
    const status = this.#context.onResponseTrailers(trailers);
    return this.#leaveEncode(stream, status, 1) as TrailersStatus;
  }

  /** A stream that was answered before it came here is announced only now (S28). */
  onLog(stream: Stream): void {
    if (this.#bypassed) return;
    if (this.#context === null) {
      const root = this.#instance.plugin.acquire();
      if (root === null || !this.#begin(stream, root)) return;
    }
    this.#context!.onLog(stream.requestHeaders, stream.responseHeaders, stream.responseTrailers);
  }

  onDestroy(): void {
    const reusable = !this.#inDecode && !this.#inEncode;
    this.#context?.end();
    this.#stream = null;
    this.#requestBody.attach(null);
    this.#responseBody.attach(null);
    if (!reusable) return;
    const context = this.#context;
    this.#context = null;
    context?.vm.reuseStream(context);
    this.#bypassed = false;
    this.#bufferingRequest = this.#bufferingResponse = false;
    this.#continueDecode = this.#continueEncode = false;
    this.#requestHeadersPaused = this.#requestHeldForCallouts = false;
    this.#requestPaused = this.#responsePaused = false;
    this.#instance.recycle(this);
  }

  #begin(stream: Stream, root: RootContext): boolean {
    this.#stream = stream;
    this.#requestBody.attach(stream);
    this.#responseBody.attach(stream);
    this.#context = root.vm.newStream();
    return this.#context.begin(root, this);
  }

  /** The chain's status for what the guest answered; `stop` is the one of this callback after a failure. */
  #leaveDecode(stream: Stream, status: number, stop: number): number {
    this.#inDecode = false;
    if (status === FAILED) return this.#failDecode(stream, stop);
    if (!this.#continueDecode) return status;
    this.#continueDecode = false;
    this.#requestHeadersPaused = false;
    return 0;
  }

  /**
   * A Continue from body or trailers lets go paused headers, too. In Envoy that takes a request to the upstream before the
   * authorization it waits for has been answered; here it waits as long as a call-out of the stream is under way.
   */
  #holdForCallouts(answer: number, hold: number): number {
    if (answer !== 0 || !this.#requestHeadersPaused || this.#bypassed || this.#context === null)
      return answer;
    this.#requestHeldForCallouts = this.#context.pendingCallouts > 0;
    if (this.#requestHeldForCallouts) return hold;
    this.#requestHeadersPaused = false;
    return answer;
  }

  #leaveEncode(stream: Stream, status: number, stop: number): number {
    this.#inEncode = false;
    if (status === FAILED) return this.#failEncode(stream, stop);
    const answer = this.#continueEncode ? 0 : status;
    this.#continueEncode = false;
    this.#responsePaused = answer !== 0;
    return answer;
  }

  #pauseRequest(answer: number): number {
    this.#requestPaused = answer !== 0;
    return answer;
  }

  #failDecode(stream: Stream, stop: number): HeadersStatus {
    return (this.#failOpen(stream) ? 0 : stop) as HeadersStatus;
  }

  #failEncode(stream: Stream, stop: number): number {
    return this.#failOpen(stream) ? 0 : stop;
  }

  /**
   * Fail open: the stream goes on without the plugin, unless the guest died half-way through changing it. Else 503; the
   * details have Envoy's word and the cause, which is told to access logs in either case.
   */
  #failOpen(stream: Stream): boolean {
    const context = this.#context;
    const { plugin } = this.#instance;
    this.#bypassed = true;
    this.#requestPaused = this.#responsePaused = false;
    const failure = context === null ? null : context.vm.failure;
    if (failure !== null) {
      stream.info.setDynamicMetadata(METADATA_NAMESPACE, 'failed_plugin', plugin.settings.name);
      stream.info.setDynamicMetadata(METADATA_NAMESPACE, 'failure_cause', failure.cause);
    }
    if (plugin.settings.failurePolicy === 'open' && !(context?.diedHere && context.mutated)) {
      plugin.noteBypass();
      return true;
    }
    const details = failure === null ? FAILURE_DETAILS : `${FAILURE_DETAILS}{${failure.cause}}`;
    stream.sendLocalReply(503, '', details, null, GRPC_UNAVAILABLE);
    return false;
  }

  // --- what the guest asks for ---

  continueRequest(): void {
    if (this.#inDecode) this.#continueDecode = true;
    else if (this.#stream !== null) {
      this.#bufferingRequest = this.#requestPaused = false;
      this.#requestHeadersPaused = this.#requestHeldForCallouts = false;
      this.#stream.continueDecoding(this);
    }
  }

  onCalloutsDone(): void {
    if (this.#requestHeldForCallouts && !this.#inDecode) this.continueRequest();
  }

  /** Nobody else would let go what the guest has paused. Whatever else is owed to it meets the policy when it comes. */
  onGuestDied(): void {
    const stream = this.#stream;
    if (stream === null || this.#bypassed) return;
    if (this.#responsePaused) {
      if (this.#failOpen(stream)) stream.continueEncoding(this);
    } else if (this.#requestPaused && this.#failOpen(stream)) stream.continueDecoding(this);
  }

  continueResponse(): void {
    if (this.#inEncode) this.#continueEncode = true;
    else if (this.#stream !== null) {
      this.#bufferingResponse = this.#responsePaused = false;
      this.#stream.continueEncoding(this);
    }
  }

  closeStream(streamType: number): void {
    const stream = this.#stream;
    // A stream has no connection of its own to close.
    if (stream === null || streamType > StreamType.HttpResponse) return;
    if (stream.info.responseCodeDetails === '') stream.info.responseCodeDetails = 'wasm_close_stream';
    stream.resetStream();
  }

  sendLocalResponse(response: LocalResponse): void {
    const { status, body, details, headers } = response;
    const extra: [string, string][] = [];
    for (let i = 0; i < headers.length; i += 2) extra.push([headers[i], headers[i + 1]]);
    const grpcStatus = response.grpcStatus === -1 ? undefined : response.grpcStatus;
    this.#stream?.sendLocalReply(status, body, details, extra, grpcStatus);
  }

  createRequestTrailers(): GuestHeaderMap | null {
    return this.#stream?.addDecodedTrailers() ?? null;
  }

  createResponseTrailers(): GuestHeaderMap | null {
    return this.#stream?.addEncodedTrailers() ?? null;
  }

  clearRouteCache(): void {
    this.#stream?.clearRouteCache();
  }

  getProperty(path: readonly string[]): PropertyValue {
    if (this.#stream === null || this.#context === null) return undefined;
    return this.#attributes.read(this.#stream, this.#context, path);
  }

  setProperty(key: string, value: Buffer): Status {
    if (this.#stream === null) return Status.NotFound;
    return setStreamProperty(this.#stream, this.#context?.root ?? null, key, value);
  }
}
