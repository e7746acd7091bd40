// The filter chains of one listener, compiled: what a connection runs through from its first byte on.

import type { Timers } from '@dragoman/base';
import type { AccessLog } from '../access-log/access-log.ts';
import type { AccessLogSink } from '../access-log/access-log-type.ts';
import type { ConnectionHandler } from '../downstream/connection-owner.ts';
import type { ListenerFilters } from '../listener-filter/listener-filters.ts';
import type { DownstreamTls } from '../tls/downstream-tls.ts';
import type { FilterChainMatcher } from './filter-chain-match.ts';

export interface NetworkChain {
  readonly name: string;
  /** Null: plaintext. */
  readonly tls: DownstreamTls | null;
  readonly handler: ConnectionHandler;
}

/** One version of a listener's configuration. Connections keep the version they began with. */
export class ListenerChains {
  readonly matcher: FilterChainMatcher<NetworkChain>;
  readonly filters: ListenerFilters;
  readonly accessLogs: readonly AccessLog[];
  readonly timers: Timers;
  readonly #all: readonly NetworkChain[];
  readonly #sinks: readonly AccessLogSink[];
  /** The chain that takes every accepted socket as it is; null when there is anything to look at first. */
  readonly direct: NetworkChain | null;

  constructor(
    all: readonly NetworkChain[],
    matcher: FilterChainMatcher<NetworkChain>,
    filters: ListenerFilters,
    accessLogs: readonly AccessLog[],
    timers: Timers,
    sinks: readonly AccessLogSink[],
  ) {
    this.#sinks = sinks;
    this.#all = all;
    this.matcher = matcher;
    this.filters = filters;
    this.accessLogs = accessLogs;
    this.timers = timers;
    const { proxyProtocol, tlsInspector, httpInspector } = filters;
    const looks = proxyProtocol !== null || tlsInspector !== null || httpInspector !== null;
    this.direct = !looks && matcher.only?.tls === null ? matcher.only : null;
  }

  /** Reads the files of the TLS contexts again. @throws what reading certificates throws. */
  reloadTls(): void {
    for (const { tls } of this.#all) tls?.reload();
  }

  close(): void {
    for (const { handler } of this.#all) handler.close();
    for (const sink of this.#sinks) sink.close?.();
  }
}
