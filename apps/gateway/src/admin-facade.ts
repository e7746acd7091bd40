// What the admin interface shows and does, put together from the parts of the main thread.

import type {
  AdminActions,
  AdminContext,
  CertificateView,
  ClusterView,
  ConfigDumpView,
  DrainOptions,
  ListenerView,
  LoggerRegistry,
  ServerState,
} from '@dragoman/admin';
import { LOG_COMPONENTS } from '@dragoman/base';
import { type Bootstrap, type Json, type RouteConfiguration, toProtoJson } from '@dragoman/config';
import type { PrometheusText } from '@dragoman/metrics';
import type { BoundListener, ClusterDirectory } from '@dragoman/proxy';
import type { StatTable } from '@dragoman/shm';
import { certificateViews, clusterView, listenerViews } from './admin-views.ts';
import type { Settings } from './command-line.ts';
import { commandLineOptions } from './command-line-options.ts';
import type { LogWriter } from './logging/log-writer.ts';
import type { RuntimeLayers } from './runtime-layers.ts';
import { BUILD_VERSION } from './version.ts';
import type { WorkerFleet } from './worker-fleet.ts';

/** The parts, and what only their owner can do. */
export interface AdminParts {
  readonly settings: Settings;
  readonly log: LogWriter;
  readonly stats: StatTable;
  readonly prometheus: PrometheusText;
  readonly startTimeMs: number;
  readonly fleet: WorkerFleet;
  readonly bootstrap: Bootstrap;
  readonly directory: ClusterDirectory;
  readonly runtime: RuntimeLayers;
  listeners(): readonly BoundListener[];
  state(): ServerState;
  setState(state: ServerState): void;
  refreshStats(): void;
  quit(): void;
  reopenLogs(): void;
  /** So many listeners do not accept any more. */
  onListenersStopped(count: number): void;
}

type Filter = { readonly typedConfig?: { readonly typeName: string; readonly value: unknown } };

export class AdminFacade implements AdminContext {
  readonly version = BUILD_VERSION;
  readonly hotRestartVersion = 'disabled';
  readonly stats: StatTable;
  readonly prometheus: PrometheusText;
  readonly startTimeMs: number;
  readonly commandLineOptions: Record<string, Json>;
  readonly loggers: LoggerRegistry;
  readonly runtime: RuntimeLayers;
  readonly actions: AdminActions;
  readonly #parts: AdminParts;
  /** When the configuration came into use. */
  readonly #loadedMs = Date.now();

  constructor(parts: AdminParts) {
    this.#parts = parts;
    this.stats = parts.stats;
    this.prometheus = parts.prometheus;
    this.startTimeMs = parts.startTimeMs;
    this.commandLineOptions = commandLineOptions(parts.settings);
    this.runtime = parts.runtime;
    this.loggers = this.#loggers();
    this.actions = this.#actions();
  }

  refreshStats(): void {
    this.#parts.refreshStats();
  }

  nowMs(): number {
    return Date.now();
  }

  state(): ServerState {
    return this.#parts.state();
  }

  node(): Record<string, Json> {
    const { bootstrap, settings } = this.#parts;
    const { serviceNode, serviceCluster, serviceZone } = settings;
    const node = (bootstrap.node ?? {}) as Record<string, unknown>;
    const locality = node.locality as { zone?: string } | undefined;
    const merged = {
      ...node,
      id: serviceNode || node.id,
      cluster: serviceCluster || node.cluster,
      ...(serviceZone === '' ? {} : { locality: { ...locality, zone: serviceZone } }),
    };
    const json = toProtoJson('envoy.config.core.v3.Node', merged as never) as Record<string, Json>;
    // Envoy prints what is empty, too, and management servers know clients by this name.
    if (json.locality !== undefined)
      json.locality = { region: '', zone: '', sub_zone: '', ...(json.locality as Record<string, Json>) };
    return {
      ...{ id: '', cluster: '', dynamic_parameters: {}, user_agent_name: 'envoy' },
      ...{ extensions: [], client_features: [], listening_addresses: [] },
      ...json,
    };
  }

  clusters(): readonly ClusterView[] {
    return this.#parts.directory.views().map(clusterView);
  }

  listeners(): readonly ListenerView[] {
    return listenerViews(this.#parts.listeners());
  }

  certificates(): readonly CertificateView[] {
    return certificateViews(this.#parts.bootstrap);
  }

  unreadyTargets(): [] {
    return [];
  }

  configDump(): ConfigDumpView {
    const { bootstrap } = this.#parts;
    const resources = bootstrap.staticResources;
    const dumped = <T>(config: T) => ({ config, lastUpdatedMs: this.#loadedMs });
    return {
      bootstrap: dumped(bootstrap),
      clusters: {
        versionInfo: '',
        static: (resources?.clusters ?? []).map(dumped),
        dynamicActive: [],
        dynamicWarming: [],
      },
      listeners: { versionInfo: '', static: (resources?.listeners ?? []).map(dumped), dynamic: [] },
      routes: { static: staticRoutes(bootstrap).map(dumped), dynamic: [] },
      secrets: { static: (resources?.secrets ?? []).map(dumped), dynamicActive: [], dynamicWarming: [] },
    };
  }

  #loggers(): LoggerRegistry {
    const { log, fleet } = this.#parts;
    return {
      names: LOG_COMPONENTS,
      level: name => log.levels.table.get(name) ?? 'info',
      setLevel(name, level) {
        log.levels.set(name, level);
        fleet.setLogLevels(log.levels.table);
      },
    };
  }

  #actions(): AdminActions {
    const parts = this.#parts;
    let drainsGradually = false;
    const drainListeners = async ({ graceful, skipExit, inboundOnly }: DrainOptions) => {
      const { drainTimeMs: timeMs, drainStrategy } = parts.settings;
      const immediate = drainStrategy === 'immediate';
      // A drain that has begun goes on as it is, whatever the next call wants.
      if (graceful && drainsGradually) return;
      drainsGradually ||= graceful;
      if (graceful) parts.fleet.startDrain({ timeMs, immediate, inboundOnly });
      if (skipExit) return;
      if (graceful) await new Promise(resolve => setTimeout(resolve, timeMs).unref());
      await parts.fleet.stopListeners(inboundOnly);
      const listeners = parts.bootstrap.staticResources?.listeners ?? [];
      const stopped = listeners.filter(listener => !inboundOnly || listener.trafficDirection === 'INBOUND');
      parts.onListenersStopped(stopped.length);
    };
    return {
      quit: () => parts.quit(),
      drainListeners: options => void drainListeners(options),
      failHealthCheck() {
        parts.setState('DRAINING');
        parts.fleet.setDraining(true);
      },
      passHealthCheck() {
        parts.setState('LIVE');
        parts.fleet.setDraining(false);
      },
      reopenLogs: () => parts.reopenLogs(),
    };
  }
}

/** The route tables inside the connection managers of all listeners. */
function staticRoutes(bootstrap: Bootstrap): RouteConfiguration[] {
  const routes: RouteConfiguration[] = [];
  for (const listener of bootstrap.staticResources?.listeners ?? []) {
    for (const chain of [...listener.filterChains, listener.defaultFilterChain]) {
      for (const filter of (chain?.filters ?? []) as Filter[]) {
        const manager = filter.typedConfig?.value as { routeConfig?: RouteConfiguration } | undefined;
        if (manager?.routeConfig !== undefined) routes.push(manager.routeConfig);
      }
    }
  }
  return routes;
}
