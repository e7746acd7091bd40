// What the tests of this folder start from: a clock that stands still, a lane that remembers by name, clusters
// and hosts from a few words. Imported from tests only.

import { type Logger, silentLogger } from '@dragoman/base';
import type { Cluster as ClusterConfig, LbEndpoint } from '@dragoman/config';
import { StatLane, StatTable } from '@dragoman/shm';
import { StoppedClock } from '@dragoman/testkit';
import { createBreakerMemory } from './circuit-breakers.ts';
import type { ClusterReport, ClusterSnapshot, ClusterUpdate, WorkerContext } from './cluster-update.ts';
import type { DirectoryContext } from './directory-cluster.ts';
import { Host } from './host.ts';
import { type HostSpec, NO_LOCALITY } from './host-spec.ts';

/** A small lane and a table to read it by name. */
export class NamedLane {
  readonly lane: StatLane;
  readonly #table = new StatTable();

  constructor() {
    const memory = StatLane.create({ slotCapacity: 1 << 14, logBytes: 1 << 16 });
    this.lane = new StatLane(memory);
    this.#table.addLane(memory);
  }

  /** The value of a counter or gauge, or undefined when nobody has defined it. */
  value(name: string): number | undefined {
    this.#table.refresh();
    return this.#table.value(name);
  }

  /** Names of all counters, gauges and histograms. */
  names(): string[] {
    const { counters, gauges, histograms } = this.#table.snapshot();
    return [...counters.keys(), ...gauges.keys(), ...histograms.keys()];
  }
}

/** A repeatable source of numbers in [0, 1). */
export function seededRandom(seed = 1): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function hostSpecOf(address: string, settings: Partial<HostSpec> = {}): HostSpec {
  const [ip, port] = address.split(':');
  return {
    key: address,
    address: ip!,
    port: Number(port),
    pipePath: '',
    hostname: '',
    weight: 1,
    priority: 0,
    locality: NO_LOCALITY,
    localityWeight: 0,
    metadata: undefined,
    healthFlags: 0,
    ...settings,
  };
}

/** A host of a cluster "app" on a lane of its own. */
export function hostOf(address: string, settings: Partial<HostSpec> = {}): Host {
  return new Host('app', hostSpecOf(address, settings), new NamedLane().lane, 0);
}

/** A decoded Cluster message with what is absent filled in as the decoder does. */
export function clusterConfig(settings: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name: 'app',
    altStatName: '',
    type: 'STATIC',
    lbPolicy: 'ROUND_ROBIN',
    dnsLookupFamily: 'AUTO',
    transportSocketMatches: [],
    healthChecks: [],
    typedExtensionProtocolOptions: {},
    respectDnsTtl: false,
    dnsResolvers: [],
    useTcpForDnsLookups: false,
    protocolSelection: 'USE_CONFIGURED_PROTOCOL',
    closeConnectionsOnHostHealthFailure: false,
    ignoreHealthOnHostRemoval: false,
    filters: [],
    lrsReportEndpointMetrics: [],
    trackTimeoutBudgets: false,
    connectionPoolPerDownstreamConnection: false,
    ...settings,
  };
}

export function clusterSnapshot(
  hosts: readonly HostSpec[],
  settings: Partial<ClusterConfig> = {},
  version = 1,
): ClusterSnapshot {
  return { config: clusterConfig(settings), version, hosts, breakers: createBreakerMemory(1) };
}

export interface WorkerFixture {
  readonly context: WorkerContext;
  readonly clock: StoppedClock;
  readonly lane: NamedLane;
  readonly reports: ClusterReport[];
}

export function workerFixture(seed = 1): WorkerFixture {
  const clock = new StoppedClock();
  const lane = new NamedLane();
  const reports: ClusterReport[] = [];
  const context: WorkerContext = {
    lane: lane.lane,
    clock,
    logger: silentLogger,
    workerIndex: 0,
    random: seededRandom(seed),
    report: report => reports.push(report),
  };
  return { context, clock, lane, reports };
}

/** What a name of a test resolves to. */
export type TestAnswer = string[] | Error | Promise<string[]>;

export interface DirectoryFixture {
  readonly context: DirectoryContext;
  readonly clock: StoppedClock;
  readonly lane: NamedLane;
  readonly answers: Map<string, TestAnswer>;
  readonly posted: ClusterUpdate[];
  readonly log: string[];
}

/** Surroundings of clusters on the main thread; names not in `answers` do not exist. */
export function directoryFixture(settings: { ttlMs?: number; concurrency?: number } = {}): DirectoryFixture {
  const clock = new StoppedClock();
  const lane = new NamedLane();
  const answers = new Map<string, TestAnswer>();
  const posted: ClusterUpdate[] = [];
  const log: string[] = [];
  const logger: Logger = {
    enabled: () => true,
    log: (level, _component, message) => {
      if (level !== 'debug') log.push(message);
    },
  };
  const resolver = {
    resolve: async (name: string) => {
      const answer = await (answers.get(name) ?? []);
      if (answer instanceof Error) throw answer;
      return { addresses: answer, ttlMs: settings.ttlMs };
    },
  };
  const context: DirectoryContext = {
    lane: lane.lane,
    clock,
    logger,
    random: seededRandom(),
    concurrency: settings.concurrency ?? 1,
    resolverFor: () => resolver,
    post: update => posted.push(update),
    statValue: name => lane.value(name),
  };
  return { context, clock, lane, answers, posted, log };
}

/** A decoded LbEndpoint. */
export function lbEndpoint(host: string, port: number, settings: object = {}): LbEndpoint {
  return {
    endpoint: {
      address: { socketAddress: { protocol: 'TCP', address: host, portValue: port } },
      hostname: '',
      additionalAddresses: [],
    },
    healthStatus: 'UNKNOWN',
    ...settings,
  } as unknown as LbEndpoint;
}
