// The filter envoy.filters.http.fault: delays requests, aborts them, slows responses down; for as many as configured.

import { Timer } from '@dragoman/base';
import type { HTTPFault } from '@dragoman/config';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  type DataFrame,
  DataStatus,
  type FilterContext,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  ResponseFlag,
  type Stream,
  TrailersStatus,
} from '@dragoman/proxy';
import { FaultSettings } from './fault-settings.ts';
import { FaultStats } from './fault-stats.ts';

const BODY = 'fault filter abort';
const DETAILS = 'fault_filter_abort';
const METADATA_NAMESPACE = 'envoy.filters.http.fault';
/** A limited response goes on in steps of this length (Envoy: 16 a second). */
const STEP_MS = 1000 / 16;

/** What filters of one chain entry share. */
class FaultEntry implements HttpFilterInstance {
  readonly settings: FaultSettings;
  readonly stats: FaultStats;
  readonly name: string;
  readonly timers: FilterContext['timers'];
  readonly #spare: FaultFilter[] = [];

  constructor(settings: FaultSettings, context: FilterContext) {
    this.settings = settings;
    this.stats = new FaultStats(context.stats, context.statPrefix);
    this.name = context.filterName;
    this.timers = context.timers;
  }

  createFilter(): HttpFilter {
    return this.#spare.pop() ?? new FaultFilter(this);
  }

  takeBack(filter: FaultFilter): void {
    if (this.#spare.length < 64) this.#spare.push(filter);
  }
}

class FaultFilter implements HttpFilter {
  readonly #entry: FaultEntry;
  readonly #delayTimer: Timer;
  readonly #paceTimer: Timer;
  #stream: Stream | null = null;
  #settings: FaultSettings;
  #downstreamCluster = '';
  /** This stream counts as an active fault. */
  #active = false;
  /** Bytes per millisecond; 0 = no limit. */
  #pace = 0;
  /** When all the response that has come so far may have gone on (monotonic ms). */
  #paidUntilMs = 0;

  constructor(entry: FaultEntry) {
    this.#entry = entry;
    this.#settings = entry.settings;
    this.#delayTimer = new Timer(() => this.#onDelayEnd());
    this.#paceTimer = new Timer(() => this.#stream?.continueEncoding(this));
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders): HeadersStatus {
    const entry = this.#entry;
    const route = stream.getRoute();
    const settings = (stream.routeConfig(entry.name) as FaultSettings | undefined) ?? entry.settings;
    if (!settings.applies(headers, route === null ? '' : route.clusterFor(headers)))
      return HeadersStatus.Continue;
    this.#stream = stream;
    this.#settings = settings;
    this.#downstreamCluster = settings.countsByDownstreamCluster
      ? (headers.get('x-envoy-downstream-service-cluster') ?? '')
      : '';
    const { runtime } = stream.worker;
    this.#setPace(settings.responseLimitKbps(headers, runtime));
    const delayMs = settings.delayMs(headers, runtime);
    if (delayMs > 0 && this.#begin()) {
      entry.stats.countDelay(this.#downstreamCluster);
      stream.info.addResponseFlag(ResponseFlag.DelayInjected);
      entry.timers.start(this.#delayTimer, delayMs);
      return HeadersStatus.StopIteration;
    }
    return this.#abort(stream, headers) ? HeadersStatus.StopIteration : HeadersStatus.Continue;
  }

  decodeData(): DataStatus {
    return this.#delayTimer.running ? DataStatus.StopIterationAndWatermark : DataStatus.Continue;
  }

  decodeTrailers(): TrailersStatus {
    return this.#delayTimer.running ? TrailersStatus.StopIteration : TrailersStatus.Continue;
  }

  encodeHeaders(_stream: Stream, _headers: ResponseHeaders): HeadersStatus {
    if (this.#pace > 0) this.#paidUntilMs = this.#entry.timers.clock.nowMs() - STEP_MS;
    return HeadersStatus.Continue;
  }

  /** What comes early waits in the stream's buffer until its time; the average is the limit. */
  encodeData(_stream: Stream, data: DataFrame): DataStatus {
    if (this.#pace === 0) return DataStatus.Continue;
    const nowMs = this.#entry.timers.clock.nowMs();
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs - STEP_MS) + data.bytes.length / this.#pace;
    if (this.#paidUntilMs <= nowMs) return DataStatus.Continue;
    this.#entry.timers.start(this.#paceTimer, Math.ceil(this.#paidUntilMs - nowMs), nowMs);
    return DataStatus.StopIterationAndWatermark;
  }

  encodeTrailers(_stream: Stream, _trailers: HeaderMap): TrailersStatus {
    return this.#paceTimer.running ? TrailersStatus.StopIteration : TrailersStatus.Continue;
  }

  onDestroy(): void {
    this.#delayTimer.stop();
    this.#paceTimer.stop();
    if (this.#active) this.#entry.stats.end();
    this.#active = false;
    this.#stream = null;
    this.#settings = this.#entry.settings;
    this.#pace = 0;
    this.#entry.takeBack(this);
  }

  #setPace(limitKbps: number): void {
    if (limitKbps === 0 || !this.#begin()) return;
    this.#pace = (limitKbps * 1024) / 1000;
    this.#entry.stats.lane.inc(this.#entry.stats.responseRlInjected);
  }

  #onDelayEnd(): void {
    const stream = this.#stream;
    const headers = stream?.requestHeaders;
    if (!stream || !headers) return;
    if (!this.#abort(stream, headers)) stream.continueDecoding(this);
  }

  #abort(stream: Stream, headers: RequestHeaders): boolean {
    const { httpStatus, grpcStatus } = this.#settings.abort(headers, stream.worker.runtime);
    if ((httpStatus < 0 && grpcStatus < 0) || !this.#begin()) return false;
    this.#entry.stats.countAbort(this.#downstreamCluster);
    stream.info.addResponseFlag(ResponseFlag.FaultInjected);
    if (httpStatus >= 0) stream.sendLocalReply(httpStatus, BODY, DETAILS);
    else stream.sendLocalReply(200, BODY, DETAILS, null, grpcStatus);
    return true;
  }

  /** Counts this stream among the active faults; false when there are too many already. */
  #begin(): boolean {
    if (this.#active) return true;
    const { stats } = this.#entry;
    const stream = this.#stream;
    if (stream === null) return false;
    if (stats.active >= this.#settings.maxActiveFaults(stream.worker.runtime)) {
      stats.lane.inc(stats.faultsOverflow);
      return false;
    }
    this.#active = true;
    stats.begin();
    const { metadata } = this.#settings;
    for (const [key, value] of Object.entries(metadata ?? {}))
      stream.info.setDynamicMetadata(METADATA_NAMESPACE, key, value);
    return true;
  }
}

export const faultFilterType: HttpFilterType<HTTPFault, HTTPFault> = {
  name: 'envoy.filters.http.fault',
  configTypes: ['envoy.extensions.filters.http.fault.v3.HTTPFault'],
  routeConfigTypes: ['envoy.extensions.filters.http.fault.v3.HTTPFault'],
  create(config, context) {
    return new FaultEntry(new FaultSettings(config, false), context);
  },
  compileRouteConfig(config) {
    return new FaultSettings(config, true);
  },
};
