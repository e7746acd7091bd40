// The command line: Envoy's flags, checked, as one Settings object. What the flags mean is done elsewhere.

import { availableParallelism } from 'node:os';
import { LOG_COMPONENTS, type LogLevel } from '@dragoman/base';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_LOG_FORMAT } from './logging/log-format.ts';
import { parseLogLevel } from './logging/log-levels.ts';
import { versionLine } from './version.ts';

export type Mode = 'serve' | 'validate' | 'init_only';

/** What the user asked for. */
export interface Settings {
  readonly configPath: string | undefined;
  readonly configYaml: string | undefined;
  readonly mode: Mode;
  /** How --mode validate answers. */
  readonly outputFormat: 'text' | 'json';
  readonly concurrency: number;
  readonly logLevel: LogLevel;
  readonly componentLogLevels: ReadonlyMap<string, LogLevel>;
  readonly logFormat: string;
  readonly logFormatEscaped: boolean;
  readonly logPath: string | undefined;
  readonly adminAddressPath: string | undefined;
  readonly serviceNode: string;
  readonly serviceCluster: string;
  readonly serviceZone: string;
  readonly drainTimeMs: number;
  readonly drainStrategy: 'gradual' | 'immediate';
  readonly parentShutdownTimeMs: number;
  readonly fileFlushIntervalMs: number;
  readonly allowUnknownStaticFields: boolean;
  readonly rejectUnknownDynamicFields: boolean;
  readonly ignoreUnknownDynamicFields: boolean;
  /** Flags that were given and change nothing here. */
  readonly ineffective: readonly string[];
}

/** What main does with the arguments: run, or print and exit. */
export type CommandLine =
  | { readonly settings: Settings }
  | { readonly exitCode: number; readonly output: string };

/** Accepted so that scripts written for Envoy start; there is no hot restart, no core pinning, no extension to switch off. */
const INEFFECTIVE = [
  '--base-id <n>',
  '--use-dynamic-base-id',
  '--base-id-path <file>',
  '--restart-epoch <n>',
  '--disable-hot-restart',
  '--hot-restart-version',
  '--parent-shutdown-time-s <seconds>',
  '--socket-path <path>',
  '--socket-mode <mode>',
  '--skip-hot-restart-on-no-parent',
  '--skip-hot-restart-parent-stats',
  '--skip-deprecated-logs',
  '--local-address-ip-version <version>',
  '--cpuset-threads',
  '--enable-fine-grain-logging',
  '--enable-mutex-tracing',
  '--enable-core-dump',
  '--disable-extensions <names>',
  '--stats-tag <tag>',
  '--file-flush-min-size-kb <n>',
];

function integer(min: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min)
      throw new InvalidArgumentError(`it must be a whole number, at least ${min}.`);
    return value;
  };
}

function mode(text: string): Mode {
  if (text === 'serve' || text === 'validate' || text === 'init_only') return text;
  throw new CommanderError(1, 'mode', `error: unknown mode '${text}'`);
}

function logLevel(text: string): LogLevel {
  const level = parseLogLevel(text);
  if (level === null) throw new CommanderError(1, 'level', `error: invalid log level specified '${text}'`);
  return level;
}

function componentLogLevels(text: string): Map<string, LogLevel> {
  const levels = new Map<string, LogLevel>();
  for (const pair of text.split(',')) {
    const [component, level, ...rest] = pair.split(':');
    if (!component || !level || rest.length > 0) {
      const message = `error: component log level not correctly specified '${pair}'`;
      throw new CommanderError(1, 'component', message);
    }
    if (!LOG_COMPONENTS.includes(component))
      throw new CommanderError(1, 'component', `error: invalid component specified '${component}'`);
    levels.set(component, logLevel(level));
  }
  return levels;
}

