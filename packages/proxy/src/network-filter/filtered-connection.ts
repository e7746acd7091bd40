// One client connection with network filters in front of the last filter of its chain: which filter sees which bytes, what
// waits, and who closes (Envoy: Network::FilterManagerImpl and ConnectionImpl).

import type { Socket } from 'node:net';
import { Timer, type Timers } from '@dragoman/base';
import { BodyBuffer } from '@dragoman/http';
import type {
  ConnectionHandler,
  ConnectionOwner,
  DownstreamConnection,
} from '../downstream/connection-owner.ts';
import { type DownstreamConnectionInfo, StreamInfo } from '../filter-chain/stream-info.ts';
import { FilteredSocket, type FilteredSocketOwner } from './filtered-socket.ts';
import {
  type ClosingPeer,
  type FilteredConnectionView,
  type NetworkFilter,
  type NetworkFilterInstance,
  NetworkStatus,
} from './network-filter.ts';

/** What the connections of one chain have in common. */
export interface FilteredChain {
  readonly name: string;
  readonly instances: readonly NetworkFilterInstance[];
  readonly terminal: ConnectionHandler;
  /** The last filter lets each side finish by itself, as the TCP proxy does; filters then hear of both ends. */
  readonly halfCloses: boolean;
  readonly bufferLimitBytes: number;
  readonly timers: Timers;
}

/** How long a client may take to accept the last bytes of a connection that a filter has closed; Envoy's default. */
const FLUSH_LIMIT_MS = 1000;

