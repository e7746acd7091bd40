// Active health checks of one cluster on the main thread: one session per host asks, counts and decides by Envoy's
// rules, and publishes flags through the cluster. What is asked is the probes' affair.

import type { HealthCheck as HealthCheckConfig } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import type { DirectoryCluster, DirectoryContext, HostWatcher } from '../directory-cluster.ts';
import type { DirectoryHost } from '../directory-host.ts';
import { HealthFlag } from '../host-health.ts';
import { type Probe, ProbeOutcome } from './probe.ts';
import { createProbe } from './probe-factory.ts';

class HealthCheckStats {
  readonly attempt: number;
  readonly success: number;
  readonly failure: number;
  readonly passiveFailure: number;
  readonly networkFailure: number;
  readonly healthy: number;
  readonly degraded: number;

  constructor(lane: StatLane, prefix: string) {
    this.attempt = lane.counter(`${prefix}attempt`);
    this.success = lane.counter(`${prefix}success`);
    this.failure = lane.counter(`${prefix}failure`);
    this.passiveFailure = lane.counter(`${prefix}passive_failure`);
    this.networkFailure = lane.counter(`${prefix}network_failure`);
    lane.counter(`${prefix}verify_cluster`);
    this.healthy = lane.gauge(`${prefix}healthy`);
    this.degraded = lane.gauge(`${prefix}degraded`);
  }
}

/** Times in milliseconds and thresholds, with the defaults that depend on each other resolved. */
interface CheckSettings {
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly initialJitterMs: number;
  readonly intervalJitterMs: number;
  readonly intervalJitterPercent: number;
  readonly noTrafficIntervalMs: number;
  readonly noTrafficHealthyIntervalMs: number;
  readonly unhealthyIntervalMs: number;
  readonly unhealthyEdgeIntervalMs: number;
  readonly healthyEdgeIntervalMs: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

function compileSettings(config: HealthCheckConfig): CheckSettings {
  const intervalMs = config.interval ?? 1000;
  const noTrafficIntervalMs = config.noTrafficInterval ?? 60_000;
  const unhealthyIntervalMs = config.unhealthyInterval ?? intervalMs;
  return {
    timeoutMs: config.timeout ?? 1000,
    intervalMs,
    initialJitterMs: config.initialJitter ?? 0,
    intervalJitterMs: config.intervalJitter ?? 0,
    intervalJitterPercent: config.intervalJitterPercent,
    noTrafficIntervalMs,
    noTrafficHealthyIntervalMs: config.noTrafficHealthyInterval ?? noTrafficIntervalMs,
    unhealthyIntervalMs,
    unhealthyEdgeIntervalMs: config.unhealthyEdgeInterval ?? unhealthyIntervalMs,
    healthyEdgeIntervalMs: config.healthyEdgeInterval ?? intervalMs,
    healthyThreshold: config.healthyThreshold ?? 1,
    unhealthyThreshold: config.unhealthyThreshold ?? 1,
  };
}

/** What a result did to the host's standing. */
const Transition = { UNCHANGED: 0, PENDING: 1, CHANGED: 2 } as const;
type Transition = (typeof Transition)[keyof typeof Transition];

class Session {
  readonly host: DirectoryHost;
  readonly #checker: HealthChecker;
  readonly #probe: Probe;
  #successes = 0;
  #failures = 0;
  #first = true;
  #cancelTimer: () => void = () => {};

  constructor(host: DirectoryHost, checker: HealthChecker, probe: Probe) {
    this.host = host;
    this.#checker = checker;
    this.#probe = probe;
  }

  get checked(): boolean {
    return !this.#first;
  }

  /** Asks after `delayMs`, and goes on asking. */
  schedule(delayMs: number): void {
    this.#cancelTimer = this.#checker.after(delayMs, () => this.ask());
  }

