// A small AdminContext and a raw HTTP client for the tests of this package.

import net from 'node:net';
import { LOG_COMPONENTS, type LogLevel, silentLogger } from '@dragoman/base';
import type { Bootstrap, Cluster, Listener, Secret } from '@dragoman/config';
import { PrometheusText } from '@dragoman/metrics';
import { StatLane, StatTable } from '@dragoman/shm';
import { AdminServer, type AdminServerOptions } from './admin-server.ts';
import type {
  AdminContext,
  ClusterView,
  HostView,
  ListenerView,
  RuntimeLayer,
  ServerState,
} from './context.ts';
import { ServerStats } from './server-stats.ts';

const limits = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 };

export const host = (fields: Partial<HostView> = {}): HostView => ({
  address: { address: '127.0.0.1', port: 8000, pipe: '' },
  hostname: '',
  weight: 1,
  priority: 0,
  region: '',
  zone: '',
  subZone: '',
  canary: false,
  healthFlags: 'healthy',
  successRate: -1,
  localOriginSuccessRate: -1,
  ...fields,
});

export const cluster = (fields: Partial<ClusterView> = {}): ClusterView => ({
  name: 'app',
  observabilityName: 'app',
  addedViaApi: false,
  edsServiceName: '',
  defaultPriority: limits,
  highPriority: limits,
  outlier: null,
  hosts: [],
  ...fields,
});

/** A server state that tests look into and change. */
export class Fixture {
  readonly table: StatTable;
  readonly lane: StatLane;
  readonly serverStats: ServerStats;
  readonly levels = new Map<string, LogLevel>(LOG_COMPONENTS.map(name => [name, 'warning']));
  readonly calls: unknown[] = [];
  state: ServerState = 'LIVE';
  clusters: ClusterView[] = [];
  listeners: ListenerView[] = [];
  runtimeLayers: RuntimeLayer[] = [];
  adminLayer: Record<string, string> | null = null;
  bootstrap = {} as Bootstrap;
  staticClusters: Cluster[] = [];
  staticListeners: Listener[] = [];
  staticSecrets: Secret[] = [];
  server: AdminServer | null = null;

  constructor() {
    const memory = StatLane.create();
    this.table = new StatTable();
    this.table.addLane(memory);
    this.lane = new StatLane(memory);
    this.serverStats = new ServerStats(this.lane, {
      ...{ concurrency: 1, version: `${'ab'.repeat(20)}/1.2.3/Clean/RELEASE/OpenSSL` },
      ...{ restartEpoch: 0, startTimeMs: 1_700_000_000_000 },
    });
  }

  context(): AdminContext {
    const dumped = <T>(config: T) => ({ config, lastUpdatedMs: 1_700_000_000_000 });
    const call = (name: string) => (argument?: unknown) => {
      this.calls.push(argument === undefined ? name : [name, argument]);
    };
    return {
      stats: this.table,
      prometheus: new PrometheusText(this.table),
      refreshStats: () =>
        this.serverStats.refresh({ state: this.state, nowMs: 1_700_000_005_500, totalConnections: 0 }),
      version: `${'ab'.repeat(20)}/1.2.3/Clean/RELEASE/OpenSSL`,
      hotRestartVersion: 'disabled',
      startTimeMs: 1_700_000_000_000,
      nowMs: () => 1_700_000_005_500,
      state: () => this.state,
      commandLineOptions: { service_node: 'the-node', concurrency: 2 },
      node: () => ({ id: 'the-node' }),
      clusters: () => this.clusters,
      listeners: () => this.listeners,
      configDump: () => ({
        bootstrap: dumped(this.bootstrap),
        clusters: {
          versionInfo: '',
          static: this.staticClusters.map(dumped),
          dynamicActive: [],
          dynamicWarming: [],
        },
        listeners: { versionInfo: '', static: this.staticListeners.map(dumped), dynamic: [] },
        routes: { static: [], dynamic: [] },
        secrets: { static: this.staticSecrets.map(dumped), dynamicActive: [], dynamicWarming: [] },
      }),
      certificates: () => [],
      unreadyTargets: () => [],
      loggers: {
        names: LOG_COMPONENTS,
        level: name => this.levels.get(name)!,
        setLevel: (name, level) => void this.levels.set(name, level),
      },
      runtime: {
        layers: () => [
          ...this.runtimeLayers,
          ...(this.adminLayer ? [{ name: 'admin', values: this.adminLayer }] : []),
        ],
        merge: values => {
          if (this.adminLayer === null) return false;
          Object.assign(this.adminLayer, values);
          return true;
        },
      },
      actions: {
        quit: call('quit'),
        drainListeners: call('drainListeners'),
        failHealthCheck: call('failHealthCheck'),
        passHealthCheck: call('passHealthCheck'),
        reopenLogs: call('reopenLogs'),
      },
    };
  }

  async start(options: Partial<AdminServerOptions> = {}): Promise<void> {
    this.server = new AdminServer({
      context: this.context(),
      lane: this.lane,
      logger: silentLogger,
      ...options,
    });
    await this.server.listen({ address: '127.0.0.1', port: 0 });
  }

  /** Everything the server sends for one request, with `connection: close` left out of both. */
  async raw(method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<string> {
    const port = Number(this.server!.address().split(':').at(-1));
    const lines = Object.entries({
      host: 'admin',
      'content-length': String(Buffer.byteLength(body)),
      ...headers,
    });
    const head = `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
    const socket = net.connect(port, '127.0.0.1');
    socket.write(head + body);
    let answer = '';
    for await (const chunk of socket) {
      answer += chunk;
      if (answer.endsWith('\r\n0\r\n\r\n') || (method === 'HEAD' && answer.endsWith('\r\n\r\n'))) break;
    }
    socket.destroy();
    return answer;
  }

  /** Status and unchunked body. */
  async get(
    path: string,
    method = 'GET',
    headers: Record<string, string> = {},
    body = '',
  ): Promise<{ status: number; type: string; body: string }> {
    const answer = await this.raw(method, path, headers, body);
    const [head, ...rest] = answer.split('\r\n\r\n');
    let chunks = Buffer.from(rest.join('\r\n\r\n'));
    let text = '';
    for (;;) {
      const line = chunks.indexOf('\r\n');
      const size = line < 0 ? 0 : Number.parseInt(chunks.toString('latin1', 0, line), 16);
      if (!(size > 0)) break;
      text += chunks.toString('utf8', line + 2, line + 2 + size);
      chunks = chunks.subarray(line + 2 + size + 2);
    }
    return {
      status: Number(head.split(' ')[1]),
      type: /content-type: (.*)/.exec(head)?.[1] ?? '',
      body: text,
    };
  }
}
