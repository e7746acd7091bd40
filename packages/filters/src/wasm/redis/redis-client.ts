// The Redis servers of one VM's plugins (proxy_redis_init, proxy_redis_call): what they have been told about each, and a
// connection for each user and database.

import { Status } from '@dragoman/abi';
import type { Clock } from '@dragoman/base';
import type { AsyncClient } from '@dragoman/proxy';
import { type Callout, clusterOfUpstream, type RedisService } from '@dragoman/vm';
import { hasOneReply } from './redis-command.ts';
import { type OnReply, type RedisAccess, RedisConnection } from './redis-connection.ts';

/** Most upstreams of a VM, and most connections. */
const MAX_UPSTREAMS = 64;

interface Upstream {
  readonly access: RedisAccess;
  readonly timeoutMs: number;
}

export class RedisClient {
  readonly #client: AsyncClient;
  readonly #clock: Clock;
  readonly #log: (fact: string) => void;
  readonly #upstreams = new Map<string, Upstream>();
  readonly #connections = new Map<string, RedisConnection>();

  constructor(client: AsyncClient, clock: Clock, log: (fact: string) => void) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Takes effect for later queries. The SDK's older versions give the database here only ("redis?db=1") and query
   * "redis": what was said last counts for the cluster's bare name.
   */
  init({ upstream, username, password, timeoutMs }: RedisService): Status {
    const cluster = clusterOfUpstream(upstream);
    const database = databaseOf(upstream.slice(cluster.length + 1));
    if (database === null || !this.#client.hasCluster(cluster)) return Status.BadArgument;
    if (!this.#upstreams.has(upstream) && this.#upstreams.size >= MAX_UPSTREAMS)
      return Status.InternalFailure;
    const settings = { access: { cluster, username, password, database }, timeoutMs };
    this.#upstreams.set(upstream, settings);
    this.#upstreams.set(cluster, settings);
    return Status.Ok;
  }

  call(upstream: string, query: Buffer, onReply: OnReply): Callout | Status {
    const settings = this.#upstreams.get(upstream) ?? this.#upstreams.get(clusterOfUpstream(upstream));
    if (settings === undefined || !hasOneReply(query)) return Status.BadArgument;
    const connection = this.#connectionFor(settings.access);
    return connection === null ? Status.InternalFailure : connection.send(query, settings.timeoutMs, onReply);
  }

  #connectionFor(access: RedisAccess): RedisConnection | null {
    const key = JSON.stringify([access.cluster, access.username, access.password, access.database]);
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    if (this.#connections.size >= MAX_UPSTREAMS)
      for (const [other, { open }] of this.#connections) if (!open) this.#connections.delete(other);
    if (this.#connections.size >= MAX_UPSTREAMS) return null;
    const connection = new RedisConnection(access, this.#client, this.#clock, this.#log);
    this.#connections.set(key, connection);
    return connection;
  }
}

/** Parameter `db`. The others tune how Higress gathers queries, which are sent at once here. Null: not a number. */
function databaseOf(parameters: string): number | null {
  const text = new URLSearchParams(parameters).get('db') ?? '0';
  return /^\d{1,5}$/.test(text) ? Number(text) : null;
}
