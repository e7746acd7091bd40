// The two ends of a stream's pipelines: how each direction calls a filter, and where things go past the last one.

import { HeaderId, type HeaderMap } from '@dragoman/http';
import { type DataFrame, DataStatus, HeadersStatus, type HttpFilter, TrailersStatus } from './filter.ts';
import type { PipelineEnds } from './filter-pipeline.ts';
import { answerMissingHeader } from './local-reply.ts';
import type { Stream } from './stream.ts';

export class DecodeEnds implements PipelineEnds {
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  hasHeadersCallback(filter: HttpFilter): boolean {
    return filter.decodeHeaders !== undefined;
  }

  hasDataCallback(filter: HttpFilter): boolean {
    return filter.decodeData !== undefined && filter.wantsRequestData !== false;
  }

  hasTrailersCallback(filter: HttpFilter): boolean {
    return filter.decodeTrailers !== undefined;
  }

  get hasTrailers(): boolean {
    return this.#stream.requestTrailers !== null;
  }

  callHeaders(filter: HttpFilter, endStream: boolean): HeadersStatus {
    const stream = this.#stream;
    return filter.decodeHeaders?.(stream, stream.requestHeaders!, endStream) ?? HeadersStatus.Continue;
  }

  callData(filter: HttpFilter, frame: DataFrame, endStream: boolean): DataStatus {
    return filter.decodeData?.(this.#stream, frame, endStream) ?? DataStatus.Continue;
  }

  callTrailers(filter: HttpFilter): TrailersStatus {
    const stream = this.#stream;
    return filter.decodeTrailers?.(stream, stream.requestTrailers!) ?? TrailersStatus.Continue;
  }

  get announcesLength(): boolean {
    const headers = this.#stream.requestHeaders!;
    // A client that waits to be told to go on sends nothing before the upstream has the headers.
    return headers.hasId(HeaderId.CONTENT_LENGTH) && !headers.hasId(HeaderId.EXPECT);
  }

  announceLength(bytes: number, whole: boolean): void {
    announceLength(this.#stream.requestHeaders!, bytes, whole);
  }

  deliverHeaders(endStream: boolean): void {
    this.#stream.terminal.decodeHeaders(this.#stream.requestHeaders!, endStream);
  }

  deliverData(bytes: Buffer, endStream: boolean): void {
    this.#stream.terminal.decodeData(bytes, endStream);
  }

  deliverTrailers(): void {
    this.#stream.terminal.decodeTrailers(this.#stream.requestTrailers!);
  }

  overflow(): void {
    const { manager } = this.#stream;
    manager.lane.inc(manager.stats.downstreamRqTooLarge);
    this.#stream.closeConnection = true;
    this.#stream.sendLocalReply(413, 'Payload Too Large', 'request_payload_too_large');
  }

  pauseSource(paused: boolean): void {
    this.#stream.pauseRequest(paused);
  }
}

export class EncodeEnds implements PipelineEnds {
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  hasHeadersCallback(filter: HttpFilter): boolean {
    return filter.encodeHeaders !== undefined;
  }

  hasDataCallback(filter: HttpFilter): boolean {
    return filter.encodeData !== undefined && filter.wantsResponseData !== false;
  }

  hasTrailersCallback(filter: HttpFilter): boolean {
    return filter.encodeTrailers !== undefined;
  }

  get hasTrailers(): boolean {
    return this.#stream.responseTrailers !== null;
  }

  callHeaders(filter: HttpFilter, endStream: boolean): HeadersStatus {
    const stream = this.#stream;
    return filter.encodeHeaders?.(stream, stream.responseHeaders!, endStream) ?? HeadersStatus.Continue;
  }

  callData(filter: HttpFilter, frame: DataFrame, endStream: boolean): DataStatus {
    return filter.encodeData?.(this.#stream, frame, endStream) ?? DataStatus.Continue;
  }

  callTrailers(filter: HttpFilter): TrailersStatus {
    const stream = this.#stream;
    return filter.encodeTrailers?.(stream, stream.responseTrailers!) ?? TrailersStatus.Continue;
  }

  get announcesLength(): boolean {
    return this.#stream.responseHeaders!.hasId(HeaderId.CONTENT_LENGTH);
  }

  announceLength(bytes: number, whole: boolean): void {
    announceLength(this.#stream.responseHeaders!, bytes, whole);
  }

  deliverHeaders(endStream: boolean): void {
    const stream = this.#stream;
    if (stream.responseHeaders?.status === 0) answerMissingHeader(stream, 502, ':status', 'response');
    else stream.sendHeaders(endStream);
  }

  deliverData(bytes: Buffer, endStream: boolean): void {
    this.#stream.sendData(bytes, endStream);
  }

  deliverTrailers(): void {
    this.#stream.sendTrailers();
  }

  overflow(): void {
    const stream = this.#stream;
    // What the client has not seen yet can still be another response.
    stream.encode.releaseHead(true);
    stream.manager.lane.inc(stream.manager.stats.rsTooLarge);
    if (stream.responseStarted) {
      stream.info.responseCodeDetails = 'response_payload_too_large';
      stream.resetStream();
    } else {
      stream.sendLocalReply(500, 'Internal Server Error', 'response_payload_too_large');
    }
  }

  pauseSource(paused: boolean): void {
    this.#stream.pauseResponse(paused);
  }
}

/** The length of the whole body, or none where that is not known; a length that may still come true stays. */
function announceLength(headers: HeaderMap, bytes: number, whole: boolean): void {
  const length = String(bytes);
  if (headers.getId(HeaderId.CONTENT_LENGTH) === length) return;
  if (whole) headers.set('content-length', length);
  else headers.removeId(HeaderId.CONTENT_LENGTH);
}
