// Keeps the addresses of one DNS name fresh on the main thread: asks, waits for the refresh rate (or the records'
// time to live), backs off after failures. What the answers mean for a cluster is in directory-cluster.ts.

import type { Clock } from '@dragoman/base';
import type { Cluster_DnsLookupFamily, Cluster as ClusterConfig } from '@dragoman/config';
import type { DnsAnswer, DnsResolver } from './dns-resolver.ts';

/** When and how to ask; from the dns_* fields of a cluster. */
export interface DnsSettings {
  readonly family: Cluster_DnsLookupFamily;
  readonly refreshRateMs: number;
  readonly failureBaseMs: number;
  readonly failureMaxMs: number;
  readonly respectTtl: boolean;
  readonly jitterMs: number;
}

export function compileDnsSettings(config: ClusterConfig): DnsSettings {
  const refreshRateMs = Math.max(1, config.dnsRefreshRate ?? 5000);
  const failure = config.dnsFailureRefreshRate;
  const failureBaseMs = Math.max(1, failure?.baseInterval ?? refreshRateMs);
  return {
    family: config.dnsLookupFamily ?? 'AUTO',
    refreshRateMs,
    failureBaseMs,
    failureMaxMs: Math.max(
      failureBaseMs,
      failure === undefined ? failureBaseMs : (failure.maxInterval ?? 10 * failureBaseMs),
    ),
    respectTtl: config.respectDnsTtl ?? false,
    jitterMs: (config as { dnsJitter?: number }).dnsJitter ?? 0,
  };
}

/** What one name's owner hears. */
export interface DnsListener {
  onAttempt(name: string): void;
  onAnswer(name: string, answer: DnsAnswer): void;
  onFailure(name: string, error: Error): void;
}

export class DnsName {
  readonly name: string;
  readonly #settings: DnsSettings;
  readonly #resolver: DnsResolver;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #listener: DnsListener;
  #nextFailureDelayMs: number;
  #cancelTimer: () => void = () => {};
  #closed = false;

  constructor(
    name: string,
    settings: DnsSettings,
    resolver: DnsResolver,
    clock: Clock,
    random: () => number,
    listener: DnsListener,
  ) {
    this.name = name;
    this.#settings = settings;
    this.#resolver = resolver;
    this.#clock = clock;
    this.#random = random;
    this.#listener = listener;
    this.#nextFailureDelayMs = settings.failureBaseMs;
  }

  /** Asks now, and again and again until close(). The promise ends with the first answer or failure. */
  async start(): Promise<void> {
    if (this.#closed) return;
    this.#listener.onAttempt(this.name);
    const { family, respectTtl } = this.#settings;
    let answer: DnsAnswer;
    try {
      answer = await this.#resolver.resolve(this.name, family, respectTtl);
    } catch (error) {
      if (this.#closed) return;
      this.#askAgainAfter(this.#failureDelayMs());
      this.#listener.onFailure(this.name, error as Error);
      return;
    }
    if (this.#closed) return;
    this.#nextFailureDelayMs = this.#settings.failureBaseMs;
    this.#askAgainAfter(this.#refreshDelayMs(answer));
    this.#listener.onAnswer(this.name, answer);
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer();
  }

  #askAgainAfter(delayMs: number): void {
    this.#cancelTimer = this.#clock.after(delayMs, () => void this.start());
  }

  #refreshDelayMs(answer: DnsAnswer): number {
    const { respectTtl, refreshRateMs, jitterMs } = this.#settings;
    // A time to live of 0 would mean asking without pause.
    const ttlMs = respectTtl && answer.addresses.length > 0 ? (answer.ttlMs ?? 0) : 0;
    return (ttlMs > 0 ? ttlMs : refreshRateMs) + this.#random() * jitterMs;
  }

  /** Doubles from the base to the maximum; without dns_failure_refresh_rate both are the refresh rate. */
  #failureDelayMs(): number {
    const { failureMaxMs, failureBaseMs } = this.#settings;
    const delayMs = this.#nextFailureDelayMs;
    this.#nextFailureDelayMs = Math.min(failureMaxMs, delayMs * 2);
    if (failureMaxMs === failureBaseMs) return delayMs;
    return delayMs * (0.5 + this.#random() / 2);
  }
}