  ask(): void {
    this.#checker.onAttempt();
    this.#cancelTimer = this.#checker.after(this.#checker.settings.timeoutMs, () => {
      this.#probe.cancel();
      this.#onOutcome(ProbeOutcome.TIMEOUT);
    });
    this.#probe.start(outcome => this.#onOutcome(outcome));
  }

  /** Marks the host failed until its next check, for what a response said. */
  failPassively(): void {
    this.#checker.onPassiveFailure();
    this.#fail(ProbeOutcome.FAILURE, HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL);
  }

  close(): void {
    this.#cancelTimer();
    this.#probe.close();
  }

  #onOutcome(outcome: ProbeOutcome): void {
    this.#cancelTimer();
    const passed = outcome === ProbeOutcome.SUCCESS || outcome === ProbeOutcome.DEGRADED;
    const transition = passed ? this.#pass(outcome === ProbeOutcome.DEGRADED) : this.#fail(outcome, 0);
    this.#first = false;
    this.schedule(this.#checker.nextDelayMs(passed, transition === Transition.PENDING));
    this.#checker.onChecked(this, outcome);
  }

  #pass(degraded: boolean): Transition {
    this.#failures = 0;
    const failed = (this.host.flags & HealthFlag.FAILED_ACTIVE_HC) !== 0;
    // The first answer decides by itself: start-up must not wait for the threshold.
    const recovered = failed && (this.#first || ++this.#successes >= this.#checker.settings.healthyThreshold);
    let clear: number = HealthFlag.PENDING_ACTIVE_HC | HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL;
    if (recovered) clear |= HealthFlag.FAILED_ACTIVE_HC | HealthFlag.ACTIVE_HC_TIMEOUT;
    if (!degraded) clear |= HealthFlag.DEGRADED_ACTIVE_HC;
    this.#checker.setFlags(this.host, degraded ? HealthFlag.DEGRADED_ACTIVE_HC : 0, clear);
    if (!failed) return Transition.UNCHANGED;
    return recovered ? Transition.CHANGED : Transition.PENDING;
  }

  #fail(outcome: ProbeOutcome, alsoSet: number): Transition {
    this.#successes = 0;
    const failed = (this.host.flags & HealthFlag.FAILED_ACTIVE_HC) !== 0;
    const atOnce = outcome === ProbeOutcome.FAILURE;
    const lost = !failed && (atOnce || ++this.#failures >= this.#checker.settings.unhealthyThreshold);
    let set = alsoSet;
    if (lost) set |= HealthFlag.FAILED_ACTIVE_HC;
    if ((lost || failed) && outcome === ProbeOutcome.TIMEOUT) set |= HealthFlag.ACTIVE_HC_TIMEOUT;
    const clear = outcome === ProbeOutcome.TIMEOUT ? 0 : HealthFlag.ACTIVE_HC_TIMEOUT;
    this.#checker.setFlags(this.host, set, clear | HealthFlag.PENDING_ACTIVE_HC);
    if (failed) return Transition.UNCHANGED;
    return lost ? Transition.CHANGED : Transition.PENDING;
  }
}

export class HealthChecker implements HostWatcher {
  readonly settings: CheckSettings;
  readonly #config: HealthCheckConfig;
  readonly #cluster: DirectoryCluster;
  readonly #context: DirectoryContext;
  readonly #stats: HealthCheckStats;
  readonly #sessions = new Map<DirectoryHost, Session>();
  readonly #onPassed: (host: DirectoryHost) => void;
  #onRoundEnd: (() => void) | null = null;

  /** `onPassed` hears of every check that went well. */
  constructor(
    cluster: DirectoryCluster,
    config: HealthCheckConfig,
    context: DirectoryContext,
    onPassed: (host: DirectoryHost) => void,
  ) {
    this.#cluster = cluster;
    this.#config = config;
    this.#context = context;
    this.#onPassed = onPassed;
    this.settings = compileSettings(config);
    this.#stats = new HealthCheckStats(context.lane, `cluster.${cluster.statName}.health_check.`);
  }

  /** Ends when each of the hosts there are now has been checked once. */
  warm(): Promise<void> {
    return new Promise(resolve => {
      this.#onRoundEnd = resolve;
      this.#endRound();
    });
  }

