// Outlier detection of one cluster on the main thread: ejects hosts that workers report or whose figures stand out,
// lets them back in when their time is over, and never ejects more than the configured share.

import type { StatLane } from '@dragoman/shm';
import type { OutlierReason } from '../cluster-update.ts';
import type { DirectoryCluster, DirectoryContext, HostWatcher } from '../directory-cluster.ts';
import type { DirectoryHost } from '../directory-host.ts';
import { HealthFlag } from '../host-health.ts';
import { createOutlierCounts, resetStreaks, Streak, sumOf, Total } from './outlier-counts.ts';
import { EJECTION_REASONS, type EjectionReason, type OutlierSettings } from './outlier-settings.ts';

const STREAKS: Readonly<Record<OutlierReason, Streak>> = {
  consecutive_5xx: Streak.RESPONSES_5XX,
  consecutive_gateway_failure: Streak.GATEWAY_FAILURES,
  consecutive_local_origin_failure: Streak.LOCAL_ORIGIN_FAILURES,
};

class OutlierStats {
  readonly ejectionsActive: number;
  readonly ejectionsOverflow: number;
  readonly ejectionsTotal: number;
  readonly ejectionsConsecutive5xx: number;
  readonly ejectionsSuccessRate: number;
  readonly ejectionsEnforcedTotal: number;
  readonly detected: Record<EjectionReason, number>;
  readonly enforced: Record<EjectionReason, number>;

  constructor(lane: StatLane, prefix: string) {
    this.ejectionsActive = lane.gauge(`${prefix}ejections_active`);
    this.ejectionsOverflow = lane.counter(`${prefix}ejections_overflow`);
    this.ejectionsTotal = lane.counter(`${prefix}ejections_total`);
    this.ejectionsConsecutive5xx = lane.counter(`${prefix}ejections_consecutive_5xx`);
    this.ejectionsSuccessRate = lane.counter(`${prefix}ejections_success_rate`);
    this.ejectionsEnforcedTotal = lane.counter(`${prefix}ejections_enforced_total`);
    const byReason = (kind: string) =>
      Object.fromEntries(
        EJECTION_REASONS.map(reason => [reason, lane.counter(`${prefix}ejections_${kind}_${reason}`)]),
      ) as Record<EjectionReason, number>;
    this.detected = byReason('detected');
    this.enforced = byReason('enforced');
  }
}

/** What is known of one host. */
class Watched {
  readonly counts: Int32Array;
  /** Multiplies the base ejection time; grows with every ejection, shrinks with every interval without one. */
  backoff = 0;
  ejectedAtMs = 0;
  /** When the host last came back. */
  backAtMs = 0;
  jitterMs = 0;
  /** Totals at the end of the last interval, in the order of Total. */
  #before: number[];

  constructor(counts: Int32Array) {
    this.counts = counts;
    this.#before = Object.values(Total).map(total => sumOf(counts, total));
  }

