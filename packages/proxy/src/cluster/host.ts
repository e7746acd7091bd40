// One endpoint of one cluster on one worker: where it is, how healthy, what is going on with it.
// Connections hang on `pool` but are made elsewhere; health is decided on the main thread.

import type { Metadata } from '@dragoman/config';
import type { StatLane } from '@dragoman/shm';
import { type HostHealth, healthOf } from './host-health.ts';
import { addressText, type HostSpec, isCanary, type Locality } from './host-spec.ts';
import type { OutlierMonitor } from './outlier/outlier-monitor.ts';

/** Statistics of one host on one worker, for the admin's /clusters; slots of the worker's lane. */
export class HostStats {
  readonly cxActive: number;
  readonly cxConnectFail: number;
  readonly cxTotal: number;
  readonly rqActive: number;
  readonly rqPendingActive: number;
  readonly rqError: number;
  readonly rqSuccess: number;
  readonly rqTimeout: number;
  readonly rqTotal: number;

  constructor(lane: StatLane, clusterName: string, address: string) {
    const prefix = hostStatPrefix(clusterName, address);
    this.cxActive = lane.gauge(`${prefix}cx_active`);
    this.cxConnectFail = lane.counter(`${prefix}cx_connect_fail`);
    this.cxTotal = lane.counter(`${prefix}cx_total`);
    this.rqActive = lane.gauge(`${prefix}rq_active`);
    this.rqPendingActive = lane.gauge(`${prefix}rq_pending_active`);
    this.rqError = lane.counter(`${prefix}rq_error`);
    this.rqSuccess = lane.counter(`${prefix}rq_success`);
    this.rqTimeout = lane.counter(`${prefix}rq_timeout`);
    this.rqTotal = lane.counter(`${prefix}rq_total`);
  }
}

/** Names under this prefix are for /clusters only; /stats leaves everything out that starts with '@'. */
export function hostStatPrefix(clusterName: string, address: string): string {
  return `@host.${clusterName}.${address}.`;
}

export class Host {
  readonly clusterName: string;
  readonly key: string;
  readonly #lane: StatLane;
  address: string;
  port: number;
  /** Path of a Unix domain socket; '' for an IP endpoint. */
  pipePath: string;
  /** "127.0.0.1:8080", "[::1]:8080" or the pipe's path. */
  addressText: string;
  hostname: string;
  weight: number;
  priority: number;
  locality: Locality;
  localityWeight: number;
  metadata: Metadata | undefined;
  canary: boolean;
  /** Bits of HealthFlag. */
  healthFlags: number;
  health: HostHealth;
  /** Requests of this worker that are with the host now; what LEAST_REQUEST compares. */
  activeRequests = 0;
  /** False once the host has left its cluster: finish what runs, start nothing. */
  inCluster = true;
  /** When the host joined or became healthy (monotonic ms), for slow start. */
  rampStartMs: number;
  stats: HostStats;
  /** Takes results for outlier detection; null in clusters without. */
  outlier: OutlierMonitor | null = null;
  /** The connection pool's place; null until the first request. */
  pool: unknown = null;

  constructor(clusterName: string, spec: HostSpec, lane: StatLane, nowMs: number) {
    this.clusterName = clusterName;
    this.key = spec.key;
    this.#lane = lane;
    this.address = spec.address;
    this.port = spec.port;
    this.pipePath = spec.pipePath;
    this.addressText = addressText(spec.address, spec.port, spec.pipePath);
    this.hostname = spec.hostname;
    this.weight = spec.weight;
    this.priority = spec.priority;
    this.locality = spec.locality;
    this.localityWeight = spec.localityWeight;
    this.metadata = spec.metadata;
    this.canary = isCanary(spec.metadata);
    this.healthFlags = spec.healthFlags;
    this.health = healthOf(spec.healthFlags);
    this.rampStartMs = nowMs;
    this.stats = new HostStats(lane, clusterName, this.addressText);
  }

  /** Takes over a newer description of the same endpoint; connections stay. */
  update(spec: HostSpec, nowMs: number): void {
    const text = addressText(spec.address, spec.port, spec.pipePath);
    if (text !== this.addressText) {
      this.address = spec.address;
      this.port = spec.port;
      this.pipePath = spec.pipePath;
      this.addressText = text;
      this.stats = new HostStats(this.#lane, this.clusterName, text);
    }
    this.hostname = spec.hostname;
    this.weight = spec.weight;
    this.priority = spec.priority;
    this.locality = spec.locality;
    this.localityWeight = spec.localityWeight;
    this.metadata = spec.metadata;
    this.canary = isCanary(spec.metadata);
    this.setHealthFlags(spec.healthFlags, nowMs);
  }

  setHealthFlags(flags: number, nowMs: number): void {
    const health = healthOf(flags);
    if (health !== this.health && health > this.health) this.rampStartMs = nowMs;
    this.healthFlags = flags;
    this.health = health;
  }
}