export class FilteredConnection
  implements DownstreamConnection, ConnectionOwner, FilteredConnectionView, FilteredSocketOwner
{
  readonly info: DownstreamConnectionInfo;
  readonly streamInfo: StreamInfo;
  readonly #socket: Socket;
  readonly #chain: FilteredChain;
  readonly #owner: ConnectionOwner;
  readonly #filters: NetworkFilter[] = [];
  readonly #inner: FilteredSocket;
  readonly #read = new BodyBuffer();
  readonly #written = new BodyBuffer();
  readonly #flushTimer: Timer;
  /** Filters that have had onNewConnection. */
  #initialized = 0;
  #terminal: DownstreamConnection | null = null;
  /** What the last filter waits for before it writes more. */
  #writeDone: (() => void) | null = null;
  #readEnded = false;
  #endPassedOn = false;
  #writingEnded = false;
  /** The last filter has not taken what was pushed. */
  #fullInside = false;
  #reading = false;
  /** The client finished before the last filter did. */
  #readEndedFirst = false;
  #closed = false;

  constructor(socket: Socket, info: DownstreamConnectionInfo, chain: FilteredChain, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#chain = chain;
    this.#owner = owner;
    this.streamInfo = StreamInfo.ofConnection(info, chain.timers.clock);
    this.streamInfo.filterChainName = chain.name;
    this.info = { ...info, streamInfo: this.streamInfo };
    this.#flushTimer = new Timer(() => this.#socket.destroy());
    this.#inner = new FilteredSocket(this);
    this.#inner.on('error', () => {});
    // Nothing is read before there is somebody to give it to.
    socket.pause();
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    socket.on('end', () => this.#onEnd());
    socket.on('drain', () => this.#onWritable());
    socket.on('error', () => this.#onGone('remote'));
    socket.on('close', () => this.#onSocketClosed());
    for (const instance of chain.instances) {
      const filter = instance.createFilter(this);
      if (filter !== null) this.#filters.push(filter);
    }
  }

  /** Shows the connection to its filters; called once the listener knows it. */
  start(): void {
    if (!this.#closed) this.#readFrom(0);
  }

  // --- for the listener ---

  drain(): void {
    this.#terminal?.drain();
  }

  destroy(): void {
    if (this.#terminal !== null) this.#terminal.destroy();
    this.#onGone('local');
    this.#socket.destroy();
  }

  #onSocketClosed(): void {
    this.#onGone(this.#closer);
    this.#flushTimer.stop();
    this.#owner.onConnectionClosed(this);
  }

  // --- for the last filter ---

  /** Its connection object is done; the socket follows it. */
  onConnectionClosed(): void {
    this.#terminal = null;
    this.onDestroyed();
  }

  onConnectionReplaced(_connection: DownstreamConnection, next: DownstreamConnection): void {
    this.#terminal = next;
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten;
  }

  onWanted(): void {
    if (this.#inner.isPaused()) return;
    this.#fullInside = false;
    this.#updateReading();
  }

  onPaused(): void {
    this.#updateReading();
  }

  onWritten(bytes: Buffer, done: () => void): void {
    if (this.#closed) {
      done();
      return;
    }
    this.#written.appendCopy(bytes);
    if (this.#write(false)) {
      if (this.#socket.writableNeedDrain) this.#writeDone = done;
      else done();
    } else if (this.#written.length < this.#chain.bufferLimitBytes) done();
    // Otherwise nothing more is taken: what waits here is shown again only when more comes, which Envoy cannot do either.
  }

  onWritingEnded(done: () => void): void {
    if (this.#closed) {
      done();
      return;
    }
    this.#writingEnded = true;
    if (!this.#chain.halfCloses || this.#write(true)) this.#socket.end(done);
  }

  onDestroyed(): void {
    if (!this.#closed) this.#onGone(this.#closer);
    if (!this.#flushTimer.running) this.#socket.destroy();
  }

  // --- for the filters ---

  continueReading(filter: NetworkFilter): void {
    if (this.#closed) return;
    const index = this.#filters.indexOf(filter);
    if (index !== -1) this.#readFrom(index + 1);
  }

  close(details: string): void {
    if (this.#closed) return;
    this.streamInfo.connectionTerminationDetails = details;
    this.#chain.timers.start(this.#flushTimer, FLUSH_LIMIT_MS);
    this.#onGone('local');
    this.#socket.end(() => this.#socket.destroy());
  }

  // --- from the client ---

  #onData(bytes: Buffer): void {
    if (this.#closed) return;
    this.#read.append(bytes);
    this.#readFrom(0);
  }

  #onEnd(): void {
    this.#readEnded = true;
    this.#readEndedFirst = !this.#writingEnded;
    if (!this.#closed) this.#readFrom(0);
  }

  /** Shows what has been read to the filters from `first` on, and to the last one when they all let it pass. */
  #readFrom(first: number): void {
    const filters = this.#filters;
    for (let index = first; index < filters.length; index++) {
      const filter = filters[index];
      if (index === this.#initialized) {
        this.#initialized++;
        const status = filter.onNewConnection?.() ?? NetworkStatus.Continue;
        if (this.#stops(status)) return;
      }
      if (this.#endPassedOn || (this.#read.length === 0 && !this.#endShown)) continue;
      const status = filter.onData?.(this.#read, this.#endShown) ?? NetworkStatus.Continue;
      if (this.#stops(status)) return;
    }
    this.#passOn();
  }

  /** The end of a connection whose last filter closes it as soon as the client has finished is not shown to filters. */
  get #endShown(): boolean {
    return this.#readEnded && this.#chain.halfCloses;
  }

  #stops(status: NetworkStatus): boolean {
    if (this.#closed) return true;
    if (status === NetworkStatus.Continue) return false;
    this.#updateReading();
    return true;
  }

  #passOn(): void {
    this.#terminal ??= this.#chain.terminal.accept(this.#inner as unknown as Socket, this.info, this);
    if (this.#read.length > 0) {
      const bytes = Buffer.from(this.#read.toBuffer());
      this.#read.clear();
      if (!this.#inner.push(bytes)) this.#fullInside = true;
    }
    if (this.#readEnded && !this.#endPassedOn) {
      this.#endPassedOn = true;
      this.#inner.push(null);
    }
    this.#updateReading();
  }

  /**
   * The client is read as long as what it sends has a place. A TCP proxy has none before it is connected: filters see the
   * first bytes when the upstream is known.
   */
  #updateReading(): void {
    const wanted = this.#terminal === null ? !this.#chain.halfCloses : !this.#inner.isPaused();
    const reading = wanted && !this.#fullInside && this.#read.length < this.#chain.bufferLimitBytes;
    if (reading === this.#reading || this.#readEnded || this.#closed) return;
    this.#reading = reading;
    if (reading) this.#socket.resume();
    else this.#socket.pause();
  }

  // --- to the client ---

  /** Shows what is to be written to the filters, the last one first. False: one of them holds it back. */
  #write(endStream: boolean): boolean {
    for (let index = this.#filters.length - 1; index >= 0; index--) {
      const status = this.#filters[index].onWrite?.(this.#written, endStream);
      if (this.#closed || status === NetworkStatus.StopIteration) return false;
    }
    if (this.#written.length > 0) {
      const bytes = Buffer.from(this.#written.toBuffer());
      this.#written.clear();
      this.#socket.write(bytes);
    }
    return true;
  }

  #onWritable(): void {
    const done = this.#writeDone;
    this.#writeDone = null;
    done?.();
  }

  // --- the end ---

  /** Who closes when nothing is broken: whoever has finished last, or first where the other side then closes at once. */
  get #closer(): ClosingPeer {
    if (!this.#chain.halfCloses) return this.#readEndedFirst ? 'remote' : 'local';
    return this.#readEnded && this.#writingEnded && !this.#readEndedFirst ? 'remote' : 'local';
  }

  #onGone(peer: ClosingPeer): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#writeDone = null;
    for (let index = 0; index < this.#initialized; index++) this.#filters[index].onClose?.(peer);
    this.#inner.destroy();
  }
}
