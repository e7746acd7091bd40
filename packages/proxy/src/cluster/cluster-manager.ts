// The clusters of one worker, by name. Applies what the main thread posts and tells the connection pools
// which hosts and clusters have gone.

import { Cluster } from './cluster.ts';
import type { ClusterSnapshot, ClusterUpdate, WorkerContext } from './cluster-update.ts';
import type { Host } from './host.ts';
import { Retirement } from './retirement.ts';

/** What the owner of connections wants to hear of. */
export interface ClusterListener {
  /** The host left its cluster: close idle connections now, the others when their request is done. */
  onHostRemoved(host: Host, cluster: Cluster): void;
  /** The host became unhealthy or degraded. */
  onHostHealthWorse(host: Host, cluster: Cluster): void;
  /** A cluster is new, or has been replaced by one of the same name. */
  onClusterAdded(cluster: Cluster): void;
  /** The cluster and all its hosts are no longer configured. */
  onClusterRemoved(cluster: Cluster): void;
}

export class ClusterManager {
  readonly #context: WorkerContext;
  readonly #clusters = new Map<string, Cluster>();
  readonly #versions = new Map<string, number>();
  readonly #inflated: number;
  readonly #retirement: Retirement;
  #listener: ClusterListener | null = null;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.#inflated = context.lane.gauge(
      `thread_local_cluster_manager.worker_${context.workerIndex}.clusters_inflated`,
    );
    this.#retirement = new Retirement(context.lane, context.clock, () => this.#clusters.values());
  }

  /** Sets who hears of removed hosts and clusters; before the first update. */
  listen(listener: ClusterListener): void {
    this.#listener = listener;
  }

  get(name: string): Cluster | undefined {
    return this.#clusters.get(name);
  }

  get size(): number {
    return this.#clusters.size;
  }

  [Symbol.iterator](): IterableIterator<Cluster> {
    return this.#clusters.values();
  }

  applyUpdate(update: ClusterUpdate): void {
    switch (update.kind) {
      case 'cluster':
        this.#apply(update.cluster);
        break;
      case 'cluster-removed':
        this.#remove(update.name);
        break;
      case 'hosts':
        this.#setHosts(update.cluster, update.hosts);
        break;
      case 'health': {
        const cluster = this.#clusters.get(update.cluster);
        if (cluster === undefined) break;
        for (const host of cluster.setHealth(update.changes))
          this.#listener?.onHostHealthWorse(host, cluster);
      }
    }
  }

  /** Makes the clusters be exactly these. A cluster whose version is known stays as it is and takes over the hosts. */
  applySnapshot(snapshots: readonly ClusterSnapshot[]): void {
    const wanted = new Set<string>();
    for (const snapshot of snapshots) {
      wanted.add(snapshot.config.name);
      this.#apply(snapshot);
    }
    for (const name of [...this.#clusters.keys()]) if (!wanted.has(name)) this.#remove(name);
  }

  #apply(snapshot: ClusterSnapshot): void {
    const name = snapshot.config.name;
    if (this.#versions.get(name) === snapshot.version) {
      this.#setHosts(name, snapshot.hosts);
      return;
    }
    this.#remove(name);
    const cluster = new Cluster(snapshot, this.#context);
    this.#clusters.set(name, cluster);
    this.#versions.set(name, snapshot.version);
    this.#context.lane.gaugeSet(this.#inflated, this.#clusters.size);
    cluster.listen(host => this.#onHostRemoved(host, cluster));
    this.#listener?.onClusterAdded(cluster);
  }

  #onHostRemoved(host: Host, cluster: Cluster): void {
    this.#listener?.onHostRemoved(host, cluster);
    this.#retirement.retireHost(host);
  }

  #setHosts(name: string, hosts: ClusterSnapshot['hosts']): void {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    for (const host of cluster.setHosts(hosts)) this.#onHostRemoved(host, cluster);
  }

  #remove(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    this.#clusters.delete(name);
    this.#versions.delete(name);
    this.#context.lane.gaugeSet(this.#inflated, this.#clusters.size);
    cluster.close();
    for (const host of cluster.setHosts([])) this.#onHostRemoved(host, cluster);
    this.#listener?.onClusterRemoved(cluster);
    this.#retirement.retireCluster(cluster);
  }
}