  /** Requests and successes since the last call: [external, external success, local, local success]. */
  takeInterval(): number[] {
    const now = Object.values(Total).map(total => sumOf(this.counts, total));
    const since = now.map((sum, i) => (sum - this.#before[i]!) >>> 0);
    this.#before = now;
    return since;
  }
}

interface Rate {
  readonly host: DirectoryHost;
  readonly percent: number;
  readonly volume: number;
}

/** Figures of the last interval, for /clusters; -1 where there were too few hosts or requests. */
export interface SuccessRateFigures {
  average: number;
  ejectionThreshold: number;
}

export class OutlierDetector implements HostWatcher {
  readonly external: SuccessRateFigures = { average: -1, ejectionThreshold: -1 };
  readonly localOrigin: SuccessRateFigures = { average: -1, ejectionThreshold: -1 };
  readonly #cluster: DirectoryCluster;
  readonly #settings: OutlierSettings;
  readonly #context: DirectoryContext;
  readonly #stats: OutlierStats;
  readonly #watched = new Map<DirectoryHost, Watched>();
  #ejected = 0;
  #cancelTimer: () => void = () => {};

  constructor(cluster: DirectoryCluster, settings: OutlierSettings, context: DirectoryContext) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#context = context;
    this.#stats = new OutlierStats(context.lane, `cluster.${cluster.statName}.outlier_detection.`);
    this.#armTimer();
  }

  async warm(): Promise<void> {}

  onHosts(added: readonly DirectoryHost[], removed: readonly DirectoryHost[]): void {
    for (const host of added) {
      host.outlierCounts = createOutlierCounts(this.#context.concurrency);
      this.#watched.set(host, new Watched(new Int32Array(host.outlierCounts)));
    }
    for (const host of removed) {
      this.#watched.delete(host);
      if ((host.flags & HealthFlag.FAILED_OUTLIER_CHECK) !== 0) this.#countEjected(-1);
    }
  }

  /** A worker saw the limit of failures in a row reached. */
  onReport(host: DirectoryHost, reason: OutlierReason): void {
    const watched = this.#watched.get(host);
    if (watched === undefined || isEjected(host)) return;
    if (reason === 'consecutive_5xx') this.#context.lane.inc(this.#stats.ejectionsConsecutive5xx);
    this.#detect(host, watched, reason);
    // So that the next row of failures is noticed even if this one led to nothing.
    Atomics.store(watched.counts, STREAKS[reason], 0);
  }

  /** An active health check of the host went well. */
  onHealthCheckPassed(host: DirectoryHost): void {
    const watched = this.#watched.get(host);
    if (watched !== undefined && this.#settings.unejectOnHealthCheck && isEjected(host))
      this.#uneject(host, watched);
  }

  close(): void {
    this.#cancelTimer();
  }

  #armTimer(): void {
    this.#cancelTimer = this.#context.clock.after(this.#settings.intervalMs, () => {
      this.#armTimer();
      this.#onInterval();
    });
  }

  #onInterval(): void {
    const nowMs = this.#context.clock.nowMs();
    const external: Rate[] = [];
    const local: Rate[] = [];
    for (const [host, watched] of this.#watched) {
      if (isEjected(host) && this.#endMs(watched) <= nowMs) this.#uneject(host, watched);
      host.successRate = -1;
      host.localOriginSuccessRate = -1;
      const [requests, successes, localRequests, localSuccesses] = watched.takeInterval() as [
        number,
        number,
        number,
        number,
      ];
      if (isEjected(host)) continue;
      if (requests > 0) external.push({ host, percent: (100 * successes) / requests, volume: requests });
      if (localRequests > 0)
        local.push({ host, percent: (100 * localSuccesses) / localRequests, volume: localRequests });
    }
    this.#judge(external, this.external, false);
    this.#judge(local, this.localOrigin, true);
    for (const [host, watched] of this.#watched)
      if (!isEjected(host) && watched.backAtMs < nowMs && watched.backoff > 0) watched.backoff--;
  }

  /** When the host's ejection ends. */
  #endMs(watched: Watched): number {
    const { baseEjectionTimeMs, maxEjectionTimeMs } = this.#settings;
    return (
      watched.ejectedAtMs +
      Math.min(baseEjectionTimeMs * watched.backoff, maxEjectionTimeMs) +
      watched.jitterMs
    );
  }

