// One listener on one worker: its sockets, its connections, and the filter chains new connections get.
// Sockets are bound with SO_REUSEPORT, so that every worker has an accept queue of its own.

import { createServer, type Server, type Socket } from 'node:net';
import { DragomanError } from '@dragoman/base';
import type { ConnectionOwner, DownstreamConnection } from '../downstream/connection-owner.ts';
import { type DownstreamConnectionInfo, StreamInfo } from '../filter-chain/stream-info.ts';
import { ResponseFlag } from '../format/response-flags.ts';
import { Admission } from '../overload/connection-limits.ts';
import type { WorkerServices } from '../server/worker-services.ts';
import type { KeepaliveOptions } from '../socket/socket-options.ts';
import { type ListenAddress, listenAddressText } from './listener-address.ts';
import type { ListenerStats } from './listener-stats.ts';
import type { ListenerChains, NetworkChain } from './network-chain.ts';
import { type ConnectionAddresses, NewConnection, type NewConnectionOwner } from './new-connection.ts';

/** Pending connections the kernel keeps for one worker. */
const BACKLOG = 4096;

/** How often waiting connections are looked at. */
const WAITING_LOOK_MS = 50;

/** What overload means to one listener. */
export interface ListenerOverload {
  /** Place in the configuration. */
  readonly index: number;
  readonly ignoresGlobalLimit: boolean;
  /** The overload manager's actions do not touch its connections. */
  readonly bypasses: boolean;
}

export class ActiveListener implements ConnectionOwner, NewConnectionOwner {
  readonly name: string;
  readonly #stats: ListenerStats;
  readonly #worker: WorkerServices;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<DownstreamConnection>();
  /** Accepted, and not yet with their filter chain. */
  readonly #new = new Set<NewConnection>();
  #chains: ListenerChains;
  #nextConnectionId: () => number;
  readonly #overload: ListenerOverload;
  readonly #socketOptions: KeepaliveOptions;
  /** Accepted by the system while no connections are to be accepted: they wait as if they had not been. */
  #waiting: Socket[] = [];
  #onIdle: (() => void) | null = null;
  #draining = false;

  constructor(
    name: string,
    chains: ListenerChains,
    stats: ListenerStats,
    worker: WorkerServices,
    nextConnectionId: () => number,
    overload: ListenerOverload,
    socketOptions: KeepaliveOptions = {},
  ) {
    this.#socketOptions = socketOptions;
    this.#overload = overload;
    this.name = name;
    this.#chains = chains;
    this.#stats = stats;
    this.#worker = worker;
    this.#nextConnectionId = nextConnectionId;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Connections accepted from now on use these chains; the others keep theirs. */
  replaceChains(chains: ListenerChains): void {
    this.#chains = chains;
  }

  /** Binds one address; resolves with the port (0 for a Unix socket). */
  listen(address: ListenAddress): Promise<number> {
    const options = { noDelay: true, allowHalfOpen: true, ...this.#socketOptions };
    const server = createServer(options, socket => this.#admit(socket));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', error =>
        reject(
          new DragomanError(
            'LISTENER_BIND',
            bindFailure(this.name, address, error as NodeJS.ErrnoException),
            { cause: error },
          ),
        ),
      );
      const place =
        address.port < 0
          ? { path: address.host }
          : { host: address.host, port: address.port, reusePort: true };
      server.listen({ ...place, backlog: BACKLOG }, () => {
        const bound = server.address();
        resolve(bound !== null && typeof bound === 'object' ? bound.port : 0);
      });
    });
  }

