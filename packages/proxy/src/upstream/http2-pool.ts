// The HTTP/2 connections of one worker to one host: a request takes the first connection that has room; only when all are full,
// or there is none, another one is made. Limits as for HTTP/1 (circuit breakers).

import type { Socket } from 'node:net';
import { type CircuitBreakers, Resource } from '../cluster/circuit-breakers.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { UpstreamServices } from '../server/worker-services.ts';
import type { ConnectionKind, Connector } from './connector.ts';
import { Http2Client } from './http2-client.ts';
import {
  type ConnectionPool,
  type PendingRequest,
  ResetReason,
  type UpstreamHandler,
} from './upstream-stream.ts';

class Waiting implements PendingRequest {
  readonly handler: UpstreamHandler;
  readonly #pool: Http2Pool;

  constructor(pool: Http2Pool, handler: UpstreamHandler) {
    this.#pool = pool;
    this.handler = handler;
  }

  cancel(): void {
    this.#pool.forget(this);
  }
}

/** What all pools are made of. */
export interface PoolParts {
  readonly host: Host;
  readonly cluster: Cluster;
  readonly worker: UpstreamServices;
  readonly breakers: CircuitBreakers;
  readonly connector: Connector;
  readonly kind: ConnectionKind;
}

export class Http2Pool implements ConnectionPool {
  readonly host: Host;
  readonly cluster: Cluster;
  readonly worker: UpstreamServices;
  readonly breakers: CircuitBreakers;
  readonly connector: Connector;
  readonly kind: ConnectionKind;
  readonly #clients: Http2Client[] = [];
  #waiting: Waiting[] = [];
  #connecting = 0;
  #draining = false;

  constructor(parts: PoolParts) {
    this.host = parts.host;
    this.cluster = parts.cluster;
    this.worker = parts.worker;
    this.breakers = parts.breakers;
    this.connector = parts.connector;
    this.kind = parts.kind;
    // Reading it makes the names of the cluster's HTTP/2 codec statistics appear, as the first pool does in Envoy.
    void parts.cluster.http2Stats;
  }

  get unused(): boolean {
    return this.#clients.length === 0 && this.#waiting.length === 0;
  }

  newStream(handler: UpstreamHandler): PendingRequest | null {
    const { lane, stats } = this.cluster;
    if (!this.breakers.canCreate(Resource.REQUESTS)) {
      lane.inc(stats.upstreamRqActiveOverflow);
      handler.onUpstreamReset(ResetReason.Overflow, '');
      return null;
    }
    const client = this.#clients.find(one => one.available);
    if (client !== undefined) {
      client.attach(handler);
      return null;
    }
    if (!this.breakers.canCreate(Resource.PENDING_REQUESTS)) {
      lane.inc(stats.upstreamRqPendingOverflow);
      handler.onUpstreamReset(ResetReason.Overflow, '');
      return null;
    }
    const waiting = new Waiting(this, handler);
    this.#waiting.push(waiting);
    this.breakers.increment(Resource.PENDING_REQUESTS);
    lane.inc(stats.upstreamRqPendingTotal);
    lane.gaugeInc(stats.upstreamRqPendingActive);
    if (this.#connecting === 0) this.#connect(null);
    return waiting;
  }

  /** Takes over a connection on which HTTP/2 was agreed by ALPN. It has been counted. */
  adopt(socket: Socket): void {
    this.#connect(socket);
  }

  /** The request no longer waits: its stream was given up. */
  forget(waiting: Waiting): void {
    const index = this.#waiting.indexOf(waiting);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    this.#endWait();
    this.cluster.lane.inc(this.cluster.stats.upstreamRqCancelled);
  }

  drain(): void {
    this.#draining = true;
    for (const client of [...this.#clients]) client.drain();
  }

  closeAll(): void {
    this.#draining = true;
    for (const client of [...this.#clients]) client.close();
  }

  // --- called by the connections ---

  onConnected(client: Http2Client): void {
    this.#connecting--;
    this.onAvailable(client);
  }

  /** The connection has room: the requests that wait longest take it. */
  onAvailable(client: Http2Client): void {
    while (this.#waiting.length > 0 && client.available) {
      const { handler } = this.#waiting.shift()!;
      this.#endWait();
      client.attach(handler);
    }
    if (this.#draining && client.idle) client.close();
    else this.#connectWhenNeeded();
  }

  /** No connection came about: all that waits for one fails, as in Envoy. */
  onConnectFailed(client: Http2Client, reason: ResetReason, transportFailure: string): void {
    this.#connecting--;
    this.#remove(client);
    const { lane, stats } = this.cluster;
    lane.inc(stats.upstreamCxConnectFail);
    lane.inc(this.host.stats.cxConnectFail);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { handler } of waiting) {
      this.#endWait();
      lane.inc(stats.upstreamRqPendingFailureEject);
      lane.inc(this.host.stats.rqError);
      handler.onUpstreamReset(reason, transportFailure);
    }
  }

  onClosed(client: Http2Client): void {
    this.#remove(client);
    this.#connectWhenNeeded();
  }

  #connectWhenNeeded(): void {
    if (this.#waiting.length > 0 && this.#connecting === 0 && !this.#clients.some(one => one.available))
      this.#connect(null);
  }

  #remove(client: Http2Client): void {
    const index = this.#clients.indexOf(client);
    if (index >= 0) this.#clients.splice(index, 1);
    this.breakers.decrement(Resource.CONNECTIONS);
    const { lane, stats } = this.cluster;
    lane.gaugeDec(stats.upstreamCxActive);
    lane.gaugeDec(this.host.stats.cxActive);
  }

  #endWait(): void {
    this.breakers.decrement(Resource.PENDING_REQUESTS);
    this.cluster.lane.gaugeDec(this.cluster.stats.upstreamRqPendingActive);
  }

  #connect(established: Socket | null): void {
    const { lane, stats } = this.cluster;
    if (established === null && !this.breakers.canCreate(Resource.CONNECTIONS)) {
      lane.inc(stats.upstreamCxOverflow);
      // One connection is always allowed, or the request would wait for ever.
      if (this.#clients.length > 0) return;
    }
    this.#connecting++;
    this.breakers.increment(Resource.CONNECTIONS);
    lane.inc(stats.upstreamCxTotal);
    lane.inc(stats.upstreamCxHttp2Total);
    lane.gaugeInc(stats.upstreamCxActive);
    lane.inc(this.host.stats.cxTotal);
    lane.gaugeInc(this.host.stats.cxActive);
    const client = new Http2Client(this);
    this.#clients.push(client);
    client.start(established);
  }
}