  onHosts(added: readonly DirectoryHost[], removed: readonly DirectoryHost[]): void {
    for (const host of removed) {
      this.#sessions.get(host)?.close();
      this.#sessions.delete(host);
    }
    for (const host of added) {
      if (host.endpoint.healthCheck?.disabled === true) continue;
      const probe = createProbe(this.#config, this.#cluster, host, this.#context);
      const session = new Session(host, this, probe);
      this.#sessions.set(host, session);
      if (this.settings.initialJitterMs > 0)
        session.schedule(this.#context.random() * this.settings.initialJitterMs);
      else session.ask();
    }
    this.#setGauges();
    this.#endRound();
  }

  /** A response of the host carried x-envoy-immediate-health-check-fail. */
  onImmediateFailure(host: DirectoryHost): void {
    this.#sessions.get(host)?.failPassively();
    this.#setGauges();
  }

  close(): void {
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
    this.#endRound();
  }

  // --- for sessions ---

  after(delayMs: number, callback: () => void): () => void {
    return this.#context.clock.after(delayMs, callback);
  }

  onAttempt(): void {
    this.#context.lane.inc(this.#stats.attempt);
  }

  onPassiveFailure(): void {
    this.#context.lane.inc(this.#stats.failure);
    this.#context.lane.inc(this.#stats.passiveFailure);
  }

  setFlags(host: DirectoryHost, set: number, clear: number): void {
    const before = host.flags & HealthFlag.FAILED_ACTIVE_HC;
    this.#cluster.setFlags([[host, set, clear & ~set]]);
    const after = host.flags & HealthFlag.FAILED_ACTIVE_HC;
    if (before === after) return;
    const verdict = after === 0 ? 'passes' : 'fails';
    this.#context.logger.log(
      'info',
      'upstream',
      `cluster ${this.#cluster.name}: ${host.addressText} ${verdict} its health check`,
    );
  }

  onChecked(session: Session, outcome: ProbeOutcome): void {
    const { lane } = this.#context;
    const passed = outcome === ProbeOutcome.SUCCESS || outcome === ProbeOutcome.DEGRADED;
    lane.inc(passed ? this.#stats.success : this.#stats.failure);
    if (outcome === ProbeOutcome.NETWORK_FAILURE || outcome === ProbeOutcome.TIMEOUT)
      lane.inc(this.#stats.networkFailure);
    this.#setGauges();
    if (passed) this.#onPassed(session.host);
    else this.#cluster.dropFailedRemovals();
    this.#endRound();
  }

  /** How long to wait after a check; `pending` says that a threshold is being counted towards. */
  nextDelayMs(passed: boolean, pending: boolean): number {
    const { settings } = this;
    let delayMs: number;
    const used = (this.#context.statValue(`cluster.${this.#cluster.statName}.upstream_cx_total`) ?? 0) > 0;
    if (!used) delayMs = passed ? settings.noTrafficHealthyIntervalMs : settings.noTrafficIntervalMs;
    else if (passed) delayMs = pending ? settings.healthyEdgeIntervalMs : settings.intervalMs;
    else delayMs = pending ? settings.unhealthyEdgeIntervalMs : settings.unhealthyIntervalMs;
    const spread = settings.intervalJitterMs + (delayMs * settings.intervalJitterPercent) / 100;
    return Math.max(1, delayMs + this.#context.random() * spread);
  }

  #setGauges(): void {
    let healthy = 0;
    let degraded = 0;
    for (const { host } of this.#sessions.values()) {
      if ((host.flags & HealthFlag.FAILED_ACTIVE_HC) === 0) healthy++;
      if ((host.flags & HealthFlag.DEGRADED_ACTIVE_HC) !== 0) degraded++;
    }
    this.#context.lane.gaugeSet(this.#stats.healthy, healthy);
    this.#context.lane.gaugeSet(this.#stats.degraded, degraded);
  }

  #endRound(): void {
    if (this.#onRoundEnd === null) return;
    for (const session of this.#sessions.values()) if (!session.checked) return;
    this.#onRoundEnd();
    this.#onRoundEnd = null;
  }
}
