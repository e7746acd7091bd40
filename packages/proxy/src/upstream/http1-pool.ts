// The HTTP/1 connections of one worker to one host: idle ones to be taken, a queue of requests that wait for a
// connection, and the limits on both (circuit breakers).

import { type CircuitBreakers, Resource } from '../cluster/circuit-breakers.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { UpstreamServices } from '../server/worker-services.ts';
import type { ConnectionKind, Connector } from './connector.ts';
import { Http1Client } from './http1-client.ts';
import type { PoolParts } from './http2-pool.ts';
import {
  type ConnectionPool,
  type PendingRequest,
  ResetReason,
  type UpstreamHandler,
} from './upstream-stream.ts';

class Waiting implements PendingRequest {
  readonly handler: UpstreamHandler;
  readonly #pool: Http1Pool;

  constructor(pool: Http1Pool, handler: UpstreamHandler) {
    this.#pool = pool;
    this.handler = handler;
  }

  cancel(): void {
    this.#pool.forget(this);
  }
}

export class Http1Pool implements ConnectionPool {
  readonly host: Host;
  readonly cluster: Cluster;
  readonly worker: UpstreamServices;
  readonly breakers: CircuitBreakers;
  readonly connector: Connector;
  readonly kind: ConnectionKind;
  readonly #idle: Http1Client[] = [];
  readonly #all = new Set<Http1Client>();
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
    // Reading it makes the names of the cluster's HTTP/1 codec statistics appear, as the first pool does in Envoy.
    void parts.cluster.http1Stats;
  }

  get unused(): boolean {
    return this.#all.size === 0 && this.#waiting.length === 0;
  }

  newStream(handler: UpstreamHandler): PendingRequest | null {
    const { lane, stats } = this.cluster;
    if (!this.breakers.canCreate(Resource.REQUESTS)) {
      lane.inc(stats.upstreamRqActiveOverflow);
      handler.onUpstreamReset(ResetReason.Overflow, '');
      return null;
    }
    const client = this.#idle.pop();
    if (client !== undefined) {
      this.#attach(client, handler);
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
    this.#connectWhenNeeded();
    return waiting;
  }

  /** The request no longer waits: its stream was given up. */
  forget(waiting: Waiting): void {
    const index = this.#waiting.indexOf(waiting);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    this.#endWait();
    const { lane, stats } = this.cluster;
    lane.inc(stats.upstreamRqCancelled);
  }

  drain(): void {
    this.#draining = true;
    for (const client of [...this.#idle]) client.close();
  }

  closeAll(): void {
    this.#draining = true;
    for (const client of [...this.#all]) client.close();
  }

  // --- called by the connections ---

  /** The connection is established: the longest waiting request takes it. */
  onConnected(client: Http1Client): void {
    this.#connecting--;
    this.onReusable(client);
  }

  /** The connection is free for another request. */
  onReusable(client: Http1Client): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#endWait();
      this.#attach(client, next.handler);
    } else if (this.#draining) {
      client.close();
    } else {
      this.#idle.push(client);
      client.startIdleTimer();
    }
  }

  /** No connection came about: all that waits for one fails, as in Envoy. */
  onConnectFailed(client: Http1Client, reason: ResetReason, transportFailure: string): void {
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

  /** An established connection is gone. */
  onClosed(client: Http1Client): void {
    this.#remove(client);
    if (this.#waiting.length > 0) this.#connectWhenNeeded();
  }

  #remove(client: Http1Client): void {
    const index = this.#idle.indexOf(client);
    if (index >= 0) this.#idle.splice(index, 1);
    this.#all.delete(client);
    this.breakers.decrement(Resource.CONNECTIONS);
    const { lane, stats } = this.cluster;
    lane.gaugeDec(stats.upstreamCxActive);
    lane.gaugeDec(this.host.stats.cxActive);
  }

  #endWait(): void {
    this.breakers.decrement(Resource.PENDING_REQUESTS);
    this.cluster.lane.gaugeDec(this.cluster.stats.upstreamRqPendingActive);
  }

  #attach(client: Http1Client, handler: UpstreamHandler): void {
    client.attach(handler);
    handler.onUpstreamReady(client);
  }

  #connectWhenNeeded(): void {
    if (this.#connecting >= this.#waiting.length) return;
    const { lane, stats } = this.cluster;
    if (!this.breakers.canCreate(Resource.CONNECTIONS)) {
      lane.inc(stats.upstreamCxOverflow);
      // One connection is always allowed, or the request would wait for ever.
      if (this.#all.size > 0) return;
    }
    this.#connecting++;
    this.breakers.increment(Resource.CONNECTIONS);
    lane.inc(stats.upstreamCxTotal);
    lane.inc(stats.upstreamCxHttp1Total);
    lane.gaugeInc(stats.upstreamCxActive);
    lane.inc(this.host.stats.cxTotal);
    lane.gaugeInc(this.host.stats.cxActive);
    this.#all.add(new Http1Client(this));
  }
}
