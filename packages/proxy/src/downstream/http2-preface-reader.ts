// The first bytes on a connection of an HTTP/2-only connection manager: the client's preface, or something that is answered
// with nothing at all, as in Envoy.

import type { Socket } from 'node:net';
import { Timer } from '@dragoman/base';
import type { DownstreamConnectionInfo } from '../filter-chain/stream-info.ts';
import type { ConnectionOwner, DownstreamConnection } from './connection-owner.ts';
import type { Http2Codec } from './http2-codec.ts';
import { Http2Connection } from './http2-connection.ts';
import { countClosed, countOpened } from './http2-connection-stats.ts';

/** What the client sends first (RFC 9113 3.4). */
export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** True when `bytes` begin with the preface, or are the beginning of it. */
export function mayBePreface(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, PREFACE.length);
  return bytes.compare(PREFACE, 0, length, 0, length) === 0;
}

export class Http2PrefaceReader implements DownstreamConnection {
  readonly info: DownstreamConnectionInfo;
  readonly #socket: Socket;
  readonly #codec: Http2Codec;
  readonly #owner: ConnectionOwner;
  readonly #timer: Timer;
  readonly #startMs: number;
  readonly #onData = (bytes: Buffer): void => this.#read(bytes);
  readonly #onClose = (): void => this.#close(false);
  #bytes: Buffer = Buffer.alloc(0);
  #refused = false;
  #done = false;

  constructor(socket: Socket, info: DownstreamConnectionInfo, codec: Http2Codec, owner: ConnectionOwner) {
    const { worker, settings } = codec.manager;
    this.#socket = socket;
    this.info = info;
    this.#codec = codec;
    this.#owner = owner;
    this.#timer = new Timer(() => this.#close(true));
    this.#startMs = worker.timers.clock.nowMs();
    countOpened(codec.manager, info);
    if (settings.idleTimeoutMs > 0) worker.timers.start(this.#timer, settings.idleTimeoutMs, this.#startMs);
    socket.on('data', this.#onData);
    socket.on('end', this.#onClose);
    socket.on('error', this.#onClose);
    socket.on('close', this.#onClose);
    if (socket.isPaused()) socket.resume();
  }

  drain(): void {
    this.#close(true);
  }

  destroy(): void {
    this.#close(true);
  }

  #read(bytes: Buffer): void {
    if (this.#refused) return;
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    if (!mayBePreface(this.#bytes)) this.#refuse();
    else if (this.#bytes.length >= PREFACE.length) this.#handOver();
  }

  /** Nothing is answered to what is no HTTP/2; the connection ends after the time a close may take. */
  #refuse(): void {
    const { lane, stats, settings, worker } = this.#codec.manager;
    this.#refused = true;
    lane.inc(stats.downstreamCxProtocolError);
    worker.timers.start(this.#timer, settings.delayedCloseTimeoutMs || 1);
  }

  #handOver(): void {
    const socket = this.#socket;
    this.#done = true;
    this.#timer.stop();
    socket.off('data', this.#onData);
    socket.off('end', this.#onClose);
    socket.off('error', this.#onClose);
    socket.off('close', this.#onClose);
    socket.pause();
    socket.unshift(this.#bytes);
    const next = new Http2Connection(socket, this.info, this.#codec, this.#owner, this.#startMs);
    this.#owner.onConnectionReplaced(this, next);
  }

  #close(local: boolean): void {
    if (this.#done) return;
    this.#done = true;
    this.#timer.stop();
    this.#socket.destroy();
    countClosed(this.#codec.manager, this.info, local, this.#startMs);
    this.#owner.onConnectionClosed(this);
  }
}
