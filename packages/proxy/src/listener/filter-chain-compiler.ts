// Compiles an HTTP connection manager: settings, routes, HTTP filters, access logs.
// Runs on each worker when a snapshot arrives.

import { DragomanError } from '@dragoman/base';
import type {
  Any,
  HttpConnectionManager,
  HttpFilter,
  Listener,
  RouteConfiguration,
  Router,
} from '@dragoman/config';
import { type AccessLogContext, compileAccessLogs } from '../access-log/access-log.ts';
import type { AccessLogTypes } from '../access-log/access-log-type.ts';
import { ConnectionManager } from '../connection-manager/connection-manager.ts';
import { DEFAULTS, ManagerSettings } from '../connection-manager/settings.ts';
import type { FilterContext, HttpFilterInstance, HttpFilterType } from '../filter-chain/filter.ts';
import { compileLocalReplyConfig } from '../format/local-reply.ts';
import type { NetworkFilterTypes } from '../network-filter/network-filter-compiler.ts';
import { OverloadState } from '../overload/overload-state.ts';
import { compileRouteTable, type RouteTable } from '../route/route-table.ts';
import { RouteStats } from '../router/route-stats.ts';
import { RouterFilter } from '../router/router-filter.ts';
import { RouterSettings } from '../router/router-settings.ts';
import type { RuntimeValues } from '../runtime/runtime-values.ts';
import type { WorkerServices } from '../server/worker-services.ts';
import type { ConnectionPools } from '../upstream/connection-pools.ts';

export const HTTP_CONNECTION_MANAGER =
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
export const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';

/** What compiling needs of its surroundings. */
export interface ChainContext {
  readonly worker: WorkerServices;
  readonly pools: ConnectionPools;
  readonly filterTypes: ReadonlyMap<string, HttpFilterType>;
  readonly networkFilterTypes: NetworkFilterTypes;
  readonly accessLogTypes: AccessLogTypes;
  readonly attachments: ReadonlyMap<string, unknown>;
  readonly accessLogs: AccessLogContext;
  readonly listenerStatPrefix: string;
}

export function compileConnectionManager(
  config: HttpConnectionManager,
  listener: Listener,
  context: ChainContext,
  filterChainName: string,
): ConnectionManager {
  const settings = new ManagerSettings(config);
  const compiler = new HttpFilterCompiler(
    settings,
    listener,
    context,
    saysAnythingPerFilter(config.routeConfig),
  );
  const filterInstances: HttpFilterInstance[] = [];
  let router = new RouterSettings(NO_ROUTER);
  for (const entry of config.httpFilters) {
    if (entry.typedConfig?.typeName === ROUTER)
      router = new RouterSettings(entry.typedConfig.value as Router);
    else compiler.compile(entry, filterInstances);
  }
  const routeStats = new RouteStats(context.worker.lane, config.routeConfig);
  return new ConnectionManager({
    settings,
    worker: context.worker,
    filterChainName,
    listenerStatPrefix: context.listenerStatPrefix,
    bufferLimitBytes: listener.perConnectionBufferLimitBytes ?? DEFAULTS.perConnectionBufferLimitBytes,
    overload: listener.bypassOverloadManager ? new OverloadState() : context.worker.overload,
    drainsOnFailure: listener.drainType === 'DEFAULT',
    inbound: listener.trafficDirection === 'INBOUND',
    routes: routesOf(config, compiler, context.worker.runtime),
    filterInstances,
    accessLogs: compileAccessLogs(config.accessLog, context.accessLogs),
    localReply:
      config.localReplyConfig === undefined
        ? null
        : compileLocalReplyConfig(config.localReplyConfig, context.worker.runtime),
    createTerminal: stream => new RouterFilter(stream, router, context.pools, routeStats),
  });
}

function routesOf(
  config: HttpConnectionManager,
  compiler: HttpFilterCompiler,
  runtime: RuntimeValues,
): RouteTable | null {
  if (config.routeConfig === undefined) return null;
  return compileRouteTable(config.routeConfig, {
    runtime,
    compileFilterConfig: (filterName, any) => compiler.compileRouteConfig(filterName, any),
  });
}

