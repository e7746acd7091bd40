// Runs headers, data and trailers of one direction through the filters of one stream: a loop with an index,
// which a Stop status leaves and continue() enters again where it left. Knows nothing of HTTP or sockets.

import type { BodyBuffer } from '@dragoman/http';
import { type DataFrame, DataStatus, HeadersStatus, type HttpFilter, TrailersStatus } from './filter.ts';
import { EMPTY, FilterSlot, Stop } from './filter-slot.ts';

/** What a pipeline needs of the stream it belongs to; the decode and encode sides each implement it. */
export interface PipelineEnds {
  callHeaders(filter: HttpFilter, endStream: boolean): HeadersStatus;
  callData(filter: HttpFilter, frame: DataFrame, endStream: boolean): DataStatus;
  callTrailers(filter: HttpFilter): TrailersStatus;
  hasHeadersCallback(filter: HttpFilter): boolean;
  hasDataCallback(filter: HttpFilter): boolean;
  hasTrailersCallback(filter: HttpFilter): boolean;
  /** There are trailers now; asked after a filter has seen the end of the data, where it may have made some. */
  readonly hasTrailers: boolean;
  /** The headers say how long the body is. */
  readonly announcesLength: boolean;
  /** Has them say what is true of a changed body: its first piece, or all of it, has so many bytes. */
  announceLength(bytes: number, whole: boolean): void;
  /** Past the last filter. */
  deliverHeaders(endStream: boolean): void;
  deliverData(bytes: Buffer, endStream: boolean): void;
  deliverTrailers(): void;
  /** A filter that buffers has more than the limit. */
  overflow(): void;
  /** A filter that holds back with a watermark went over (true) or is under the limit again (false). */
  pauseSource(paused: boolean): void;
}

export class FilterPipeline {
  readonly #ends: PipelineEnds;
  readonly #slots: FilterSlot[] = [];
  #length = 0;
  #anyData = false;
  #anyStopped = false;
  /** Set when nothing may run any more: a local reply, a reset, the end of the stream. */
  aborted = false;
  /** A filter may yet change the body: headers that announce its length wait for what comes first of it. */
  mayChange = false;
  /** A filter has changed the body. */
  changed = false;
  #headWaits = false;
  /** Most bytes one filter may hold back. */
  limitBytes = 0;
  /** The filter whose callback runs now; what it adds is added behind it. */
  #current = -1;

  constructor(ends: PipelineEnds) {
    this.#ends = ends;
  }

  get length(): number {
    return this.#length;
  }

