// The HTTP filter interface, in Envoy's terms: what a filter implements, and the statuses it answers with.
// The stream that calls it is in stream.ts; everything here runs on the worker that owns the connection.

import type { Logger, Timers } from '@dragoman/base';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type { StatLane } from '@dragoman/shm';
import type { ClusterManager } from '../cluster/cluster-manager.ts';
import type { AsyncClient } from '../upstream/async-client.ts';
import type { Stream } from './stream.ts';

/** What decodeHeaders and encodeHeaders answer (Envoy: FilterHeadersStatus). */
export const HeadersStatus = {
  /** Go on with the next filter. */
  Continue: 0,
  /** Wait; data still comes to this filter (decodeData / encodeData), which can buffer it. */
  StopIteration: 1,
  /** Go on, but do not tell later filters that the stream ends here: this filter will add a body. */
  ContinueAndDontEndStream: 2,
  /** Wait, and buffer data without showing it to this filter; over the limit: 413, or a reset. */
  StopAllIterationAndBuffer: 3,
  /** Wait, and buffer data without showing it to this filter; over the limit: stop reading. */
  StopAllIterationAndWatermark: 4,
} as const;
export type HeadersStatus = (typeof HeadersStatus)[keyof typeof HeadersStatus];

/** What decodeData and encodeData answer (Envoy: FilterDataStatus). */
export const DataStatus = {
  /** Go on, with what was buffered before this frame in front of it. */
  Continue: 0,
  /** Keep this frame in the stream's buffer; over the limit: 413, or a reset. */
  StopIterationAndBuffer: 1,
  /** Keep this frame in the stream's buffer; over the limit: stop reading. */
  StopIterationAndWatermark: 2,
  /** Drop this frame: the filter has taken what it wants of it. */
  StopIterationNoBuffer: 3,
} as const;
export type DataStatus = (typeof DataStatus)[keyof typeof DataStatus];

/** What decodeTrailers and encodeTrailers answer (Envoy: FilterTrailersStatus). */
export const TrailersStatus = { Continue: 0, StopIteration: 1 } as const;
export type TrailersStatus = (typeof TrailersStatus)[keyof typeof TrailersStatus];

/**
 * One piece of a body on its way through the chain. `bytes` is borrowed: valid until the callback
 * returns; a filter that keeps it copies it. A filter changes the body by assigning `bytes`.
 */
export interface DataFrame {
  bytes: Buffer;
}

/**
 * One filter on one stream. A filter that keeps nothing between callbacks may be one object shared by all
 * streams: everything about the stream is in the first argument. Every callback is optional; a missing one continues.
 */
export interface HttpFilter {
  /** False: the filter has decodeData (encodeData), but lets all data of this stream pass as it is. */
  readonly wantsRequestData?: boolean;
  readonly wantsResponseData?: boolean;
  decodeHeaders?(stream: Stream, headers: RequestHeaders, endStream: boolean): HeadersStatus;
  decodeData?(stream: Stream, data: DataFrame, endStream: boolean): DataStatus;
  decodeTrailers?(stream: Stream, trailers: HeaderMap): TrailersStatus;
  encodeHeaders?(stream: Stream, headers: ResponseHeaders, endStream: boolean): HeadersStatus;
  encodeData?(stream: Stream, data: DataFrame, endStream: boolean): DataStatus;
  encodeTrailers?(stream: Stream, trailers: HeaderMap): TrailersStatus;
  /** The stream is complete; runs before the access log is written. */
  onLog?(stream: Stream): void;
  /** The last call. Nothing of the stream may be touched afterwards; pending asynchronous work must be cancelled. */
  onDestroy?(stream: Stream): void;
}

/** Makes the filters of one filter-chain entry; made once per worker and configuration. */
export interface HttpFilterInstance {
  /** The filter for a new stream, or null when this entry has nothing to do for it. */
  createFilter(stream: Stream): HttpFilter | null;
  /** Releases what the entry holds (VM contexts, timers); called when its configuration is dropped. */
  close?(): void;
}

/** What an entry may use of its worker. */
export interface FilterContext {
  /** `http_filters[].name` from the configuration. */
  readonly filterName: string;
  /** Statistics prefix of the connection manager, with trailing dot: "http.ingress_http.". */
  readonly statPrefix: string;
  readonly stats: StatLane;
  readonly clusters: ClusterManager;
  readonly asyncClient: AsyncClient;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Things prepared by the main thread for this configuration, by key (compiled Wasm modules, ...). */
  readonly attachments: ReadonlyMap<string, unknown>;
  /** Index of this worker, 0-based; -1 when the main thread only validates. */
  readonly workerIndex: number;
  readonly concurrency: number;
  /** The listener this chain belongs to, for properties and logs. */
  readonly listener: { readonly name: string; readonly direction: string; readonly metadata?: unknown };
}

/** A filter type: registered once, by the type name of its configuration. */
export interface HttpFilterType<Config = unknown, RouteConfig = unknown> {
  /** Envoy's name, "envoy.filters.http.fault". */
  readonly name: string;
  /** Full protobuf names of the configuration, such as "envoy.extensions.filters.http.fault.v3.HTTPFault". */
  readonly configTypes: readonly string[];
  /** Full names of the per-route configuration, where the filter has one. */
  readonly routeConfigTypes?: readonly string[];
  /** True for the router: it must be last in the chain, and nothing else may be. */
  readonly terminal?: boolean;
  /**
   * Checks what the schema cannot; runs on the main thread while the configuration is loaded.
   * `report` takes a path inside the configuration ("abort.percentage") and the fact.
   */
  validate?(config: Config, report: (path: string, message: string) => void): void;
  create(config: Config, context: FilterContext): HttpFilterInstance;
  /** Turns a decoded per-route configuration into what filters read through stream.routeConfig(name). */
  compileRouteConfig?(config: RouteConfig, context: FilterContext): unknown;
}
