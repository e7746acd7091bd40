// What the admin server shows and does, as the application provides it. Everything is asked for at the time of a
// request on the main thread, so an implementation hands out its live state and keeps nothing for this package.

import type { LogLevel } from '@dragoman/base';
import type { Bootstrap, Cluster, JsonObject, Listener, RouteConfiguration, Secret } from '@dragoman/config';
import type { PrometheusText } from '@dragoman/metrics';
import type { StatTable } from '@dragoman/shm';

/** Envoy's envoy.admin.v3.ServerInfo.State. */
export type ServerState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING';

export interface AdminContext {
  readonly stats: StatTable;
  readonly prometheus: PrometheusText;
  /** Brings gauges that somebody has to set (server.uptime, memory) up to date before stats are shown. */
  refreshStats(): void;
  /** "<sha>/<x.y.z>/<Clean|Modified>/<RELEASE|DEBUG>/<TLS library>": tools read the second and third part. */
  readonly version: string;
  /** "disabled" without hot restart. */
  readonly hotRestartVersion: string;
  /** Wall-clock milliseconds. */
  readonly startTimeMs: number;
  nowMs(): number;
  state(): ServerState;
  /** Fields that differ from DEFAULT_COMMAND_LINE_OPTIONS, by Envoy's names ("service_node"). */
  readonly commandLineOptions: JsonObject;
  /** The node as sent to management servers, by proto field names. */
  node(): JsonObject;
  clusters(): readonly ClusterView[];
  listeners(): readonly ListenerView[];
  configDump(): ConfigDumpView;
  certificates(): readonly CertificateView[];
  /** What initialisation still waits for. */
  unreadyTargets(): readonly { readonly name: string; readonly targetNames: readonly string[] }[];
  readonly loggers: LoggerRegistry;
  readonly runtime: RuntimeView;
  readonly actions: AdminActions;
}

export interface AdminActions {
  /** A clean stop; called after the answer has been sent. */
  quit(): void;
  drainListeners(options: DrainOptions): void;
  failHealthCheck(): void;
  passHealthCheck(): void;
  reopenLogs(): void;
}

export interface DrainOptions {
  /** Wait for the drain time before listeners stop. */
  readonly graceful: boolean;
  /** Never stop the listeners, only drain their connections. */
  readonly skipExit: boolean;
  /** Only listeners whose traffic_direction is INBOUND. */
  readonly inboundOnly: boolean;
}

export interface LoggerRegistry {
  /** In the order they are listed. */
  readonly names: readonly string[];
  level(name: string): LogLevel;
  setLevel(name: string, level: LogLevel): void;
}

export interface RuntimeLayer {
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
}

export interface RuntimeView {
  /** In the order of layered_runtime: later layers win. */
  layers(): readonly RuntimeLayer[];
  /** Changes the admin layer; an empty value removes a key. False when there is no admin layer. */
  merge(values: Readonly<Record<string, string>>): boolean;
}

export interface ListenerView {
  readonly name: string;
  /** Where it is bound; the first is the main address. */
  readonly addresses: readonly AddressView[];
}

/** An IP address with port, or a Unix socket: `pipe` is its path, '' otherwise. */
export interface AddressView {
  readonly address: string;
  readonly port: number;
  readonly pipe: string;
}

export interface ClusterView {
  readonly name: string;
  /** alt_stat_name, or the name. */
  readonly observabilityName: string;
  readonly addedViaApi: boolean;
  /** '' when the cluster is no EDS cluster or uses its own name. */
  readonly edsServiceName: string;
  readonly defaultPriority: ThresholdsView;
  readonly highPriority: ThresholdsView;
  /** Null without outlier detection. */
  readonly outlier: OutlierView | null;
  readonly hosts: readonly HostView[];
}

export interface ThresholdsView {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
}

/** Of the last interval, in percent; -1 when there was too little to say. */
export interface OutlierView {
  readonly successRateAverage: number;
  readonly successRateEjectionThreshold: number;
  readonly localOriginSuccessRateAverage: number;
  readonly localOriginSuccessRateEjectionThreshold: number;
}

/** Its counts are read from the stats `@host.<cluster>.<address>.*`. */
export interface HostView {
  readonly address: AddressView;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly canary: boolean;
  /** "healthy", or reasons such as "/failed_active_hc/failed_outlier_check". */
  readonly healthFlags: string;
  /** Percent, -1 when unknown. */
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
}

/** A configuration and since when (wall-clock milliseconds) it is in use. */
export interface Dumped<T> {
  readonly config: T;
  readonly lastUpdatedMs: number;
}

export interface DynamicDumped<T> extends Dumped<T> {
  readonly versionInfo: string;
}

export interface DynamicListenerView {
  readonly name: string;
  readonly active: DynamicDumped<Listener> | null;
  readonly warming: DynamicDumped<Listener> | null;
  readonly draining: DynamicDumped<Listener> | null;
  /** The last update that was refused, if it came after the active one. */
  readonly error: {
    readonly config: Listener | null;
    readonly lastUpdatedMs: number;
    readonly details: string;
    readonly versionInfo: string;
  } | null;
}

/** The decoded configuration as it is in use; lists that do not apply are empty. */
export interface ConfigDumpView {
  readonly bootstrap: Dumped<Bootstrap>;
  readonly clusters: {
    readonly versionInfo: string;
    readonly static: readonly Dumped<Cluster>[];
    readonly dynamicActive: readonly DynamicDumped<Cluster>[];
    readonly dynamicWarming: readonly DynamicDumped<Cluster>[];
  };
  readonly listeners: {
    readonly versionInfo: string;
    readonly static: readonly Dumped<Listener>[];
    readonly dynamic: readonly DynamicListenerView[];
  };
  readonly routes: {
    readonly static: readonly Dumped<RouteConfiguration>[];
    readonly dynamic: readonly DynamicDumped<RouteConfiguration>[];
  };
  readonly secrets: {
    readonly static: readonly Dumped<Secret>[];
    readonly dynamicActive: readonly DynamicDumped<Secret>[];
    readonly dynamicWarming: readonly DynamicDumped<Secret>[];
  };
}

/** The certificates of one TLS context. */
export interface CertificateView {
  readonly caCert: readonly CertificateDetails[];
  readonly certChain: readonly CertificateDetails[];
}

export interface CertificateDetails {
  /** File name, or "<inline>". */
  readonly path: string;
  readonly serialNumber: string;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly validFromMs: number;
  readonly expirationMs: number;
}
