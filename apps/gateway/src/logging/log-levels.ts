// Which lines are written: one level for all components and one for each that was named. Every thread has its own
// copy; the main thread tells the others of changes.

import { LOG_LEVELS, type LogLevel } from '@dragoman/base';

/** Envoy's loggers in the order in which /logging shows them, so that scripts find the names they know. */
export const LOG_COMPONENTS: readonly string[] = (
  'a2a admin ai_protocol_manager alternate_protocols_cache aws assert backtrace basic_auth cache_filter client config ' +
  'connection conn_handler compression credential_injector decompression dns dubbo envoy_bug ext_authz ext_proc ' +
  'rocketmq file filter forward_proxy geolocation grpc happy_eyeballs hc health_checker http http2 hystrix init io jwt ' +
  'json_rpc kafka key_value_store lua local_rate_limit main matcher mcp misc mongo multi_connection notification ' +
  'oauth2 quic quic_stream pool rate_limit_quota rbac rds redis router runtime stats secret sse tap testing thrift ' +
  'tracing upstream udp wasm websocket golang stats_sinks dynamic_modules ip_tagging'
).split(' ');

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
