// Which pool serves a request to a host: one per priority and kind of connection, made on first use and hung on the host.

import type { Cluster } from '../cluster/cluster.ts';
import type { ClusterListener } from '../cluster/cluster-manager.ts';
import type { Host } from '../cluster/host.ts';
import type { Stream } from '../filter-chain/stream.ts';
import type { Route } from '../route/route.ts';
import type { UpstreamServices } from '../server/worker-services.ts';
import type { StaticSecrets } from '../tls/tls-secrets.ts';
import { type ConnectionDemand, type ConnectionKind, Connector } from './connector.ts';
import { Http1Pool } from './http1-pool.ts';
import { Http2Pool } from './http2-pool.ts';
import { NegotiatingPool } from './negotiating-pool.ts';
import { TunnelPool } from './tcp-tunnel.ts';
import type { ConnectionPool } from './upstream-stream.ts';

/** Kinds of connections to one host (server names, client addresses) before those without any are forgotten. */
const MAX_IDLE_KINDS = 64;

/** The pools of one host. */
class HostPools {
  /** By priority: [DEFAULT, HIGH]; for hosts whose connections are all of one kind. */
  readonly single: (ConnectionPool | null)[] = [null, null];
  /** By priority and kind, for the others. */
  readonly byKind = new Map<string, ConnectionPool>();

  *[Symbol.iterator](): IterableIterator<ConnectionPool> {
    for (const pool of this.single) if (pool !== null) yield pool;
    yield* this.byKind.values();
  }

  forgetUnused(): void {
    for (const [key, pool] of this.byKind) if (pool.unused) this.byKind.delete(key);
  }
}

export class ConnectionPools implements ClusterListener {
  readonly #worker: UpstreamServices;
  readonly #connectors = new WeakMap<Cluster, Connector>();
  /** What TLS contexts of clusters may name; set before clusters arrive. */
  secrets: StaticSecrets = new Map();

  constructor(worker: UpstreamServices) {
    this.#worker = worker;
  }

  /** `demand` is the request, for clusters whose connections depend on it. */
  poolFor(host: Host, cluster: Cluster, priority: number, demand: ConnectionDemand | null): ConnectionPool {
    let pools = host.pool as HostPools | null;
    if (pools === null) {
      pools = new HostPools();
      host.pool = pools;
    }
    return pools.single[priority] ?? this.#find(pools, host, cluster, priority, demand);
  }

  #find(
    pools: HostPools,
    host: Host,
    cluster: Cluster,
    priority: number,
    demand: ConnectionDemand | null,
  ): ConnectionPool {
    const connector = this.connectorOf(cluster);
    if (connector.only !== null) {
      const pool = this.#create(host, cluster, priority, connector, connector.only);
      pools.single[priority] = pool;
      return pool;
    }
    const kind = connector.kindFor(demand);
    const key = `${priority} ${kind.key}`;
    const known = pools.byKind.get(key);
    if (known !== undefined) return known;
    if (pools.byKind.size >= MAX_IDLE_KINDS) pools.forgetUnused();
    const pool = this.#create(host, cluster, priority, connector, kind);
    pools.byKind.set(key, pool);
    return pool;
  }

  #create(
    host: Host,
    cluster: Cluster,
    priority: number,
    connector: Connector,
    kind: ConnectionKind,
  ): ConnectionPool {
    const worker = this.#worker;
    const parts = { host, cluster, worker, breakers: cluster.breakers[priority], connector, kind };
    if (kind.negotiates) return new NegotiatingPool(parts);
    return kind.http2 ? new Http2Pool(parts) : new Http1Pool(parts);
  }

  /** The pool for a request on its route; a CONNECT that ends here gets a raw connection of its own. */
  poolOf(host: Host, cluster: Cluster, route: Route, stream: Stream): ConnectionPool {
    if (route.terminatesConnect(stream.upgrade))
      return new TunnelPool(host, cluster, this.#worker, this.connectorOf(cluster), stream);
    return this.poolFor(host, cluster, route.highPriority ? 1 : 0, stream);
  }

  /** How sockets to the hosts of a cluster are made. */
  connectorOf(cluster: Cluster): Connector {
    let connector = this.#connectors.get(cluster);
    if (connector === undefined) {
      connector = new Connector(cluster, this.secrets);
      this.#connectors.set(cluster, connector);
    }
    return connector;
  }

  closeAll(host: Host): void {
    for (const pool of (host.pool as HostPools | null) ?? []) pool.closeAll();
  }

  onHostRemoved(host: Host): void {
    for (const pool of (host.pool as HostPools | null) ?? []) pool.drain();
  }

  onHostHealthWorse(host: Host, cluster: Cluster): void {
    if (cluster.config.closeConnectionsOnHostHealthFailure) this.closeAll(host);
  }

  /** Certificates are read now: a wrong file is a mistake of the configuration, not of a request. */
  onClusterAdded(cluster: Cluster): void {
    this.connectorOf(cluster);
  }

  onClusterRemoved(): void {}
}
