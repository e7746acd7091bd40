// What code that wants to tell the operator something is given. Where lines go and how they look is the
// application's affair; libraries take a Logger and never write to the console.

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A log for named components ("main", "wasm", "config", "upstream", ...), with Envoy's levels. */
export interface Logger {
  /** True when a line of this level and component would be written: ask before building costly text. */
  enabled(level: LogLevel, component: string): boolean;
  log(level: LogLevel, component: string, message: string): void;
}

/** Drops everything; for libraries used without a logger. */
export const silentLogger: Logger = { enabled: () => false, log: () => {} };
