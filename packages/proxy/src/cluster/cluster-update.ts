// What passes between the main thread, which resolves and checks, and the workers, which balance: plain data
// that can be posted, and what a worker's clusters need of their surroundings.

import type { Clock, Logger } from '@dragoman/base';
import type { Cluster as ClusterConfig } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import type { HostSpec } from './host-spec.ts';

/** One cluster as workers receive it. */
export interface ClusterSnapshot {
  readonly config: ClusterConfig;
  /** Changes whenever the configuration does: workers keep a cluster whose version they already have. */
  readonly version: number;
  readonly hosts: readonly HostSpec[];
  /** Table of circuit-breaker counts, see circuit-breakers.ts. */
  readonly breakers: SharedArrayBuffer;
}

/** From the main thread to every worker. */
export type ClusterUpdate =
  /** A new cluster, or one that takes the place of the one of its name. */
  | { readonly kind: 'cluster'; readonly cluster: ClusterSnapshot }
  | { readonly kind: 'cluster-removed'; readonly name: string }
  /** The whole host list of one cluster. */
  | { readonly kind: 'hosts'; readonly cluster: string; readonly hosts: readonly HostSpec[] }
  /** New health flags: [host key, flags, host key, flags, ...]. */
  | { readonly kind: 'health'; readonly cluster: string; readonly changes: readonly (string | number)[] };

/** From a worker to the main thread. */
export type ClusterReport =
  /** A host reached a limit of outlier detection. */
  | {
      readonly kind: 'outlier';
      readonly cluster: string;
      readonly host: string;
      readonly reason: OutlierReason;
    }
  /** A response carried x-envoy-immediate-health-check-fail. */
  | { readonly kind: 'immediate-health-check-fail'; readonly cluster: string; readonly host: string };

export type OutlierReason =
  | 'consecutive_5xx'
  | 'consecutive_gateway_failure'
  | 'consecutive_local_origin_failure';

/** What a worker's clusters use of their worker. */
export interface WorkerContext {
  readonly lane: StatLane;
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0-based; the row in shared tables. */
  readonly workerIndex: number;
  /** Uniform in [0, 1); a test gives its own. */
  readonly random: () => number;
  /** Posts to the main thread. */
  readonly report: (report: ClusterReport) => void;
}
