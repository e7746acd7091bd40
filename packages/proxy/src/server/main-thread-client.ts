// Requests of the main thread itself to clusters, for what has to be there before workers start (code of plugins). They go
// as those of workers do: same balancing, TLS, protocols and statistics. Never on the path of traffic.

import { type Clock, type Logger, Timers } from '@dragoman/base';
import type { Secret } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import { createBreakerMemory } from '../cluster/circuit-breakers.ts';
import { Cluster } from '../cluster/cluster.ts';
import type { ClusterDirectory } from '../cluster/cluster-directory.ts';
import { ReadBuffers } from '../socket/read-buffers.ts';
import { staticSecrets } from '../tls/tls-secrets.ts';
import { AsyncClient, type AsyncRequest, type AsyncResponse } from '../upstream/async-client.ts';
import { ConnectionPools } from '../upstream/connection-pools.ts';

export interface MainThreadClientOptions {
  readonly directory: Pick<ClusterDirectory, 'get'>;
  /** The main thread's. */
  readonly lane: StatLane;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly secrets: readonly Secret[] | undefined;
}

/** Behind the workers in tables that have a row per worker; those of the first one show figures the others do not. */
const ROW = 1;

export class MainThreadClient {
  readonly #options: MainThreadClientOptions;
  readonly #services: { readonly timers: Timers; readonly readBuffers: ReadBuffers };

  constructor(options: MainThreadClientOptions) {
    this.#options = options;
    this.#services = { timers: new Timers(options.clock), readBuffers: new ReadBuffers() };
  }

  /** Undefined: there is no such cluster. Each request has connections of its own, to hosts the directory knows now. */
  async send(clusterName: string, request: AsyncRequest): Promise<AsyncResponse | undefined> {
    const snapshot = this.#options.directory.get(clusterName)?.snapshot();
    if (snapshot === undefined) return undefined;
    const { lane, clock, logger, secrets } = this.#options;
    const context = { lane, clock, logger, workerIndex: ROW, random: Math.random, report: () => {} };
    const cluster = new Cluster({ ...snapshot, breakers: createBreakerMemory(ROW + 1) }, context);
    const pools = new ConnectionPools(this.#services);
    pools.secrets = staticSecrets(secrets);
    const client = new AsyncClient({ ...this.#services, clusters: { get: () => cluster } }, pools);
    const response = await new Promise<AsyncResponse>(resolve => client.send(clusterName, request, resolve));
    for (const host of cluster.hosts) pools.closeAll(host);
    cluster.close();
    return response;
  }
}
