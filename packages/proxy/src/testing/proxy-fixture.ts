// A whole worker of the proxy in a test's own process: a configuration in, ports out, statistics to read. Imported from
// tests only.

import { readFileSync } from 'node:fs';
import { type Clock, silentLogger, systemClock } from '@dragoman/base';
import { type Bootstrap, loadBootstrap } from '@dragoman/config';
import { StatLane, StatTable } from '@dragoman/shm';
import { ClusterDirectory } from '../cluster/cluster-directory.ts';
import { clusterManagerSupport } from '../cluster/cluster-support.ts';
import { WorkerServer } from '../server/worker-server.ts';
import { tlsSupport, transportAttachments } from '../tls/tls-support.ts';

export const TYPES = 'type.googleapis.com/envoy.extensions';

/** Path of a file in testing/certificates, which make.sh there makes anew. */
export function certificatePath(file: string): string {
  return `${import.meta.dirname}/certificates/${file}`;
}

export function certificate(file: string): Buffer {
  return readFileSync(certificatePath(file));
}

/** Key and certificate for node:tls. */
export function identity(name: string): { key: Buffer; cert: Buffer } {
  return { key: certificate(`${name}.key`), cert: certificate(`${name}.crt`) };
}

/** A certificate of a TLS context. */
export function tlsCertificate(name: string): object {
  return {
    certificate_chain: { filename: certificatePath(`${name}.crt`) },
    private_key: { filename: certificatePath(`${name}.key`) },
  };
}

export function downstreamTls(common: object, settings: object = {}): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPES}.transport_sockets.tls.v3.DownstreamTlsContext`,
      common_tls_context: common,
      ...settings,
    },
  };
}

export function upstreamTls(common: object, settings: object = {}): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPES}.transport_sockets.tls.v3.UpstreamTlsContext`,
      common_tls_context: common,
      ...settings,
    },
  };
}

/** The HTTP connection manager as a network filter; by default everything goes to the cluster "app". */
export function httpManager(settings: { routes?: object[] } & Record<string, unknown> = {}): object {
  const { routes = [{ match: { prefix: '/' }, route: { cluster: 'app' } }], ...rest } = settings;
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'ingress',
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` },
        },
      ],
      ...rest,
    },
  };
}

export function tcpProxy(settings: object): object {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': `${TYPES}.filters.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: 'tcp',
      ...settings,
    },
  };
}

/** A route that answers by itself. */
export function says(text: string, match: object = { prefix: '/' }): object {
  return { match, direct_response: { status: 200, body: { inline_string: text } } };
}

export function staticCluster(name: string, ports: number | number[], settings: object = {}): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: [ports].flat().map(port => ({
            endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
          })),
        },
      ],
    },
    ...settings,
  };
}

export const HTTP2_CLUSTER: object = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

/** A listener on a free port; its statistics are under its name. */
export function listener(name: string, filterChains: object[], settings: object = {}): object {
  return {
    name,
    stat_prefix: name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: filterChains,
    ...settings,
  };
}

/** The system's clock, except that a deadline in an hour does not keep the test's process alive. */
const clock: Clock = {
  ...systemClock,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

export class ProxyFixture {
  readonly bootstrap: Bootstrap;
  readonly #server: WorkerServer;
  readonly #table: StatTable;
  readonly #directory: ClusterDirectory;
  readonly #ports: ReadonlyMap<string, number>;

  private constructor(
    bootstrap: Bootstrap,
    server: WorkerServer,
    table: StatTable,
    directory: ClusterDirectory,
    ports: ReadonlyMap<string, number>,
  ) {
    this.bootstrap = bootstrap;
    this.#server = server;
    this.#table = table;
    this.#directory = directory;
    this.#ports = ports;
  }

  /** Loads a configuration; what is wrong with it is the error's message. */
  static load(resources: { listeners?: object[]; clusters?: object[]; secrets?: object[] }): Bootstrap {
    const { bootstrap, errors } = loadBootstrap(
      { configYaml: JSON.stringify({ static_resources: resources }) },
      { unknownFields: 'error', support: [clusterManagerSupport, tlsSupport] },
    );
    if (bootstrap === null)
      throw new Error(errors.map(({ path, message }) => `${path}: ${message}`).join('\n'));
    return bootstrap;
  }

  static async start(resources: {
    listeners: object[];
    clusters?: object[];
    secrets?: object[];
  }): Promise<ProxyFixture> {
    const bootstrap = ProxyFixture.load(resources);
    const memory = StatLane.create();
    const table = new StatTable();
    table.addLane(memory);
    const server = new WorkerServer({
      workerIndex: 0,
      concurrency: 1,
      lane: new StatLane(memory),
      logger: silentLogger,
      filterTypes: [],
      serviceCluster: '',
      serviceNode: '',
      fileFlushIntervalMs: 20,
      report: () => {},
      clock,
    });
    const directory = new ClusterDirectory({
      lane: new StatLane(StatLane.create()),
      clock,
      logger: silentLogger,
      random: Math.random,
      concurrency: 1,
      resolverFor: () => ({ resolve: async () => ({ addresses: [], ttlMs: undefined }) }),
      post: update => server.applyClusterUpdate(update),
      statValue: () => 0,
    });
    for (const cluster of bootstrap.staticResources?.clusters ?? []) directory.set(cluster);
    await directory.warm();
    const bound = await server.applySnapshot({
      version: 1,
      bootstrap,
      clusters: directory.serve(),
      attachments: transportAttachments(bootstrap),
      runtime: new Map(),
      boundPorts: {},
    });
    const ports = new Map(bound.map(({ listenerName, port }) => [listenerName, port]));
    return new ProxyFixture(bootstrap, server, table, directory, ports);
  }

  port(listenerName: string): number {
    const port = this.#ports.get(listenerName);
    if (port === undefined) throw new Error(`no listener ${listenerName}`);
    return port;
  }

  stat(name: string): number | undefined {
    this.#table.refresh();
    return this.#table.value(name);
  }

  /** Waits until a statistic has a value; fails after five seconds. */
  async until(name: string, value: number): Promise<void> {
    const limitMs = Date.now() + 5000;
    while (this.stat(name) !== value) {
      if (Date.now() > limitMs) throw new Error(`${name} is ${this.stat(name)}, not ${value}`);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }

  drain(): Promise<void> {
    return this.#server.drain();
  }

  close(): void {
    this.#server.close();
    this.#directory.close();
  }
}
