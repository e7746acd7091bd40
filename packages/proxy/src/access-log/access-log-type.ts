// Access logs that other packages bring: a type is registered once, and makes a sink for each place that configures it.

import type { Any } from '@dragoman/config';
import type { FilterContext } from '../filter-chain/filter.ts';
import type { FormatInput } from '../format/format-input.ts';
import { type AccessLog, type AccessLogExtension, DOWNSTREAM_END } from './access-log.ts';
import type { AccessLogFilter } from './access-log-filter.ts';

/** Takes what has passed the configured filter. */
export interface AccessLogSink {
  /** Must not throw. `logType` as %ACCESS_LOG_TYPE% shows it. */
  log(input: FormatInput, logType: string): void;
  /** Releases what the sink holds; called when its configuration is dropped. */
  close?(): void;
}

export interface AccessLogType<Config = unknown> {
  /** Envoy's name, "envoy.access_loggers.wasm". */
  readonly name: string;
  /** Full protobuf names of the configuration. */
  readonly configTypes: readonly string[];
  /** Checks what the schema cannot; runs on the main thread while the configuration is loaded. */
  validate?(config: Config, report: (path: string, message: string) => void): void;
  /** `context.filterName` is the type's name, `context.statPrefix` ''. */
  create(config: Config, context: FilterContext): AccessLogSink;
}

/** Access log types by the full name of their configuration. */
export type AccessLogTypes = ReadonlyMap<string, AccessLogType>;

/** Makes sinks of `types` for the access logs of one listener; they are added to `sinks`, to be closed with it. */
export function accessLogExtension(
  types: AccessLogTypes,
  contextOf: (filterName: string) => FilterContext,
  sinks: AccessLogSink[],
): AccessLogExtension {
  return (config: Any, filter: AccessLogFilter | null): AccessLog | null => {
    const type = types.get(config.typeName);
    if (type === undefined) return null;
    const sink = type.create(config.value, contextOf(type.name));
    sinks.push(sink);
    return {
      log(input, logType = DOWNSTREAM_END) {
        if (filter === null || filter.includes(input, logType)) sink.log(input, logType);
      },
    };
  };
}
