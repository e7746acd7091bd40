// Reads the configuration the user asked for and collects what is wrong with it: every mistake in one run. Printing is
// validate.ts and application.ts.

import { silentLogger } from '@dragoman/base';
import {
  type Bootstrap,
  type ConfigError,
  loadBootstrap,
  type MessageCheck,
  type SupportDeclaration,
} from '@dragoman/config';
import {
  accessLogTypes,
  httpFilterSupport,
  httpFilterTypes,
  networkFilterTypes,
  prepareLocalRateLimits,
  prepareWasmPlugins,
  wasmServiceType,
  wasmStatsSinkType,
} from '@dragoman/filters';
import {
  CONNECTION_COUNTS_ATTACHMENT,
  clusterManagerSupport,
  compileFormat,
  connectionCountsMemory,
  OVERLOAD_STATE_ATTACHMENT,
  OverloadState,
  overloadSupport,
  tlsSupport,
  transportAttachments,
} from '@dragoman/proxy';
import type { StatLane } from '@dragoman/shm';
import type { Settings } from './command-line.ts';
import type { LogWriter } from './logging/log-writer.ts';
import { underWatchdog } from './plugin-trial.ts';

/** A checked configuration with what workers need besides it. */
export interface Configuration {
  readonly bootstrap: Bootstrap;
  readonly attachments: ReadonlyMap<string, unknown>;
  readonly unknownFieldCount: number;
}

export interface ConfigurationReport {
  /** Null when there are errors. */
  readonly configuration: Configuration | null;
  readonly errors: readonly ConfigError[];
  readonly warnings: readonly ConfigError[];
}

export interface ReadOptions {
  readonly logger: LogWriter;
  /** The main thread's statistics. */
  readonly lane?: StatLane;
  /** Start every plugin once, for --mode validate, where no worker does. */
  readonly tryPlugins: boolean;
}

/** The checks of the filters themselves, beyond what the schema says. */
function filterSupport(): SupportDeclaration {
  const checks: Record<string, MessageCheck> = {};
  for (const type of [
    ...httpFilterTypes,
    ...networkFilterTypes,
    ...accessLogTypes,
    wasmServiceType(false),
    wasmStatsSinkType(false),
  ]) {
    if (type.validate === undefined) continue;
    for (const name of type.configTypes)
      checks[name] = (message, report) =>
        type.validate!(message, (path, fact) => report(path === '' ? [] : path.split('.'), fact));
  }
  return { checks };
}

/** What is wrong with a substitution format string; null when nothing is. */
function checkFormatString(format: string): string | null {
  try {
    compileFormat(format);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Memory in which the workers see what is too much, and count their connections. */
function overloadAttachments(bootstrap: Bootstrap, concurrency: number): Map<string, unknown> {
  const listeners = bootstrap.staticResources?.listeners.length ?? 0;
  return new Map<string, unknown>([
    [CONNECTION_COUNTS_ATTACHMENT, connectionCountsMemory(listeners, concurrency)],
    ...(bootstrap.overloadManager === undefined
      ? []
      : [[OVERLOAD_STATE_ATTACHMENT, OverloadState.createMemory()] as const]),
  ]);
}

export async function readConfiguration(
  settings: Settings,
  options: ReadOptions,
): Promise<ConfigurationReport> {
  const { configPath, configYaml } = settings;
  const loaded = loadBootstrap(
    {
      ...(configPath === undefined ? {} : { configPath }),
      ...(configYaml === undefined ? {} : { configYaml }),
    },
    {
      unknownFields: settings.allowUnknownStaticFields ? 'warn' : 'error',
      support: [filterSupport(), httpFilterSupport, clusterManagerSupport, overloadSupport, tlsSupport],
      checkFormatString,
    },
  );
  const { bootstrap, errors, warnings, unknownFieldCount } = loaded;
  if (bootstrap === null) return { configuration: null, errors, warnings };
  const { lane, logger, tryPlugins } = options;
  const lanes = lane === undefined ? {} : { lane };
  const prepared = tryPlugins
    ? await underWatchdog(guard => prepareWasmPlugins(bootstrap, { ...lanes, logger, guard, canary: true }))
    : // Without a trial start all it could log is in the report.
      await prepareWasmPlugins(bootstrap, { ...lanes, logger: silentLogger });
  const file = configPath ?? '<config-yaml>';
  const whole = (message: string): ConfigError => ({
    ...{ file, line: 0, column: 0, path: '' },
    ...{ message, expected: '', hint: '' },
  });
  const failed = prepared.errors.length > 0;
  const attachments = new Map([
    ...prepared.attachments,
    ...prepareLocalRateLimits(bootstrap),
    ...transportAttachments(bootstrap),
    ...overloadAttachments(bootstrap, settings.concurrency),
  ]);
  return {
    configuration: failed ? null : { bootstrap, attachments, unknownFieldCount },
    errors: prepared.errors.map(whole),
    warnings: [...warnings, ...prepared.warnings.map(whole)],
  };
}
