// Which lines are written: one level for all components and one for each that was named. Every thread has its own
// copy; the main thread tells the others of changes.

import { LOG_COMPONENTS, LOG_LEVELS, type LogLevel } from '@dragoman/base';

/** The level a text names ("warn" is "warning"), or null. */
export function parseLogLevel(text: string): LogLevel | null {
  const name = text === 'warn' ? 'warning' : text;
  return LOG_LEVELS.find(level => level === name) ?? null;
}

/** Levels as they are sent to another thread: every component with its level. */
export type LogLevelTable = ReadonlyMap<string, LogLevel>;

const RANK = new Map(LOG_LEVELS.map((level, rank) => [level, rank]));

export class LogLevels {
  readonly #levels: Map<string, LogLevel>;
  readonly #ranks = new Map<string, number>();
  /** For components that Envoy does not know. */
  #otherRank: number;

  constructor(table: LogLevelTable) {
    this.#levels = new Map(table);
    for (const [component, level] of table) this.#ranks.set(component, RANK.get(level)!);
    this.#otherRank = this.#ranks.get('main')!;
  }

  /** Every component at one level. */
  static all(level: LogLevel): LogLevels {
    return new LogLevels(new Map(LOG_COMPONENTS.map(component => [component, level])));
  }

  enabled(level: LogLevel, component: string): boolean {
    return RANK.get(level)! >= (this.#ranks.get(component) ?? this.#otherRank);
  }

  /** False when there is no such component. */
  set(component: string, level: LogLevel): boolean {
    if (!this.#levels.has(component)) return false;
    this.#levels.set(component, level);
    this.#ranks.set(component, RANK.get(level)!);
    return true;
  }

  setAll(level: LogLevel): void {
    this.assign(LogLevels.all(level).table);
  }

  assign(table: LogLevelTable): void {
    for (const [component, level] of table) this.set(component, level);
    this.#otherRank = this.#ranks.get('main')!;
  }

  get table(): LogLevelTable {
    return this.#levels;
  }
}
