// A whole worker of the proxy in a test's own process, with a plugin whose guest is a puppet, between a raw client and a
// scripted upstream: what a plugin does is seen in the bytes on both sides. Imported from tests only.

import { CALLBACKS, HIGRESS_CALLBACKS, HIGRESS_CALLS, HOST_CALLS } from '@dragoman/abi';
import { type Clock, systemClock } from '@dragoman/base';
import { type Bootstrap, loadBootstrap, type Wasm } from '@dragoman/config';
import {
  type AccessLogType,
  ClusterDirectory,
  clusterManagerSupport,
  type FilterContext,
  type HttpFilterType,
  type NetworkFilterType,
  tlsSupport,
  WorkerServer,
} from '@dragoman/proxy';
import { StatLane, StatTable } from '@dragoman/shm';
import { type ConnectionScript, Puppet, RawConnection, ScriptedServer } from '@dragoman/testkit';
import { compileModuleSync } from '@dragoman/vm';
import { WasmAccessLog, wasmAccessLogType } from '../access-log-type.ts';
import { WASM_FILTER_TYPE, WasmFilterInstance } from '../filter-type.ts';
import { WasmNetworkFilterInstance, wasmNetworkFilterType } from '../network-filter-type.ts';
import type { PluginHandle } from '../plugin-handle.ts';
import type { PluginLimits } from '../plugin-limits.ts';
import { type PluginHolder, readPluginConfig, type WasmPluginConfig } from '../plugin-settings.ts';
import { PluginVms } from '../plugin-vms.ts';

const TYPES = 'type.googleapis.com/envoy.extensions';

/** A PluginConfig; its code is the puppet's in any case. */
const PLUGIN = {
  name: 'plugin',
  root_id: 'root',
  vm_config: { code: { local: { inline_string: '' } } },
};

/** An extension of the type with a plugin in it. */
export const pluginEntry = (type: string, plugin: object = {}): object => ({
  name: 'wasm',
  typed_config: { '@type': `${TYPES}.${type}`, config: { ...PLUGIN, ...plugin } },
});