class HttpFilterCompiler {
  readonly #settings: ManagerSettings;
  readonly #listener: Listener;
  readonly #context: ChainContext;
  /** Routes may switch filters off and on. */
  readonly #switchable: boolean;

  constructor(settings: ManagerSettings, listener: Listener, context: ChainContext, switchable: boolean) {
    this.#settings = settings;
    this.#listener = listener;
    this.#context = context;
    this.#switchable = switchable;
  }

  compile(entry: HttpFilter, into: HttpFilterInstance[]): void {
    const typeName = entry.typedConfig?.typeName ?? '';
    const type = this.#context.filterTypes.get(typeName);
    if (type === undefined) {
      if (entry.isOptional) return;
      throw new DragomanError(
        'FILTER_TYPE',
        `http filter ${entry.name}: no filter is registered for ${typeName}`,
      );
    }
    const instance = type.create(entry.typedConfig!.value, this.#filterContext(entry.name));
    if (this.#switchable) into.push(new SwitchableFilter(entry.name, entry.disabled, instance));
    else if (!entry.disabled) into.push(instance);
  }

  compileRouteConfig(filterName: string, any: Any): unknown {
    for (const type of this.#context.filterTypes.values())
      if (type.routeConfigTypes?.includes(any.typeName) || type.configTypes.includes(any.typeName))
        return type.compileRouteConfig === undefined
          ? any.value
          : type.compileRouteConfig(any.value, this.#filterContext(filterName));
    return any.value;
  }

  #filterContext(filterName: string): FilterContext {
    const statPrefix = `http.${this.#settings.statPrefix}.`;
    return filterContext(this.#context, this.#listener, filterName, statPrefix);
  }
}

/** What the entry `filterName` of a chain may use of its worker. */
export function filterContext(
  { worker, attachments }: Pick<ChainContext, 'attachments' | 'worker'>,
  listener: Pick<Listener, 'metadata' | 'name' | 'trafficDirection'>,
  filterName: string,
  statPrefix: string,
): FilterContext {
  return {
    filterName,
    statPrefix,
    stats: worker.lane,
    clusters: worker.clusters,
    asyncClient: worker.asyncClient,
    timers: worker.timers,
    logger: worker.logger,
    attachments,
    workerIndex: worker.workerIndex,
    concurrency: worker.concurrency,
    listener: { name: listener.name, direction: listener.trafficDirection, metadata: listener.metadata },
  };
}

/** A filter that a route can switch off, or on where the chain has it disabled. */
class SwitchableFilter implements HttpFilterInstance {
  readonly #name: string;
  readonly #disabled: boolean;
  readonly #instance: HttpFilterInstance;

  constructor(name: string, disabled: boolean, instance: HttpFilterInstance) {
    this.#name = name;
    this.#disabled = disabled;
    this.#instance = instance;
  }

  createFilter(
    stream: Parameters<HttpFilterInstance['createFilter']>[0],
  ): ReturnType<HttpFilterInstance['createFilter']> {
    const disabled = stream.getRoute()?.filterDisabled(this.#name) ?? this.#disabled;
    return disabled ? null : this.#instance.createFilter(stream);
  }

  close(): void {
    this.#instance.close?.();
  }
}

/** Whether any level of the routes has typed_per_filter_config: if not, no filter needs to ask its route. */
function saysAnythingPerFilter(routes: RouteConfiguration | undefined): boolean {
  if (routes === undefined) return false;
  const says = (level: { typedPerFilterConfig: Record<string, unknown> }): boolean =>
    Object.keys(level.typedPerFilterConfig).length > 0;
  return (
    says(routes) ||
    routes.virtualHosts.some(
      host =>
        says(host) ||
        host.routes.some(
          route => says(route) || (route.route?.weightedClusters?.clusters.some(says) ?? false),
        ),
    )
  );
}

const NO_ROUTER: Router = {
  startChildSpan: false,
  upstreamLog: [],
  suppressEnvoyHeaders: false,
  strictCheckHeaders: [],
  respectExpectedRqTimeout: false,
  suppressGrpcRequestFailureCodeStats: false,
  upstreamHttpFilters: [],
};
