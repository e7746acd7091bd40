// What the main thread and the worker program agree on, apart from the requests in worker.ts. Apart from both, so that
// neither loads the other's code.

import type { StatLaneMemory } from '@dragoman/shm';
import type { LogSettings } from './logging/log-writer.ts';

/** What a worker thread is given when it starts. */
export interface WorkerData {
  readonly lane: StatLaneMemory;
  /** Of the worker's Guard: shared, so that a watchdog sees how long plugins run. */
  readonly guardMemory: WebAssembly.Memory;
  readonly concurrency: number;
  /** The thread's number among all of the process: workers first, then the thread of services. */
  readonly workerIndex: number;
  readonly log: LogSettings;
  readonly serviceCluster: string;
  readonly serviceNode: string;
  readonly fileFlushIntervalMs: number;
}

/** Name of the event that carries a ClusterReport. */
export const REPORT_EVENT = 'cluster-report';