function program(name: string): Command {
  const command = new Command(name)
    .description('An Envoy-compatible proxy that runs Proxy-Wasm plugins.')
    .usage('[-c envoy.yaml] [options]')
    .option('-c, --config-path <file>', 'configuration file (YAML or JSON)')
    .option('--config-yaml <text>', 'configuration text, merged over the file')
    .option('--mode <mode>', 'serve, validate (check the configuration and exit), init_only', mode, 'serve')
    .addOption(
      new Option('--format <format>', 'how --mode validate answers')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option('--concurrency <n>', 'worker threads (default: one per core)', integer(0))
    .option('-l, --log-level <level>', 'trace, debug, info, warning, error, critical, off', logLevel, 'info')
    .option('--component-log-level <list>', 'such as wasm:debug,upstream:trace', componentLogLevels)
    .option('--log-format <pattern>', 'pattern of log lines', DEFAULT_LOG_FORMAT)
    .option('--log-format-escaped', 'keep log messages on one line each', false)
    .option('--log-path <file>', 'log to this file instead of standard error')
    .option('--admin-address-path <file>', 'write the address of the admin interface to this file')
    .option('--service-node <id>', 'name of this node', '')
    .option('--service-cluster <name>', 'name of the service this node belongs to', '')
    .option('--service-zone <zone>', 'zone this node runs in', '')
    .option('--drain-time-s <seconds>', 'how long connections may take to drain', integer(0), 600)
    .addOption(
      new Option('--drain-strategy <strategy>', 'how connections are drained')
        .choices(['gradual', 'immediate'])
        .default('gradual'),
    )
    .option('--file-flush-interval-msec <ms>', 'how long access log lines may wait', integer(1), 10_000)
    .option('--allow-unknown-static-fields', 'warn of unknown fields in the configuration', false)
    .option('--allow-unknown-fields', 'the same, by its old name', false)
    .option('--reject-unknown-dynamic-fields', 'refuse unknown fields in dynamic configuration', false)
    .option(
      '--ignore-unknown-dynamic-fields',
      'be silent about unknown fields in dynamic configuration',
      false,
    )
    .version(versionLine(name), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .optionsGroup('Accepted, without effect here:');
  for (const flags of INEFFECTIVE) command.option(flags, '');
  return command.exitOverride().allowExcessArguments(false);
}

/** Reads the arguments (without program and script). Never throws for what they say. */
export function parseCommandLine(name: string, args: readonly string[]): CommandLine {
  let output = '';
  const collect = (text: string) => {
    output += text;
  };
  const command = program(name).configureOutput({ writeOut: collect, writeErr: collect });
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (output === '') output = error.message;
    // A mistake is one line, with commander's "Did you mean" at its end.
    if (error.exitCode !== 0) output = `${output.trimEnd().replaceAll('\n', ' ')}\n`;
    return { exitCode: error.exitCode, output };
  }
  return { settings: settingsOf(command) };
}

function settingsOf(command: Command): Settings {
  const options = command.opts();
  const ineffective = INEFFECTIVE.map(flags => flags.split(' ')[0]!).filter(flag => {
    const option = command.options.find(({ long }) => long === flag)!;
    return command.getOptionValueSource(option.attributeName()) === 'cli';
  });
  return {
    configPath: options.configPath,
    configYaml: options.configYaml,
    mode: options.mode,
    outputFormat: options.format,
    // Envoy takes 0 for 1.
    concurrency: Math.max(1, options.concurrency ?? availableParallelism()),
    logLevel: options.logLevel,
    componentLogLevels: options.componentLogLevel ?? new Map(),
    logFormat: options.logFormat,
    logFormatEscaped: options.logFormatEscaped,
    logPath: options.logPath,
    adminAddressPath: options.adminAddressPath,
    serviceNode: options.serviceNode,
    serviceCluster: options.serviceCluster,
    serviceZone: options.serviceZone,
    drainTimeMs: options.drainTimeS * 1000,
    drainStrategy: options.drainStrategy,
    parentShutdownTimeMs: Number(options.parentShutdownTimeS ?? 900) * 1000,
    fileFlushIntervalMs: options.fileFlushIntervalMsec,
    allowUnknownStaticFields: options.allowUnknownStaticFields || options.allowUnknownFields,
    rejectUnknownDynamicFields: options.rejectUnknownDynamicFields,
    ignoreUnknownDynamicFields: options.ignoreUnknownDynamicFields,
    ineffective,
  };
}
