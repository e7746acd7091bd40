// A whole worker in the test's own thread: one listener on a free port, clusters on given ports, statistics to read.

import assert from 'node:assert/strict';
import { type Clock, silentLogger, systemClock } from '@dragoman/base';
import { loadBootstrap } from '@dragoman/config';
import { StatLane, StatTable } from '@dragoman/shm';
import { RawConnection } from '@dragoman/testkit';
import { ClusterDirectory } from '../cluster/cluster-directory.ts';
import { clusterManagerSupport } from '../cluster/cluster-support.ts';
import { clusterResolvers } from '../cluster/dns-resolver.ts';
import type { HttpFilterType } from '../filter-chain/filter.ts';
import type { DrainPlan } from '../server/gradual-drain.ts';
import { WorkerServer } from '../server/worker-server.ts';

export interface FixtureOptions {
  /** Ports of the hosts, by cluster name. The first cluster gets all requests unless `routes` says otherwise. */
  readonly clusters: Readonly<Record<string, number>>;
  /** Routes in Envoy's JSON. */
  readonly routes?: readonly object[];
  /** More fields of the connection manager. */
  readonly manager?: object;
  /** More fields of the listener. */
  readonly listener?: object;
  /** More fields of every cluster. */
  readonly cluster?: object;
  readonly filters?: readonly object[];
  readonly filterTypes?: readonly HttpFilterType[];
  readonly clock?: Clock;
  readonly runtime?: ReadonlyMap<string, unknown>;
  readonly attachments?: ReadonlyMap<string, unknown>;
}

const TYPES = 'type.googleapis.com/envoy.extensions.filters';

export class WorkerFixture {
  readonly port: number;
  readonly #server: WorkerServer;
  readonly #table: StatTable;

  private constructor(port: number, server: WorkerServer, table: StatTable) {
    this.port = port;
    this.#server = server;
    this.#table = table;
  }

  static async start(options: FixtureOptions): Promise<WorkerFixture> {
    const loaded = loadBootstrap(
      { texts: [{ file: 'test.json', text: JSON.stringify(bootstrapOf(options)), format: 'json' }] },
      { support: [clusterManagerSupport] },
    );
    assert.deepEqual(
      loaded.errors.map(error => `${error.path}: ${error.message}`),
      [],
    );
    const bootstrap = loaded.bootstrap!;
    const table = new StatTable();
    const memories = [StatLane.create({ slotCapacity: 65_536 }), StatLane.create({ slotCapacity: 65_536 })];
    for (const memory of memories) table.addLane(memory);
    const directory = new ClusterDirectory({
      lane: new StatLane(memories[0]!),
      clock: systemClock,
      logger: silentLogger,
      random: Math.random,
      concurrency: 1,
      resolverFor: clusterResolvers(),
      post: () => {},
      statValue: name => table.value(name),
    });
    for (const cluster of bootstrap.staticResources!.clusters) directory.set(cluster);
    const server = new WorkerServer({
      workerIndex: 0,
      concurrency: 1,
      lane: new StatLane(memories[1]!),
      logger: silentLogger,
      filterTypes: options.filterTypes ?? [],
      serviceCluster: '',
      serviceNode: '',
      fileFlushIntervalMs: 1000,
      report: () => {},
      clock: options.clock ?? systemClock,
    });
    const bound = await server.applySnapshot({
      version: 1,
      bootstrap,
      clusters: directory.serve(),
      attachments: options.attachments ?? new Map(),
      runtime: options.runtime ?? new Map(),
      boundPorts: {},
    });
    return new WorkerFixture(bound[0]!.port, server, table);
  }

  connect(): Promise<RawConnection> {
    return RawConnection.connect(this.port);
  }

  stat(name: string): number {
    this.#table.refresh();
    return this.#table.value(name) ?? 0;
  }

  setDraining(draining: boolean): void {
    this.#server.setDraining(draining);
  }

  startDrain(plan: DrainPlan): void {
    this.#server.startDrain(plan);
  }

  drain(): Promise<void> {
    return this.#server.drain();
  }

  close(): void {
    this.#server.close();
  }
}

function bootstrapOf(options: FixtureOptions): object {
  const names = Object.keys(options.clusters);
  const routes = options.routes ?? [{ match: { prefix: '/' }, route: { cluster: names[0] } }];
  const manager = {
    '@type': `${TYPES}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'test',
    route_config: { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [
      ...(options.filters ?? []),
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPES}.http.router.v3.Router` } },
    ],
    ...options.manager,
  };
  const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  return {
    static_resources: {
      listeners: [
        {
          name: 'main',
          address: address(0),
          filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
          ...options.listener,
        },
      ],
      clusters: names.map(name => ({
        name,
        type: 'STATIC',
        connect_timeout: '1s',
        load_assignment: {
          cluster_name: name,
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(options.clusters[name]!) } }] }],
        },
        ...options.cluster,
      })),
    },
  };
}