  #judge(rates: readonly Rate[], figures: SuccessRateFigures, local: boolean): void {
    const settings = this.#settings;
    figures.average = -1;
    figures.ejectionThreshold = -1;
    const hosts = this.#watched.size;
    if (hosts < settings.successRateMinimumHosts && hosts < settings.failurePercentageMinimumHosts) return;
    const shown = Math.min(settings.successRateRequestVolume, settings.failurePercentageRequestVolume);
    for (const { host, percent, volume } of rates) {
      if (volume < shown) continue;
      if (local) host.localOriginSuccessRate = percent;
      else host.successRate = percent;
    }
    const byRate = rates.filter(rate => rate.volume >= settings.successRateRequestVolume);
    if (byRate.length > 0 && byRate.length >= settings.successRateMinimumHosts)
      this.#judgeSuccessRates(byRate, figures, local);
    const byPercentage = rates.filter(rate => rate.volume >= settings.failurePercentageRequestVolume);
    if (byPercentage.length === 0 || byPercentage.length < settings.failurePercentageMinimumHosts) return;
    for (const { host, percent } of byPercentage)
      if (100 - percent >= settings.failurePercentageThreshold)
        this.#detectLater(host, local ? 'local_origin_failure_percentage' : 'failure_percentage');
  }

  /** Ejects what lies more than the factor times the standard deviation under the mean. */
  #judgeSuccessRates(rates: readonly Rate[], figures: SuccessRateFigures, local: boolean): void {
    const mean = rates.reduce((sum, rate) => sum + rate.percent, 0) / rates.length;
    const variance = rates.reduce((sum, rate) => sum + (rate.percent - mean) ** 2, 0) / rates.length;
    figures.average = mean;
    figures.ejectionThreshold = mean - (this.#settings.successRateStdevFactor / 1000) * Math.sqrt(variance);
    for (const { host, percent } of rates) {
      if (percent >= figures.ejectionThreshold) continue;
      this.#context.lane.inc(this.#stats.ejectionsSuccessRate);
      this.#detectLater(host, local ? 'local_origin_success_rate' : 'success_rate');
    }
  }

  #detectLater(host: DirectoryHost, reason: EjectionReason): void {
    const watched = this.#watched.get(host);
    if (watched !== undefined && !isEjected(host)) this.#detect(host, watched, reason);
  }

  #detect(host: DirectoryHost, watched: Watched, reason: EjectionReason): void {
    const { lane, random, clock, logger } = this.#context;
    const settings = this.#settings;
    lane.inc(this.#stats.detected[reason]);
    const share = (100 * (this.#ejected + 1)) / this.#watched.size;
    const first = settings.alwaysEjectOneHost && this.#ejected === 0;
    if (share > settings.maxEjectionPercent && !first) {
      lane.inc(this.#stats.ejectionsOverflow);
      return;
    }
    if (reason === 'consecutive_5xx' || reason === 'success_rate') lane.inc(this.#stats.ejectionsTotal);
    if (random() * 100 >= settings.enforcing[reason]) return;
    lane.inc(this.#stats.enforced[reason]);
    lane.inc(this.#stats.ejectionsEnforcedTotal);
    watched.ejectedAtMs = clock.nowMs();
    watched.jitterMs = random() * settings.maxEjectionTimeJitterMs;
    if (
      watched.backoff * settings.baseEjectionTimeMs <
      settings.maxEjectionTimeMs + settings.baseEjectionTimeMs
    )
      watched.backoff++;
    this.#countEjected(1);
    this.#cluster.setFlags([[host, HealthFlag.FAILED_OUTLIER_CHECK, 0]]);
    logger.log('info', 'upstream', `cluster ${this.#cluster.name}: ejected ${host.addressText} (${reason})`);
  }

  #uneject(host: DirectoryHost, watched: Watched): void {
    resetStreaks(watched.counts);
    watched.backAtMs = this.#context.clock.nowMs();
    this.#countEjected(-1);
    this.#cluster.setFlags([[host, 0, HealthFlag.FAILED_OUTLIER_CHECK]]);
    this.#context.logger.log(
      'info',
      'upstream',
      `cluster ${this.#cluster.name}: ${host.addressText} is back`,
    );
  }

  #countEjected(change: 1 | -1): void {
    this.#ejected += change;
    this.#context.lane.gaugeSet(this.#stats.ejectionsActive, this.#ejected);
  }
}

function isEjected(host: DirectoryHost): boolean {
  return (host.flags & HealthFlag.FAILED_OUTLIER_CHECK) !== 0;
}
