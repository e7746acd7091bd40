// What all HTTP/2 client connections of one connection manager share: settings, statistics, streams to reuse.

import type { Http2ProtocolOptions } from '@dragoman/config';
import { Http2CodecStats } from '../cluster/cluster-stats.ts';
import type { ConnectionManager } from '../connection-manager/connection-manager.ts';
import { Http2ServerStream } from './http2-server-stream.ts';
import { type Http2SessionOptions, http2SessionOptions } from './http2-session-options.ts';

/** Streams kept for reuse, about 4 KiB each. */
const MAX_POOLED_STREAMS = 256;

export class Http2Codec {
  readonly manager: ConnectionManager;
  readonly options: Http2SessionOptions;
  readonly #free: Http2ServerStream[] = [];
  #stats: Http2CodecStats | null = null;

  constructor(manager: ConnectionManager, config: Http2ProtocolOptions | undefined) {
    this.manager = manager;
    this.options = http2SessionOptions(config, manager.settings);
  }

  /** `http2.*`; the names appear with the first connection. */
  get stats(): Http2CodecStats {
    this.#stats ??= new Http2CodecStats(this.manager.lane, '');
    return this.#stats;
  }

  takeStream(): Http2ServerStream {
    return this.#free.pop() ?? new Http2ServerStream(this.manager);
  }

  giveStream(stream: Http2ServerStream): void {
    if (this.#free.length < MAX_POOLED_STREAMS) this.#free.push(stream);
  }
}
