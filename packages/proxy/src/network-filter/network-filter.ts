// The network filter interface, in Envoy's terms: what stands between a listener and the last filter of a chain, and sees
// the bytes of a connection both ways. Everything here runs on the worker that owns the connection.

import type { BodyBuffer } from '@dragoman/http';
import type { FilterContext } from '../filter-chain/filter.ts';
import type { DownstreamConnectionInfo, StreamInfo } from '../filter-chain/stream-info.ts';

/** What the callbacks answer (Envoy: Network::FilterStatus). */
export const NetworkStatus = {
  Continue: 0,
  /** Later filters see nothing, and the bytes stay where they are: the next callback has them and what came after. */
  StopIteration: 1,
} as const;
export type NetworkStatus = (typeof NetworkStatus)[keyof typeof NetworkStatus];

/** Who has ended a connection. */
export type ClosingPeer = 'local' | 'remote';

/** A connection as its filters see it. */
export interface FilteredConnectionView {
  readonly info: DownstreamConnectionInfo;
  /** Facts about the connection; a TCP proxy at the end of the chain writes into the same object. */
  readonly streamInfo: StreamInfo;
  /** Goes on behind `filter`, which has stopped, with the bytes that wait. */
  continueReading(filter: NetworkFilter): void;
  /** Ends the connection; what has been written still goes out. `details` are for %CONNECTION_TERMINATION_DETAILS%. */
  close(details: string): void;
}

/** One filter on one connection. A missing callback continues. */
export interface NetworkFilter {
  /** Before everything else; the last filter of the chain sees the connection only after all have continued. */
  onNewConnection?(): NetworkStatus;
  /** `data` is all that was read and not yet passed on; the filter may change it. */
  onData?(data: BodyBuffer, endStream: boolean): NetworkStatus;
  /** `data` is on its way to the client. Filters are asked in reverse order. */
  onWrite?(data: BodyBuffer, endStream: boolean): NetworkStatus;
  /** The last call. */
  onClose?(peer: ClosingPeer): void;
}

/** Makes the filters of one entry; made once per worker and configuration. */
export interface NetworkFilterInstance {
  /** The filter for a new connection, or null when this entry has nothing to do for it. */
  createFilter(connection: FilteredConnectionView): NetworkFilter | null;
  /** Releases what the entry holds; called when its configuration is dropped. */
  close?(): void;
}

/** A filter type: registered once, by the type name of its configuration. */
export interface NetworkFilterType<Config = unknown> {
  /** Envoy's name, "envoy.filters.network.wasm". */
  readonly name: string;
  /** Full protobuf names of the configuration. */
  readonly configTypes: readonly string[];
  /** Checks what the schema cannot; runs on the main thread while the configuration is loaded. */
  validate?(config: Config, report: (path: string, message: string) => void): void;
  /** `context.statPrefix` is ''. */
  create(config: Config, context: FilterContext): NetworkFilterInstance;
}
