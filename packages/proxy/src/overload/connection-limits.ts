// Limits of downstream connections: of all listeners together and of each. Every worker counts in its own column of shared
// memory and adds the columns up when a connection comes: a limit may be passed by a connection or two that come at the same
// moment on several workers.

import type { Bootstrap, DownstreamConnectionsConfig } from '@dragoman/config';
import { type Runtime, runtimeNumber } from '../route/runtime-fraction.ts';

/** Attachment of a snapshot: the SharedArrayBuffer behind ConnectionLimits. */
export const CONNECTION_COUNTS_ATTACHMENT = 'overload.connections';

const MONITOR = 'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig';
const GLOBAL_KEY = 'overload.global_downstream_max_connections';

export const Admission = { Granted: 0, OverGlobalLimit: 1, OverListenerLimit: 2 } as const;
export type Admission = (typeof Admission)[keyof typeof Admission];

/** One row for all connections, and one for each listener. */
export function connectionCountsMemory(listeners: number, concurrency: number): SharedArrayBuffer {
  return new SharedArrayBuffer((listeners + 1) * concurrency * Int32Array.BYTES_PER_ELEMENT);
}

/** A worker is gone, and its connections with it. */
export function releaseWorkerConnections(
  memory: SharedArrayBuffer,
  concurrency: number,
  workerIndex: number,
): void {
  const counts = new Int32Array(memory);
  for (let i = workerIndex; i < counts.length; i += concurrency) counts[i] = 0;
}

export class ConnectionLimits {
  readonly #counts: Int32Array;
  readonly #concurrency: number;
  readonly #workerIndex: number;
  readonly #runtime: Runtime;
  readonly #globalLimit: number;

  constructor(
    memory: SharedArrayBuffer,
    concurrency: number,
    workerIndex: number,
    runtime: Runtime,
    bootstrap: Bootstrap,
  ) {
    this.#counts = new Int32Array(memory);
    this.#concurrency = concurrency;
    this.#workerIndex = workerIndex;
    this.#runtime = runtime;
    const monitor = bootstrap.overloadManager?.resourceMonitors.find(
      ({ typedConfig }) => typedConfig?.typeName === MONITOR,
    );
    const config = monitor?.typedConfig?.value as DownstreamConnectionsConfig | undefined;
    this.#globalLimit = config?.maxActiveDownstreamConnections ?? Number.POSITIVE_INFINITY;
  }

  /** Counts a connection of the listener with this place in the configuration, unless that is one too many. */
  admit(listener: number, name: string, ignoresGlobalLimit: boolean): Admission {
    if (!ignoresGlobalLimit) {
      const limit = runtimeNumber(this.#runtime, GLOBAL_KEY, this.#globalLimit);
      if (limit !== Number.POSITIVE_INFINITY && this.#sum(0) >= limit) return Admission.OverGlobalLimit;
    }
    const key = `envoy.resource_limits.listener.${name}.connection_limit`;
    const limit = runtimeNumber(this.#runtime, key, Number.POSITIVE_INFINITY);
    if (limit !== Number.POSITIVE_INFINITY && this.#sum(listener + 1) >= limit)
      return Admission.OverListenerLimit;
    this.#add(0, ignoresGlobalLimit ? 0 : 1);
    this.#add(listener + 1, 1);
    return Admission.Granted;
  }

  release(listener: number, ignoresGlobalLimit: boolean): void {
    this.#add(0, ignoresGlobalLimit ? 0 : -1);
    this.#add(listener + 1, -1);
  }

  #add(row: number, by: number): void {
    Atomics.add(this.#counts, row * this.#concurrency + this.#workerIndex, by);
  }

  #sum(row: number): number {
    let sum = 0;
    for (let i = 0; i < this.#concurrency; i++)
      sum += Atomics.load(this.#counts, row * this.#concurrency + i);
    return sum;
  }
}
