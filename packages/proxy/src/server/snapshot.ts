// What the main thread posts to every worker: one whole version of the configuration, as plain data. Workers swap whole
// snapshots; a connection keeps the one it began with.

import type { Bootstrap } from '@dragoman/config';
import type { ClusterSnapshot } from '../cluster/cluster-update.ts';

export interface Snapshot {
  readonly version: number;
  readonly bootstrap: Bootstrap;
  readonly clusters: readonly ClusterSnapshot[];
  /** What filters had prepared on the main thread (compiled modules, file contents), by key. */
  readonly attachments: ReadonlyMap<string, unknown>;
  /** The runtime layers merged: dotted key to value. */
  readonly runtime: ReadonlyMap<string, unknown>;
  /**
   * Ports for addresses configured with port 0, by "listener name/address index": the first worker lets the system choose,
   * reports them, and the others bind the same.
   */
  readonly boundPorts: Readonly<Record<string, number>>;
}

/** One address a worker listens on. */
export interface BoundListener {
  /** Key in Snapshot.boundPorts. */
  readonly key: string;
  readonly listenerName: string;
  /** IP address or path of the Unix socket. */
  readonly address: string;
  /** 0 for a Unix socket. */
  readonly port: number;
}
