// What runs on a worker beside the traffic for as long as a configuration is in force: bootstrap_extensions.

import type { FilterContext } from '../filter-chain/filter.ts';

/** One entry of bootstrap_extensions that runs. */
export interface WorkerExtension {
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
