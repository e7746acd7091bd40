// Everything the parts of one worker share, made once when the worker starts. No part keeps module-level state:
// what belongs to the worker is found here.

import type { Logger, Timers } from '@dragoman/base';
import type { StatLane } from '@dragoman/shm';
import type { ClusterManager } from '../cluster/cluster-manager.ts';
import type { DateLine } from '../connection-manager/date-line.ts';
import type { RequestIds } from '../connection-manager/request-ids.ts';
import type { ConnectionLimits } from '../overload/connection-limits.ts';
import type { OverloadState } from '../overload/overload-state.ts';
import type { ReducedTimeouts } from '../overload/reduced-timeouts.ts';
import type { RuntimeValues } from '../runtime/runtime-values.ts';
import type { ReadBuffers } from '../socket/read-buffers.ts';
import type { AsyncClient } from '../upstream/async-client.ts';
import type { GradualDrain } from './gradual-drain.ts';

export interface WorkerServices {
  readonly workerIndex: number;
  readonly concurrency: number;
  readonly serviceCluster: string;
  readonly serviceNode: string;
  readonly lane: StatLane;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly clusters: ClusterManager;
  readonly asyncClient: AsyncClient;
  readonly runtime: RuntimeValues;
  readonly readBuffers: ReadBuffers;
  readonly dateLine: DateLine;
  readonly requestIds: RequestIds;
  overload: OverloadState;
  reducedTimeouts: ReducedTimeouts;
  connectionLimits: ConnectionLimits | null;
  /** True from the start of a drain on: responses ask clients to close their connections. */
  draining: boolean;
  /** The process is about to end. */
  stopping: boolean;
  /** Listeners are drained over the drain time. */
  gradualDrain: GradualDrain | null;
}

/** What connections to upstream hosts use of the thread they are on. */
export type UpstreamServices = Pick<WorkerServices, 'timers' | 'readBuffers'>;
