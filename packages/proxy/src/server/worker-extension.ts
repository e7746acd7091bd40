// What runs on a worker beside the traffic for as long as a configuration is in force: bootstrap_extensions and stats_sinks.

import type { FilterContext } from '../filter-chain/filter.ts';

/** One entry that runs. */
export interface WorkerExtension {
  /** Statistics are flushed, in the form of Envoy's Wasm stats sink. */
  onStats?(update: Uint8Array): void;
  /** The configuration is dropped. */
  close(): void;
}

export interface WorkerExtensionType<Config = unknown> {
  /** Envoy's name, "envoy.bootstrap.wasm". */
  readonly name: string;
  /** Full protobuf names of the configuration. */
  readonly configTypes: readonly string[];
  /** Checks what the schema cannot; runs on the main thread while the configuration is loaded. */
  validate?(config: Config, report: (path: string, message: string) => void): void;
  /** Null: there is nothing to run on this thread. The listener of `context` has no name. */
  create(config: Config, context: FilterContext): WorkerExtension | null;
}

/** Extension types by the full name of their configuration. */
export type WorkerExtensionTypes = ReadonlyMap<string, WorkerExtensionType>;
