// Which pool serves a host: one per protocol and priority, made on first use and hung on the host.

import type { Cluster } from '../cluster/cluster.ts';
import type { ClusterListener } from '../cluster/cluster-manager.ts';
import type { Host } from '../cluster/host.ts';
import type { WorkerServices } from '../server/worker-services.ts';
import { Http1Pool } from './http1-pool.ts';
import type { ConnectionPool } from './upstream-stream.ts';

/** The pools of one host, by priority: [DEFAULT, HIGH]. */
type HostPools = (ConnectionPool | null)[];

export class ConnectionPools implements ClusterListener {
  readonly #worker: WorkerServices;

  constructor(worker: WorkerServices) {
    this.#worker = worker;
  }

  poolFor(host: Host, cluster: Cluster, priority: number): ConnectionPool {
    let pools = host.pool as HostPools | null;
    if (pools === null) {
      pools = [null, null];
      host.pool = pools;
    }
    let pool = pools[priority];
    if (pool === null) {
      pool = new Http1Pool(host, cluster, this.#worker, cluster.breakers[priority]);
      pools[priority] = pool;
    }
    return pool;
  }

  onHostRemoved(host: Host): void {
    for (const pool of (host.pool as HostPools | null) ?? []) pool?.drain();
  }

  onHostHealthWorse(host: Host, cluster: Cluster): void {
    if (!cluster.config.closeConnectionsOnHostHealthFailure) return;
    for (const pool of (host.pool as HostPools | null) ?? []) pool?.closeAll();
  }

  onClusterAdded(): void {}

  onClusterRemoved(): void {}
}
