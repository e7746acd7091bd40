// From the command line to a running proxy and its exit status; the same for the gateway and the sidecar. Modules that
// take long to load are imported after the workers have been started, so that both load at the same time.

import { DragomanError } from '@dragoman/base';
import { StatLane } from '@dragoman/shm';
import { parseCommandLine, type Settings } from './command-line.ts';
import type { ControlPlane } from './control-plane.ts';
import { LogFile } from './logging/log-file.ts';
import { LogLevels } from './logging/log-levels.ts';
import { LogWriter } from './logging/log-writer.ts';
import { VisibleStats } from './visible-stats.ts';
import { WorkerFleet } from './worker-fleet.ts';

/** What differs between the programs. */
export interface Program {
  readonly name: string;
  /** Prepares the configuration to use when none is given; null: one has to be given. */
  readonly withoutConfiguration: ((settings: Settings) => Promise<Embedded>) | null;
}

/** A configuration that comes with the program. */
export interface Embedded {
  readonly settings: Settings;
  /** Says that all is up, in place of the log. */
  announce(controlPlane: ControlPlane, readyMs: number): Promise<void>;
}

/** The longest drain at the end of the process: whoever stops a process kills it after a while. */
const TERMINATION_DRAIN_MAX_MS = 30_000;
/** Under npm one Ctrl-C comes twice, from the terminal and from npm: that is no second wish. */
const ECHO_MS = 500;

/** Runs the program; resolves when it is up. It ends by process.exit, because worker threads would keep it alive. */
export async function runApplication(program: Program): Promise<void> {
  const commandLine = parseCommandLine(program.name, process.argv.slice(2));
  if ('exitCode' in commandLine) {
    (commandLine.exitCode === 0 ? process.stdout : process.stderr).write(commandLine.output);
    process.exit(commandLine.exitCode);
  }
  let { settings } = commandLine;
  let embedded: Embedded | null = null;
  if (settings.configPath === undefined && settings.configYaml === undefined) {
    if (program.withoutConfiguration === null)
      refuse('error: give a configuration with -c FILE or --config-yaml TEXT');
    embedded = await program
      .withoutConfiguration(settings)
      .catch((error: Error) => refuse(`error: ${error.message}`));
    settings = embedded.settings;
  }
  const logFile = openLog(settings);
  const log = openLogWriter(settings, logFile);
  if (settings.mode === 'validate') {
    const { validate } = await import('./validate.ts');
    process.exit(await validate(settings, log));
  }
  if (settings.ineffective.length > 0)
    log.log('info', 'main', `without effect here: ${settings.ineffective.join(' ')}`);
  await serve(settings, log, logFile, embedded);
}

async function serve(
  settings: Settings,
  log: LogWriter,
  logFile: LogFile,
  embedded: Embedded | null,
): Promise<void> {
  const stats = new VisibleStats();
  const laneMemory = StatLane.create();
  stats.addLane(laneMemory);
  const lane = new StatLane(laneMemory);
  const fleet = new WorkerFleet(settings, stats, log);
  const startTimeMs = performance.timeOrigin;
  const [{ readConfiguration }, { ControlPlane }, { formatConfigError }] = await Promise.all([
    import('./configuration.ts'),
    import('./control-plane.ts'),
    import('@dragoman/config'),
  ]);
  const { configuration, errors, warnings } = await readConfiguration(settings, {
    logger: log,
    lane,
    tryPlugins: false,
  });
  for (const warning of warnings) log.log('warning', 'config', formatConfigError(warning));
  for (const error of errors)
    log.log('critical', 'main', `error initializing config: ${formatConfigError(error)}`);
  if (configuration === null) process.exit(1);
  const end = new Ending(log, Math.min(settings.drainTimeMs, TERMINATION_DRAIN_MAX_MS));
  const foundations = { settings, log, logFile, stats, lane, fleet, startTimeMs };
  const controlPlane = new ControlPlane(foundations, configuration, () =>
    end.now('quit through the admin interface'),
  );
  end.listen(controlPlane);
  try {
    await controlPlane.start();
  } catch (error) {
    log.log('critical', 'main', `error initializing config: ${(error as Error).message}`);
    process.exit(1);
  }
  if (settings.mode === 'init_only') process.exit(0);
  await embedded?.announce(controlPlane, Date.now() - startTimeMs);
}

/** The ways in which a running proxy ends. */
class Ending {
  readonly #log: LogWriter;
  readonly #drainLimitMs: number;
  #controlPlane: ControlPlane | null = null;
  /** Monotonic; infinite while nobody has asked. */
  #endingSinceMs = Number.POSITIVE_INFINITY;

  constructor(log: LogWriter, drainLimitMs: number) {
    this.#log = log;
    this.#drainLimitMs = drainLimitMs;
  }

  listen(controlPlane: ControlPlane): void {
    this.#controlPlane = controlPlane;
    process.on('SIGTERM', () => this.drain('SIGTERM'));
    process.on('SIGINT', () => this.drain('SIGINT'));
    process.on('SIGHUP', () =>
      this.#log.log('warning', 'main', 'caught and eating SIGHUP. There is no hot restart.'),
    );
    process.on('SIGUSR1', () => void controlPlane.reopenLogs());
  }

  /** Lets requests in flight finish; a second signal does not wait for them. */
  drain(signal: string): void {
    const sinceMs = performance.now() - this.#endingSinceMs;
    if (sinceMs >= 0 && sinceMs < ECHO_MS) return;
    if (sinceMs >= ECHO_MS) {
      this.#log.log('warning', 'main', `caught ${signal} again, not waiting any longer`);
      process.exit(0);
    }
    this.#log.log('info', 'main', `caught ${signal}, draining`);
    this.#end(this.#controlPlane!.stop(this.#drainLimitMs));
  }

  now(reason: string): void {
    this.#log.log('info', 'main', reason);
    this.#end(this.#controlPlane!.close());
  }

  #end(ended: Promise<void>): void {
    this.#endingSinceMs = performance.now();
    ended
      .catch((error: Error) => this.#log.log('error', 'main', `ending: ${error.message}`))
      .finally(() => {
        this.#log.log('info', 'main', 'exiting');
        process.exit(0);
      });
  }
}

function openLog(settings: Settings): LogFile {
  try {
    return new LogFile(settings.logPath);
  } catch (error) {
    if (error instanceof DragomanError) refuse(`error: ${error.message}`);
    throw error;
  }
}

function openLogWriter(settings: Settings, logFile: LogFile): LogWriter {
  const levels = LogLevels.all(settings.logLevel);
  for (const [component, level] of settings.componentLogLevels) levels.set(component, level);
  const { logFormat: format, logFormatEscaped: formatEscaped } = settings;
  return new LogWriter({ fd: logFile.fd, format, formatEscaped, levels: levels.table });
}

function refuse(line: string): never {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}
