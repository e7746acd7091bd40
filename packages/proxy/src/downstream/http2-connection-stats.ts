// Counts HTTP/2 client connections in the statistics of their connection manager, from the first byte to the end.

import type { ConnectionManager } from '../connection-manager/connection-manager.ts';
import type { DownstreamConnectionInfo } from '../filter-chain/stream-info.ts';

export function countOpened(manager: ConnectionManager, info: DownstreamConnectionInfo): void {
  const { lane, stats } = manager;
  lane.inc(stats.downstreamCxTotal);
  lane.gaugeInc(stats.downstreamCxActive);
  if (info.tls !== null) {
    lane.inc(stats.downstreamCxSslTotal);
    lane.gaugeInc(stats.downstreamCxSslActive);
  }
  countHttp2(manager);
}

/** A connection that was counted already turns out to speak HTTP/2. */
export function countHttp2({ lane, stats }: ConnectionManager): void {
  lane.inc(stats.downstreamCxHttp2Total);
  lane.gaugeInc(stats.downstreamCxHttp2Active);
}

export function countClosed(
  manager: ConnectionManager,
  info: DownstreamConnectionInfo,
  local: boolean,
  startMs: number,
): void {
  const { lane, stats, worker } = manager;
  lane.inc(stats.downstreamCxDestroy);
  lane.inc(local ? stats.downstreamCxDestroyLocal : stats.downstreamCxDestroyRemote);
  lane.gaugeDec(stats.downstreamCxActive);
  lane.gaugeDec(stats.downstreamCxHttp2Active);
  if (info.tls !== null) lane.gaugeDec(stats.downstreamCxSslActive);
  lane.record(stats.downstreamCxLengthMs, worker.timers.clock.nowMs() - startMs);
}
