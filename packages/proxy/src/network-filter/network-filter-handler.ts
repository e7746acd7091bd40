// A filter chain with network filters as the listener sees it: one handler, which gives every connection its filters and
// the last filter behind them. Made once per worker and configuration, and only where there are such filters.

import type { Socket } from 'node:net';
import type {
  ConnectionHandler,
  ConnectionOwner,
  DownstreamConnection,
} from '../downstream/connection-owner.ts';
import type { DownstreamConnectionInfo } from '../filter-chain/stream-info.ts';
import { type FilteredChain, FilteredConnection } from './filtered-connection.ts';

export class NetworkFilterHandler implements ConnectionHandler {
  readonly #chain: FilteredChain;

  constructor(chain: FilteredChain) {
    this.#chain = chain;
  }

  accept(socket: Socket, info: DownstreamConnectionInfo, owner: ConnectionOwner): DownstreamConnection {
    const connection = new FilteredConnection(socket, info, this.#chain, owner);
    // After the listener has taken the connection into its list.
    process.nextTick(() => connection.start());
    return connection;
  }

  onHandshakeFailed(): void {
    this.#chain.terminal.onHandshakeFailed();
  }

  close(): void {
    for (const instance of this.#chain.instances) instance.close?.();
    this.#chain.terminal.close();
  }
}