/** The system's clock, except that a deadline in an hour does not keep the test's process alive. */
const clock: Clock = {
  ...systemClock,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

export interface PuppetWorkerOptions {
  /** What the upstream "app" does; by default it answers 200 and "ok". */
  readonly upstream?: ConnectionScript;
  /** Fields of the cluster "app". */
  readonly cluster?: object;
  /** Fields of the connection manager. */
  readonly manager?: object;
  /** Fields of the listener. */
  readonly listener?: object;
  /** Fields of the PluginConfig. */
  readonly plugin?: Partial<WasmPluginConfig>;
  readonly limits?: Partial<PluginLimits>;
  /** Callbacks that the guest has; all of them by default. */
  readonly callbacks?: readonly string[];
  /** Clusters besides "app". */
  readonly clusters?: readonly object[];
  /** Filters before the plugin, by type. */
  readonly filtersBefore?: readonly HttpFilterType<never>[];
}

export class PuppetWorker {
  readonly puppet: Puppet;
  /** Lines of the log, with level and component before them. */
  readonly log: string[] = [];
  readonly #options: PuppetWorkerOptions;
  readonly #table = new StatTable();
  #upstream!: ScriptedServer;
  #server!: WorkerServer;
  #directory!: ClusterDirectory;
  #port = 0;

  private constructor(options: PuppetWorkerOptions) {
    this.#options = options;
    const { callbacks } = options;
    this.puppet = new Puppet({
      hostCalls: [...HOST_CALLS, ...HIGRESS_CALLS],
      callbacks: [...CALLBACKS, ...HIGRESS_CALLBACKS].filter(
        ({ name }) => callbacks === undefined || callbacks.includes(name),
      ),
    });
  }

  static async start(options: PuppetWorkerOptions = {}): Promise<PuppetWorker> {
    const worker = new PuppetWorker(options);
    await worker.#start();
    return worker;
  }

  get port(): number {
    return this.#port;
  }

  /** A connection to the proxy. */
  connect(): Promise<RawConnection> {
    return RawConnection.connect(this.#port);
  }

  /** Connections the upstream has seen. */
  get upstreamConnections(): number {
    return this.#upstream.connectionCount;
  }

  stat(name: string): number | undefined {
    this.#table.refresh();
    return this.#table.value(name);
  }

  /** Waits until the guest has been called so often; fails after five seconds. */
  async traced(callback: string, times = 1): Promise<void> {
    const limitMs = Date.now() + 5000;
    const calls = () => this.puppet.trace.filter(line => line.startsWith(`${callback}(`)).length;
    while (calls() < times) {
      if (Date.now() > limitMs) throw new Error(`no ${callback} in ${this.puppet.trace.join(', ')}`);
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#directory.close();
    await this.#upstream.close();
  }

  async #start(): Promise<void> {
    const { upstream } = this.#options;
    this.#upstream =
      upstream === undefined
        ? await ScriptedServer.answering('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
        : await ScriptedServer.listen(upstream);
    const memory = StatLane.create();
    this.#table.addLane(memory);
    const logger = {
      enabled: () => true,
      log: (level: string, component: string, line: string) =>
        void this.log.push(`${level} ${component} ${line}`),
    };
    this.#server = new WorkerServer({
      workerIndex: 0,
      concurrency: 1,
      lane: new StatLane(memory),
      logger,
      networkFilterTypes: [this.#networkFilterType() as NetworkFilterType],
      accessLogTypes: [this.#accessLogType() as AccessLogType],
      filterTypes: [this.#filterType(), ...(this.#options.filtersBefore ?? [])],
      serviceCluster: '',
      serviceNode: '',
      fileFlushIntervalMs: 20,
      report: () => {},
      clock,
    });
    this.#directory = new ClusterDirectory({
      lane: new StatLane(StatLane.create()),
      clock,
      logger,
      random: Math.random,
      concurrency: 1,
      resolverFor: () => ({ resolve: async () => ({ addresses: [], ttlMs: undefined }) }),
      post: update => this.#server.applyClusterUpdate(update),
      statValue: () => 0,
    });
    const bootstrap = this.#bootstrap();
    for (const cluster of bootstrap.staticResources?.clusters ?? []) this.#directory.set(cluster);
    await this.#directory.warm();
    const bound = await this.#server.applySnapshot({
      version: 1,
      bootstrap,
      clusters: this.#directory.serve(),
      attachments: new Map(),
      runtime: new Map(),
      boundPorts: {},
    });
    this.#port = bound[0]!.port;
  }

  /** envoy.filters.http.wasm, except that its code is the puppet's. */
  #filterType(): HttpFilterType<Wasm> {
    return {
      name: 'envoy.filters.http.wasm',
      configTypes: [WASM_FILTER_TYPE],
      validate() {},
      create: (config, context) =>
        new WasmFilterInstance(this.#startPlugin(config, context), context, undefined),
    };
  }

  #networkFilterType(): NetworkFilterType<PluginHolder> {
    return {
      ...wasmNetworkFilterType,
      create: (config, context) =>
        new WasmNetworkFilterInstance(this.#startPlugin(config, context), context, undefined),
    };
  }

  #accessLogType(): AccessLogType<PluginHolder> {
    return {
      ...wasmAccessLogType,
      create: (config, context) => new WasmAccessLog(this.#startPlugin(config, context), context, undefined),
    };
  }

  #startPlugin(config: PluginHolder, context: FilterContext): PluginHandle {
    const code = { ...compileModuleSync(this.puppet.bytes), sha256: 'puppet' };
    const imports = this.puppet.imports as never;
    const { asyncClient, logger, stats, timers } = context;
    const vms = new PluginVms({ clock: timers.clock, logger, lane: stats, asyncClient });
    const settings = readPluginConfig(config.config as WasmPluginConfig);
    const vm = { ...settings.vm, imports };
    // The puppet pulls the strings of the instance that was made last: a spare would be in the way.
    const limits = { ...settings.limits, spare: false, ...this.#options.limits };
    return vms.start({ ...settings, vm, limits }, code, () => undefined);
  }

  #bootstrap(): Bootstrap {
    const { manager, listener, plugin, clusters = [], filtersBefore = [] } = this.#options;
    const filter = (name: string, type: string, config: object = {}) => ({
      name,
      typed_config: { '@type': type, ...config },
    });
    const httpManager = {
      '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'main',
      route_config: {
        virtual_hosts: [
          { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] },
        ],
      },
      http_filters: [
        ...filtersBefore.map(({ name, configTypes }) =>
          filter(name, `type.googleapis.com/${configTypes[0]}`),
        ),
        filter('wasm', `type.googleapis.com/${WASM_FILTER_TYPE}`, {
          config: { ...PLUGIN, ...plugin },
        }),
        filter('envoy.filters.http.router', `${TYPES}.filters.http.router.v3.Router`),
      ],
      ...manager,
    };
    const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
    const resources = {
      clusters: [
        {
          name: 'app',
          type: 'STATIC',
          load_assignment: {
            cluster_name: 'app',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(this.#upstream.port) } }] }],
          },
          ...this.#options.cluster,
        },
        ...clusters,
      ],
      listeners: [
        {
          name: 'main',
          address: address(0),
          filter_chains: [
            {
              filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: httpManager }],
            },
          ],
          ...listener,
        },
      ],
    };
    const { bootstrap, errors } = loadBootstrap(
      { configYaml: JSON.stringify({ static_resources: resources }) },
      { unknownFields: 'error', support: [clusterManagerSupport, tlsSupport] },
    );
    if (bootstrap === null)
      throw new Error(errors.map(({ path, message }) => `${path}: ${message}`).join('\n'));
    return bootstrap;
  }
}
