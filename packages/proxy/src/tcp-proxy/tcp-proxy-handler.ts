// The TCP proxy as the end of a filter chain: what all its connections share. Made once per worker and configuration.

import type { Socket } from 'node:net';
import type { TcpProxy } from '@dragoman/config';
import type { AccessLog } from '../access-log/access-log.ts';
import type {
  ConnectionHandler,
  ConnectionOwner,
  DownstreamConnection,
} from '../downstream/connection-owner.ts';
import type { DownstreamConnectionInfo } from '../filter-chain/stream-info.ts';
import type { WorkerServices } from '../server/worker-services.ts';
import type { ConnectionPools } from '../upstream/connection-pools.ts';
import { TcpProxyConnection } from './tcp-proxy-connection.ts';
import { TcpProxySettings, TcpProxyStats, type WeightedTarget } from './tcp-proxy-settings.ts';

export const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
export const SNI_CLUSTER = 'envoy.extensions.filters.network.sni_cluster.v3.SniCluster';

export class TcpProxyHandler implements ConnectionHandler {
  readonly worker: WorkerServices;
  readonly pools: ConnectionPools;
  readonly settings: TcpProxySettings;
  readonly stats: TcpProxyStats;
  readonly #sniCluster: boolean;

  /** `sniCluster`: an sni_cluster filter stands in front of it. */
  constructor(
    config: TcpProxy,
    worker: WorkerServices,
    pools: ConnectionPools,
    accessLogs: readonly AccessLog[],
    sniCluster: boolean,
  ) {
    this.worker = worker;
    this.pools = pools;
    this.settings = new TcpProxySettings(config, accessLogs);
    this.stats = new TcpProxyStats(worker.lane, `tcp.${config.statPrefix}.`);
    this.#sniCluster = sniCluster;
  }

  target({ requestedServerName }: DownstreamConnectionInfo): WeightedTarget {
    if (this.#sniCluster && requestedServerName !== '')
      return { cluster: requestedServerName, weight: 1, metadataMatch: this.settings.metadataMatch };
    return this.settings.target(Math.random());
  }

  accept(socket: Socket, info: DownstreamConnectionInfo, owner: ConnectionOwner): DownstreamConnection {
    const connection = new TcpProxyConnection(socket, info, this, owner);
    // After the listener has taken the connection into its list.
    process.nextTick(() => connection.start());
    return connection;
  }

  onHandshakeFailed(): void {
    this.worker.lane.inc(this.stats.downstreamCxTotal);
  }

  close(): void {}
}
