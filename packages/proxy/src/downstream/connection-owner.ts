// What a listener and the connections it has accepted want of each other, whatever is spoken on them.

import type { Socket } from 'node:net';
import type { DownstreamConnectionInfo } from '../filter-chain/stream-info.ts';

/** One client connection, from the end of its handshake on. */
export interface DownstreamConnection {
  /** Closes now when idle; otherwise when what is in flight is done. */
  drain(): void;
  destroy(): void;
}

/** What the listener wants to know of its connections. */
export interface ConnectionOwner {
  onConnectionClosed(connection: DownstreamConnection): void;
  /** The same connection goes on as another object, because its protocol is known now. */
  onConnectionReplaced(connection: DownstreamConnection, next: DownstreamConnection): void;
}

/** The last network filter of a chain: it takes over connections. Made once per worker and configuration. */
export interface ConnectionHandler {
  /** `socket` speaks in the clear from here on; bytes that were looked at have been put back into it. */
  accept(socket: Socket, info: DownstreamConnectionInfo, owner: ConnectionOwner): DownstreamConnection;
  /** The connection was for this chain, but its TLS handshake failed. */
  onHandshakeFailed(): void;
  /** The configuration is dropped. */
  close(): void;
}
