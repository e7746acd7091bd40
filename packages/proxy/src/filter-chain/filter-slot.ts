// What one filter of one stream and direction is holding back. Slots are reused from request to request.

import { BodyBuffer } from '@dragoman/http';
import type { HttpFilter } from './filter.ts';

/** How headers are stopped at a filter. */
export const Stop = {
  /** They are not. */
  None: 0,
  /** The filter waits, and is shown data (StopIteration). */
  Single: 1,
  /** The filter waits and sees nothing; what comes is buffered up to the limit (StopAllIterationAndBuffer). */
  AllBuffer: 2,
  /** The same, but at the limit the source is paused (StopAllIterationAndWatermark). */
  AllWatermark: 3,
} as const;
export type Stop = (typeof Stop)[keyof typeof Stop];

export class FilterSlot {
  filter: HttpFilter;
  stop: Stop = Stop.None;
  /** The headers have gone past this filter. */
  headersForwarded = false;
  /** The end-of-stream flag with which the headers came. */
  headersEnd = false;
  /** The filter answered a data frame with a Stop status. */
  dataStopped = false;
  /** Body bytes waiting here, or added by the filter for those after it. */
  held: BodyBuffer | null = null;
  /** The end of the stream is waiting here with the data. */
  heldEnd = false;
  heldTrailers = false;
  /** The filter has been shown the trailers that wait here. */
  trailersSeen = false;
  /** The source was paused because this slot is over the limit. */
  pausedSource = false;

  constructor(filter: HttpFilter) {
    this.filter = filter;
  }

  assign(filter: HttpFilter): void {
    this.filter = filter;
    this.stop = Stop.None;
    this.headersForwarded = false;
    this.headersEnd = false;
    this.dataStopped = false;
    this.held = null;
    this.heldEnd = false;
    this.heldTrailers = false;
    this.trailersSeen = false;
    this.pausedSource = false;
  }

  hold(bytes: Buffer): void {
    if (this.held === null) this.held = new BodyBuffer();
    if (bytes.length > 0) this.held.appendCopy(bytes);
  }

  /** The held bytes as one piece; nothing is held afterwards. */
  take(): Buffer {
    const held = this.held;
    this.held = null;
    return held === null ? EMPTY : held.toBuffer();
  }
}

export const EMPTY: Buffer = Buffer.alloc(0);