  /** Empties the pipeline for the next request. */
  reset(limitBytes: number): void {
    for (let i = 0; i < this.#length; i++) this.#slots[i].held = null;
    this.#length = 0;
    this.#anyData = false;
    this.#anyStopped = false;
    this.aborted = false;
    this.mayChange = this.changed = this.#headWaits = false;
    this.limitBytes = limitBytes;
    this.#current = -1;
  }

  add(filter: HttpFilter): void {
    const index = this.#length++;
    if (index < this.#slots.length) this.#slots[index].assign(filter);
    else this.#slots.push(new FilterSlot(filter));
    if (this.#ends.hasDataCallback(filter)) this.#anyData = true;
  }

  /** Headers that all filters have let pass wait for the body's first piece. */
  get headWaits(): boolean {
    return this.#headWaits;
  }

  /** Lets them go as they are, for a message that goes no further; or, with `drop`, forgets them. */
  releaseHead(drop = false): void {
    if (!this.#headWaits) return;
    this.#headWaits = false;
    if (!drop) this.#ends.deliverHeaders(false);
  }

  /** Some filter looks at data: it is shown as Envoy's codecs show it. */
  get showsData(): boolean {
    return this.#anyData;
  }

  /** The bytes held back for (or by) the filter that runs now, or the last filter that holds any. */
  get held(): BodyBuffer | null {
    if (this.#current >= 0 && this.#slots[this.#current].held !== null)
      return this.#slots[this.#current].held;
    for (let i = this.#length - 1; i >= 0; i--) if (this.#slots[i].held !== null) return this.#slots[i].held;
    return null;
  }

  /** True while some filter holds back headers, data or trailers. */
  get stopped(): boolean {
    if (!this.#anyStopped) return false;
    for (let i = 0; i < this.#length; i++) {
      const slot = this.#slots[i];
      if (slot.stop !== Stop.None || slot.dataStopped || slot.heldTrailers) return true;
    }
    return false;
  }

  headers(endStream: boolean): void {
    if (this.#length === 0) this.#ends.deliverHeaders(endStream);
    else this.#runHeaders(0, endStream);
  }

  data(bytes: Buffer, endStream: boolean): void {
    if (this.#anyData || this.#anyStopped) this.#runData(0, bytes, endStream);
    else this.#ends.deliverData(bytes, endStream);
  }

  trailers(): void {
    this.#runTrailers(0);
  }

  /** A filter that stopped goes on: what waits at it moves to the filters after it. */
  continue(filter: HttpFilter): void {
    if (this.aborted) return;
    const index = this.#indexOf(filter);
    if (index < 0) return;
    const slot = this.#slots[index];
    if (slot.stop === Stop.None && !slot.dataStopped && !slot.heldTrailers) return;
    const sawNothing = slot.stop >= Stop.AllBuffer;
    slot.stop = Stop.None;
    slot.dataStopped = false;
    const end = slot.heldEnd || (slot.headersEnd && slot.held !== null);
    const held = slot.held !== null || slot.heldEnd;
    if (!slot.headersForwarded) {
      slot.headersForwarded = true;
      this.#runHeaders(index + 1, slot.headersEnd && !held);
      if (this.aborted) return;
    }
    if (held) {
      slot.heldEnd = false;
      const bytes = slot.take();
      this.#resumeSource(slot);
      this.#runData(sawNothing ? index : index + 1, bytes, end);
      if (this.aborted) return;
    }
    // Trailers that the filter has not seen run into it even when its body callback has just stopped again.
    if (slot.heldTrailers && slot.stop === Stop.None && (!slot.dataStopped || !slot.trailersSeen)) {
      slot.heldTrailers = false;
      this.#runTrailers(slot.trailersSeen ? index + 1 : index);
    }
  }

  /** Adds body bytes behind `filter`: with what it holds while it stops, else right to the next filter. */
  addData(filter: HttpFilter, bytes: Buffer, streaming: boolean): void {
    if (this.aborted) return;
    const index = this.#indexOf(filter);
    if (index < 0) return;
    const slot = this.#slots[index];
    if (!slot.headersForwarded || slot.stop !== Stop.None || slot.dataStopped) {
      slot.hold(bytes);
      this.#anyStopped = true;
      this.#checkLimit(slot, streaming || slot.stop === Stop.AllWatermark);
    } else {
      this.#runData(index + 1, bytes, false);
    }
  }

  #indexOf(filter: HttpFilter): number {
    for (let i = 0; i < this.#length; i++) if (this.#slots[i].filter === filter) return i;
    return -1;
  }

  #runHeaders(from: number, endStream: boolean): void {
    const ends = this.#ends;
    let added = -1;
    let synthesizedEnd = -1;
    for (let i = from; i < this.#length; i++) {
      const slot = this.#slots[i];
      slot.headersEnd = endStream;
      if (!ends.hasHeadersCallback(slot.filter)) {
        slot.headersForwarded = true;
        continue;
      }
      const outer = this.#current;
      this.#current = i;
      const status = ends.callHeaders(slot.filter, endStream);
      this.#current = outer;
      if (this.aborted) return;
      if (status === HeadersStatus.StopIteration || status >= HeadersStatus.StopAllIterationAndBuffer) {
        this.#anyStopped = true;
        slot.stop =
          status === HeadersStatus.StopIteration
            ? Stop.Single
            : status === HeadersStatus.StopAllIterationAndBuffer
              ? Stop.AllBuffer
              : Stop.AllWatermark;
        if (added >= 0) this.#flushAdded(added, i);
        return;
      }
      slot.headersForwarded = true;
      if (status === HeadersStatus.ContinueAndDontEndStream && endStream) {
        endStream = false;
        synthesizedEnd = i;
      }
      if (slot.held !== null) {
        if (added < 0) added = i;
        if (endStream) {
          slot.heldEnd = true;
          endStream = false;
        }
      }
    }
    this.#deliverHeaders(endStream);
    if (added >= 0 && !this.aborted) this.#flushAdded(added, this.#length);
    if (synthesizedEnd >= 0 && !this.aborted) this.#runData(synthesizedEnd + 1, EMPTY, true);
  }

  /** Sends on what filters added while they saw the headers. */
  #flushAdded(from: number, to: number): void {
    for (let i = from; i < to && !this.aborted; i++) {
      const slot = this.#slots[i];
      if (slot.held === null || slot.stop !== Stop.None) continue;
      const end = slot.heldEnd;
      slot.heldEnd = false;
      this.#runData(i + 1, slot.take(), end);
    }
  }

  #runData(from: number, bytes: Buffer, endStream: boolean): void {
    const ends = this.#ends;
    let frame: DataFrame | null = null;
    let trailersFrom = -1;
    for (let i = from; i < this.#length; i++) {
      const slot = this.#slots[i];
      if (slot.stop >= Stop.AllBuffer) {
        this.#hold(slot, bytes, endStream, slot.stop === Stop.AllWatermark);
        if (trailersFrom >= 0) this.#runAddedTrailers(trailersFrom);
        return;
      }
      let status: DataStatus =
        slot.stop === Stop.Single ? DataStatus.StopIterationAndBuffer : DataStatus.Continue;
      if (ends.hasDataCallback(slot.filter)) {
        if (frame === null) frame = { bytes };
        else frame.bytes = bytes;
        const outer = this.#current;
        this.#current = i;
        status = ends.callData(slot.filter, frame, endStream);
        this.#current = outer;
        if (this.aborted) return;
        bytes = frame.bytes;
        if (endStream && ends.hasTrailers) {
          endStream = false;
          trailersFrom = i;
        }
      }
      if (status !== DataStatus.Continue) {
        this.#anyStopped = true;
        slot.dataStopped = true;
        if (status === DataStatus.StopIterationNoBuffer) slot.heldEnd ||= endStream;
        else this.#hold(slot, bytes, endStream, status === DataStatus.StopIterationAndWatermark);
        if (trailersFrom >= 0) this.#runAddedTrailers(trailersFrom);
        return;
      }
      slot.dataStopped = false;
      if (slot.held !== null) {
        slot.held.appendCopy(bytes);
        bytes = slot.take();
        this.#resumeSource(slot);
      }
      if (slot.stop === Stop.Single) {
        slot.stop = Stop.None;
        slot.headersForwarded = true;
        this.#runHeaders(i + 1, false);
        if (this.aborted) return;
      }
    }
    this.#deliverData(bytes, endStream);
    if (trailersFrom >= 0) this.#runAddedTrailers(trailersFrom);
  }

  /** Trailers that a filter made with the end of the data are for the filters behind it, once it lets the data pass. */
  #runAddedTrailers(from: number): void {
    if (this.aborted) return;
    const slot = this.#slots[from];
    slot.trailersSeen = true;
    if (slot.dataStopped) slot.heldTrailers = true;
    else this.#runTrailers(from + 1);
  }

  #runTrailers(from: number): void {
    const ends = this.#ends;
    for (let i = from; i < this.#length; i++) {
      const slot = this.#slots[i];
      if (slot.stop >= Stop.AllBuffer) {
        slot.heldTrailers = true;
        return;
      }
      if (ends.hasTrailersCallback(slot.filter)) {
        slot.trailersSeen = true;
        const outer = this.#current;
        this.#current = i;
        const status = ends.callTrailers(slot.filter);
        this.#current = outer;
        if (this.aborted) return;
        if (status === TrailersStatus.StopIteration) {
          this.#anyStopped = true;
          slot.heldTrailers = true;
          return;
        }
      }
      if (!this.#releaseBeforeTrailers(slot, i)) return;
    }
    if (this.#passHead(0, false)) ends.deliverTrailers();
  }

  #deliverHeaders(endStream: boolean): void {
    if (this.mayChange && !endStream && this.#ends.announcesLength) this.#headWaits = true;
    else this.#ends.deliverHeaders(endStream);
  }

  #deliverData(bytes: Buffer, endStream: boolean): void {
    if (this.#passHead(bytes.length, endStream)) this.#ends.deliverData(bytes, endStream);
  }

  /** Headers that wait go before the first piece of the body, or all of it. */
  #passHead(bytes: number, whole: boolean): boolean {
    if (!this.#headWaits) return true;
    this.#headWaits = false;
    if (this.changed) this.#ends.announceLength(bytes, whole);
    this.#ends.deliverHeaders(false);
    return !this.aborted;
  }

  /** A filter that lets the trailers pass lets pass what it held back, too. */
  #releaseBeforeTrailers(slot: FilterSlot, index: number): boolean {
    if (slot.stop === Stop.Single) {
      slot.stop = Stop.None;
      slot.headersForwarded = true;
      this.#runHeaders(index + 1, false);
      if (this.aborted) return false;
    }
    slot.dataStopped = false;
    if (slot.held !== null) {
      const bytes = slot.take();
      this.#resumeSource(slot);
      this.#runData(index + 1, bytes, false);
    }
    return !this.aborted;
  }

  #hold(slot: FilterSlot, bytes: Buffer, endStream: boolean, watermark: boolean): void {
    slot.hold(bytes);
    slot.heldEnd ||= endStream;
    this.#checkLimit(slot, watermark);
  }

  #checkLimit(slot: FilterSlot, watermark: boolean): void {
    if (slot.held === null || slot.held.length <= this.limitBytes) return;
    if (!watermark) this.#ends.overflow();
    else if (!slot.pausedSource) {
      slot.pausedSource = true;
      this.#ends.pauseSource(true);
    }
  }

  #resumeSource(slot: FilterSlot): void {
    if (!slot.pausedSource) return;
    slot.pausedSource = false;
    this.#ends.pauseSource(false);
  }
}
