// The pool of a host that chooses its protocol by ALPN (auto_config): the first connection asks, and a pool of the protocol
// it was given serves everything from then on.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Timer } from '@dragoman/base';
import { Http1Pool } from './http1-pool.ts';
import { Http2Pool, type PoolParts } from './http2-pool.ts';
import {
  type ConnectionPool,
  type PendingRequest,
  ResetReason,
  type UpstreamHandler,
} from './upstream-stream.ts';

/** A request that waits for the protocol, and then for a connection. */
class Undecided implements PendingRequest {
  readonly handler: UpstreamHandler;
  readonly #pool: NegotiatingPool;
  pending: PendingRequest | null = null;

  constructor(pool: NegotiatingPool, handler: UpstreamHandler) {
    this.#pool = pool;
    this.handler = handler;
  }

  cancel(): void {
    if (this.pending !== null) this.pending.cancel();
    else this.#pool.forget(this);
  }
}

export class NegotiatingPool implements ConnectionPool {
  readonly #parts: PoolParts;
  readonly #timer: Timer;
  #decided: Http1Pool | Http2Pool | null = null;
  #waiting: Undecided[] = [];
  #socket: Socket | null = null;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#timer = new Timer(() => this.#fail(ResetReason.ConnectionTimeout, ''));
  }

  get unused(): boolean {
    return this.#socket === null && (this.#decided?.unused ?? true);
  }

  newStream(handler: UpstreamHandler): PendingRequest | null {
    if (this.#decided !== null) return this.#decided.newStream(handler);
    const waiting = new Undecided(this, handler);
    this.#waiting.push(waiting);
    if (this.#socket === null) this.#ask();
    return waiting;
  }

  forget(waiting: Undecided): void {
    const index = this.#waiting.indexOf(waiting);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  drain(): void {
    this.#decided?.drain();
  }

  closeAll(): void {
    this.#decided?.closeAll();
    this.#socket?.destroy();
  }

  #ask(): void {
    const { connector, host, kind, cluster, worker } = this.#parts;
    worker.timers.start(this.#timer, cluster.connectTimeoutMs);
    const { socket, readyEvent } = connector.connect(host, kind, null);
    this.#socket = socket;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#socket === socket)
        this.#fail(ResetReason.RemoteConnectionFailure, connector.failureText(host, error));
    });
    socket.once(readyEvent, () => {
      const failure = connector.verify(host, kind, socket);
      if (failure === '') this.#decide(socket);
      else this.#fail(ResetReason.RemoteConnectionFailure, failure);
    });
  }

  #decide(socket: Socket): void {
    this.#timer.stop();
    this.#socket = null;
    if ((socket as TLSSocket).alpnProtocol === 'h2') {
      const pool = new Http2Pool({ ...this.#parts, kind: { ...this.#parts.kind, http2: true } });
      this.#decided = pool;
      pool.adopt(socket);
    } else {
      // HTTP/1 connections read in a way of their own, so they are made anew.
      socket.destroy();
      this.#decided = new Http1Pool({ ...this.#parts, kind: { ...this.#parts.kind, negotiates: false } });
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one.pending = this.#decided.newStream(one.handler);
  }

  #fail(reason: ResetReason, transportFailure: string): void {
    const { cluster, host } = this.#parts;
    this.#timer.stop();
    const socket = this.#socket;
    this.#socket = null;
    socket?.destroy();
    cluster.lane.inc(cluster.stats.upstreamCxConnectFail);
    cluster.lane.inc(host.stats.cxConnectFail);
    if (reason === ResetReason.ConnectionTimeout) cluster.lane.inc(cluster.stats.upstreamCxConnectTimeout);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { handler } of waiting) handler.onUpstreamReset(reason, transportFailure);
  }
}