  /** Stops accepting; connections go on. */
  stopAccepting(): void {
    for (const server of this.#servers) server.close();
    this.#servers.length = 0;
  }

  /**
   * Closes idle connections; the rest close with their next response, those that are still on their way to a filter chain
   * with their first. Resolves when all are gone.
   */
  drain(): Promise<void> {
    for (const connection of [...this.#connections]) connection.drain();
    this.#draining = true;
    if (this.#empty) return Promise.resolve();
    return new Promise(resolve => {
      this.#onIdle = resolve;
    });
  }

  destroy(): void {
    this.stopAccepting();
    for (const socket of this.#waiting) socket.destroy();
    for (const connection of [...this.#new]) this.#drop(connection);
    for (const connection of [...this.#connections]) connection.destroy();
  }

  #drop(connection: NewConnection): void {
    if (this.#new.delete(connection)) this.#release();
    connection.destroy();
  }

  /** A connection from the system: the overload manager may have it wait, or have it closed. */
  #admit(socket: Socket): void {
    const { overload, lane } = this.#worker;
    if (!this.#overload.bypasses) {
      if (overload.pausesAccepting) {
        this.#wait(socket);
        return;
      }
      if (overload.rejectsConnection) {
        lane.inc(this.#stats.downstreamCxOverloadReject);
        socket.destroy();
        return;
      }
    }
    const { index, ignoresGlobalLimit } = this.#overload;
    const limits = this.#worker.connectionLimits;
    if (limits !== null) {
      const admission = limits.admit(index, this.name, ignoresGlobalLimit);
      if (admission !== Admission.Granted) {
        const overGlobal = admission === Admission.OverGlobalLimit;
        lane.inc(overGlobal ? this.#stats.downstreamGlobalCxOverflow : this.#stats.downstreamCxOverflow);
        socket.destroy();
        return;
      }
    }
    this.#accept(socket);
  }

  /** A connection that was admitted is gone, wherever it has got to. */
  #release(): void {
    const { index, ignoresGlobalLimit } = this.#overload;
    this.#worker.connectionLimits?.release(index, ignoresGlobalLimit);
    if (this.#draining && this.#empty) this.#onIdle?.();
  }

  #wait(socket: Socket): void {
    if (this.#waiting.length >= BACKLOG) {
      socket.destroy();
      return;
    }
    socket.pause();
    socket.on('error', () => socket.destroy());
    this.#waiting.push(socket);
    if (this.#waiting.length === 1) this.#acceptLater();
  }

  #acceptLater(): void {
    this.#worker.timers.clock.after(WAITING_LOOK_MS, () => {
      if (this.#worker.overload.pausesAccepting && this.#servers.length > 0) {
        this.#acceptLater();
        return;
      }
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const socket of waiting) if (!socket.destroyed) this.#admit(socket);
    });
  }

  get #empty(): boolean {
    return this.#connections.size === 0 && this.#new.size === 0;
  }

  #accept(socket: Socket): void {
    const { lane } = this.#worker;
    const chains = this.#chains;
    const addresses = addressesOf(socket);
    const id = this.#nextConnectionId();
    const direct = chains.direct;
    lane.gaugeInc(this.#stats.downstreamPreCxActive);
    if (direct === null) {
      const connection = new NewConnection(socket, addresses, id, chains, this);
      this.#new.add(connection);
      connection.start();
      return;
    }
    lane.gaugeDec(this.#stats.downstreamPreCxActive);
    const { remoteAddress, remotePort, localAddress, localPort } = addresses;
    this.#open(direct, socket, {
      remoteAddress,
      remotePort,
      localAddress,
      localPort,
      id,
      tls: null,
      requestedServerName: '',
    });
  }

  #open(chain: NetworkChain, socket: Socket, info: DownstreamConnectionInfo): void {
    if (info.tls === null) this.#countOpened();
    if (socket.destroyed) {
      // It was closed while the listener filters held it.
      this.#countClosed();
      this.#release();
      return;
    }
    const connection = chain.handler.accept(socket, info, this);
    this.#connections.add(connection);
    if (this.#draining) connection.drain();
  }

  #countOpened(): void {
    const { lane } = this.#worker;
    lane.inc(this.#stats.downstreamCxTotal);
    lane.inc(this.#stats.workerCxTotal);
    lane.gaugeInc(this.#stats.downstreamCxActive);
    lane.gaugeInc(this.#stats.workerCxActive);
  }

  #countClosed(): void {
    const { lane } = this.#worker;
    lane.gaugeDec(this.#stats.downstreamCxActive);
    lane.gaugeDec(this.#stats.workerCxActive);
    lane.inc(this.#stats.downstreamCxDestroy);
  }

  // --- connections under way ---

  onHandshake(connection: NewConnection): void {
    if (this.#new.has(connection)) this.#worker.lane.gaugeDec(this.#stats.downstreamPreCxActive);
    this.#countOpened();
  }

  onReady(
    connection: NewConnection,
    chain: NetworkChain,
    socket: Socket,
    info: DownstreamConnectionInfo,
  ): void {
    // A listener that is drained or destroyed has given up on it already.
    const wanted = this.#new.delete(connection);
    if (info.tls === null) this.#worker.lane.gaugeDec(this.#stats.downstreamPreCxActive);
    if (wanted) {
      this.#open(chain, socket, info);
      return;
    }
    socket.destroy();
    if (info.tls !== null) this.#countClosed();
  }

  onHandshakeFailed(
    connection: NewConnection,
    chain: NetworkChain,
    _reason: string,
    timedOut: boolean,
  ): void {
    if (this.#new.delete(connection)) this.#release();
    if (timedOut) this.#worker.lane.inc(this.#stats.downstreamCxTransportSocketConnectTimeout);
    chain.handler.onHandshakeFailed();
    this.#countClosed();
  }

  onNoChain(connection: NewConnection, info: DownstreamConnectionInfo): void {
    const { lane, timers } = this.#worker;
    if (this.#new.delete(connection)) this.#release();
    lane.gaugeDec(this.#stats.downstreamPreCxActive);
    lane.inc(this.#stats.noFilterChainMatch);
    if (this.#chains.accessLogs.length === 0) return;
    const facts = new StreamInfo();
    const nowMs = timers.clock.nowMs();
    facts.reset(timers.clock.wallMs(), nowMs);
    facts.endMs = nowMs;
    facts.connection = info;
    facts.downstreamRemoteAddress = info.remoteAddress;
    facts.downstreamRemotePort = info.remotePort;
    facts.responseCodeDetails = 'filter_chain_not_found';
    facts.addResponseFlag(ResponseFlag.NoRouteFound);
    const input = {
      requestHeaders: null,
      responseHeaders: null,
      responseTrailers: null,
      info: facts,
      route: null,
    };
    for (const log of this.#chains.accessLogs) log.log(input);
  }

  onLost(connection: NewConnection, why: 'error' | 'remote close' | 'timeout'): void {
    const { lane } = this.#worker;
    const stats = this.#stats;
    if (this.#new.delete(connection)) this.#release();
    lane.gaugeDec(stats.downstreamPreCxActive);
    if (why === 'timeout') lane.inc(stats.downstreamPreCxTimeout);
    else if (why === 'error') lane.inc(stats.downstreamListenerFilterError);
    else lane.inc(stats.downstreamListenerFilterRemoteClose);
  }

  // --- connections ---

  onConnectionReplaced(connection: DownstreamConnection, next: DownstreamConnection): void {
    this.#connections.delete(connection);
    this.#connections.add(next);
  }

  onConnectionClosed(connection: DownstreamConnection): void {
    this.#connections.delete(connection);
    this.#release();
    this.#countClosed();
    if (this.#empty) this.#onIdle?.();
  }
}

function addressesOf(socket: Socket): ConnectionAddresses {
  const remoteAddress = plainAddress(socket.remoteAddress);
  return {
    remoteAddress,
    remotePort: socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress),
    localPort: socket.localPort ?? 0,
    directRemoteAddress: remoteAddress,
  };
}

/** An IPv4 address as such, also when a dual-stack socket shows it mapped. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

function bindFailure(name: string, address: ListenAddress, error: NodeJS.ErrnoException): string {
  const where = `listener '${name}': cannot bind ${listenAddressText(address)}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where}: address already in use: stop what listens there, or choose another port_value`;
    case 'EACCES':
      return `${where}: permission denied: ports under 1024 need the right to bind them`;
    case 'EADDRNOTAVAIL':
      return `${where}: this machine does not have that address`;
    default:
      return `${where}: ${error.message}`;
  }
}
