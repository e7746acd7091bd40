// The worker's end of outlier detection for one host: counts results into shared memory, and reports when a limit of
// failures in a row is reached. Whether the host is ejected is decided on the main thread (outlier-detector.ts).

import type { OutlierReason } from '../cluster-update.ts';
import { rowOf, Streak, Total } from './outlier-counts.ts';
import type { OutlierSettings } from './outlier-settings.ts';

/** Results other than a response (Envoy: Outlier::Result). */
export const OutlierResult = {
  /** The request was sent and nothing went wrong on this side (for protocols without status, and final). */
  LOCAL_ORIGIN_CONNECT_SUCCESS: 0,
  LOCAL_ORIGIN_CONNECT_FAILED: 1,
  LOCAL_ORIGIN_TIMEOUT: 2,
} as const;
export type OutlierResult = (typeof OutlierResult)[keyof typeof OutlierResult];

export class OutlierMonitor {
  readonly #counts: Int32Array;
  readonly #row: number;
  readonly #settings: OutlierSettings;
  readonly #report: (reason: OutlierReason) => void;

  constructor(
    memory: SharedArrayBuffer,
    workerIndex: number,
    settings: OutlierSettings,
    report: (reason: OutlierReason) => void,
  ) {
    this.#counts = new Int32Array(memory);
    this.#row = rowOf(workerIndex);
    this.#settings = settings;
    this.#report = report;
  }

  /** A response came. For gRPC the caller maps grpc-status to a status first. */
  putResponseCode(status: number): void {
    const counts = this.#counts;
    counts[this.#row + Total.EXTERNAL]!++;
    if (status < 500 || status > 599) {
      counts[this.#row + Total.EXTERNAL_SUCCESS]!++;
      if (counts[Streak.RESPONSES_5XX] !== 0) Atomics.store(counts, Streak.RESPONSES_5XX, 0);
      if (counts[Streak.GATEWAY_FAILURES] !== 0) Atomics.store(counts, Streak.GATEWAY_FAILURES, 0);
      return;
    }
    const { consecutive5xx, consecutiveGatewayFailure } = this.#settings;
    if (status >= 502 && status <= 504)
      this.#fail(Streak.GATEWAY_FAILURES, consecutiveGatewayFailure, 'consecutive_gateway_failure');
    else Atomics.store(counts, Streak.GATEWAY_FAILURES, 0);
    this.#fail(Streak.RESPONSES_5XX, consecutive5xx, 'consecutive_5xx');
  }

  /** No response came, or there is none in the protocol. Unless split, failures count as 503 and 504. */
  putResult(result: OutlierResult): void {
    const failed = result !== OutlierResult.LOCAL_ORIGIN_CONNECT_SUCCESS;
    if (!this.#settings.splitLocalOrigin) {
      if (failed) this.putResponseCode(result === OutlierResult.LOCAL_ORIGIN_TIMEOUT ? 504 : 503);
      return;
    }
    const counts = this.#counts;
    counts[this.#row + Total.LOCAL]!++;
    if (failed) {
      const limit = this.#settings.consecutiveLocalOriginFailure;
      this.#fail(Streak.LOCAL_ORIGIN_FAILURES, limit, 'consecutive_local_origin_failure');
      return;
    }
    counts[this.#row + Total.LOCAL_SUCCESS]!++;
    if (counts[Streak.LOCAL_ORIGIN_FAILURES] !== 0) Atomics.store(counts, Streak.LOCAL_ORIGIN_FAILURES, 0);
  }

  #fail(streak: Streak, limit: number, reason: OutlierReason): void {
    if (Atomics.add(this.#counts, streak, 1) + 1 === limit) this.#report(reason);
  }
}
