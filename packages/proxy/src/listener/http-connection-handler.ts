// The HTTP connection manager as the end of a filter chain: which codec a new connection gets. Plaintext connections of
// codec AUTO begin as HTTP/1 and are taken over when the client's first bytes are the HTTP/2 preface.

import type { Socket } from 'node:net';
import type { Http2ProtocolOptions } from '@dragoman/config';
import type { ConnectionManager } from '../connection-manager/connection-manager.ts';
import type {
  ConnectionHandler,
  ConnectionOwner,
  DownstreamConnection,
} from '../downstream/connection-owner.ts';
import { Http1Connection } from '../downstream/http1-connection.ts';
import { Http2Codec } from '../downstream/http2-codec.ts';
import { Http2Connection } from '../downstream/http2-connection.ts';
import { Http2PrefaceReader } from '../downstream/http2-preface-reader.ts';
import type { DownstreamConnectionInfo } from '../filter-chain/stream-info.ts';

export class HttpConnectionHandler implements ConnectionHandler {
  readonly manager: ConnectionManager;
  readonly #codec: Http2Codec;
  readonly #sniffs: boolean;

  constructor(manager: ConnectionManager, http2: Http2ProtocolOptions | undefined) {
    this.manager = manager;
    this.#codec = new Http2Codec(manager, http2);
    this.#sniffs = manager.settings.codecType === 'AUTO';
  }

  accept(socket: Socket, info: DownstreamConnectionInfo, owner: ConnectionOwner): DownstreamConnection {
    const { codecType } = this.manager.settings;
    const alpn = info.tls?.alpn ?? '';
    if (this.#sniffs && alpn === 'h2') return new Http2Connection(socket, info, this.#codec, owner);
    if (codecType === 'HTTP2') return new Http2PrefaceReader(socket, info, this.#codec, owner);
    const sniffing = this.#sniffs && alpn === '' ? this.#codec : null;
    const connection = new Http1Connection(socket, info, this.manager, owner, sniffing);
    // Bytes that were looked at have been put back into a paused socket.
    if (socket.isPaused()) socket.resume();
    return connection;
  }

  onHandshakeFailed(): void {
    const { lane, stats } = this.manager;
    lane.inc(stats.downstreamCxTotal);
    lane.inc(stats.downstreamCxSslTotal);
    lane.inc(stats.downstreamCxDestroy);
    lane.inc(stats.downstreamCxDestroyRemote);
  }

  close(): void {
    this.manager.close();
  }
}
