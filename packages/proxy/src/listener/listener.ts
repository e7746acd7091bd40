// One listener on one worker: its sockets, its connections, and the connection manager new connections get.
// Sockets are bound with SO_REUSEPORT, so that every worker has an accept queue of its own.

import { createServer, type Server, type Socket } from 'node:net';
import { DragomanError } from '@dragoman/base';
import type { ConnectionManager } from '../connection-manager/connection-manager.ts';
import { type ConnectionOwner, Http1Connection } from '../downstream/http1-connection.ts';
import type { WorkerServices } from '../server/worker-services.ts';
import { type ListenAddress, listenAddressText } from './listener-address.ts';
import type { ListenerStats } from './listener-stats.ts';

/** Pending connections the kernel keeps for one worker. */
const BACKLOG = 4096;

export class ActiveListener implements ConnectionOwner {
  readonly name: string;
  readonly #stats: ListenerStats;
  readonly #worker: WorkerServices;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Http1Connection>();
  #manager: ConnectionManager;
  #nextConnectionId: () => number;
  #onIdle: (() => void) | null = null;

  constructor(
    name: string,
    manager: ConnectionManager,
    stats: ListenerStats,
    worker: WorkerServices,
    nextConnectionId: () => number,
  ) {
    this.name = name;
    this.#manager = manager;
    this.#stats = stats;
    this.#worker = worker;
    this.#nextConnectionId = nextConnectionId;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Connections accepted from now on use this manager; the others keep theirs. */
  replaceManager(manager: ConnectionManager): void {
    this.#manager = manager;
  }

  /** Binds one address; resolves with the port (0 for a Unix socket). */
  listen(address: ListenAddress): Promise<number> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, socket => this.#accept(socket));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', error =>
        reject(
          new DragomanError(
            'LISTENER_BIND',
            bindFailure(this.name, address, error as NodeJS.ErrnoException),
            {
              cause: error,
            },
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

  /** Closes idle connections; the rest close with their next response. Resolves when all are gone. */
  drain(): Promise<void> {
    for (const connection of [...this.#connections]) connection.drain();
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise(resolve => {
      this.#onIdle = resolve;
    });
  }

  destroy(): void {
    this.stopAccepting();
    for (const connection of [...this.#connections]) connection.destroy();
  }

  onConnectionClosed(connection: Http1Connection): void {
    const { lane } = this.#worker;
    this.#connections.delete(connection);
    lane.gaugeDec(this.#stats.downstreamCxActive);
    lane.gaugeDec(this.#stats.workerCxActive);
    lane.inc(this.#stats.downstreamCxDestroy);
    if (this.#connections.size === 0) this.#onIdle?.();
  }

  #accept(socket: Socket): void {
    const { lane } = this.#worker;
    lane.inc(this.#stats.downstreamCxTotal);
    lane.inc(this.#stats.workerCxTotal);
    lane.gaugeInc(this.#stats.downstreamPreCxActive);
    lane.gaugeDec(this.#stats.downstreamPreCxActive);
    lane.gaugeInc(this.#stats.downstreamCxActive);
    lane.gaugeInc(this.#stats.workerCxActive);
    const info = {
      remoteAddress: plainAddress(socket.remoteAddress),
      remotePort: socket.remotePort ?? 0,
      localAddress: plainAddress(socket.localAddress),
      localPort: socket.localPort ?? 0,
      id: this.#nextConnectionId(),
      tls: null,
      requestedServerName: '',
    };
    this.#connections.add(new Http1Connection(socket, info, this.#manager, this));
  }
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
