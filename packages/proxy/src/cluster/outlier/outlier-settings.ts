// Settings of outlier detection with Envoy's defaults filled in. An empty `outlier_detection: {}` switches all of it on.

import type { OutlierDetection } from '@dragoman/config';

export interface OutlierSettings {
  readonly intervalMs: number;
  readonly baseEjectionTimeMs: number;
  readonly maxEjectionTimeMs: number;
  readonly maxEjectionTimeJitterMs: number;
  readonly maxEjectionPercent: number;
  readonly alwaysEjectOneHost: boolean;
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly consecutiveLocalOriginFailure: number;
  /** Keep failures made here (no connection, time-out) apart from bad responses. */
  readonly splitLocalOrigin: boolean;
  readonly successRateMinimumHosts: number;
  readonly successRateRequestVolume: number;
  /** In thousandths of a standard deviation. */
  readonly successRateStdevFactor: number;
  readonly failurePercentageThreshold: number;
  readonly failurePercentageMinimumHosts: number;
  readonly failurePercentageRequestVolume: number;
  readonly unejectOnHealthCheck: boolean;
  /** Chance in percent that a detected host is really ejected. */
  readonly enforcing: Readonly<Record<EjectionReason, number>>;
}

/** Why a host is ejected; the names are those of the statistics. */
export const EJECTION_REASONS = [
  'consecutive_5xx',
  'consecutive_gateway_failure',
  'consecutive_local_origin_failure',
  'success_rate',
  'local_origin_success_rate',
  'failure_percentage',
  'local_origin_failure_percentage',
] as const;
export type EjectionReason = (typeof EJECTION_REASONS)[number];

export function compileOutlierSettings(config: OutlierDetection): OutlierSettings {
  const baseEjectionTimeMs = config.baseEjectionTime ?? 30_000;
  return {
    intervalMs: config.interval ?? 10_000,
    baseEjectionTimeMs,
    maxEjectionTimeMs: config.maxEjectionTime ?? Math.max(300_000, baseEjectionTimeMs),
    maxEjectionTimeJitterMs: config.maxEjectionTimeJitter ?? 0,
    maxEjectionPercent: Math.min(100, config.maxEjectionPercent ?? 10),
    alwaysEjectOneHost: config.alwaysEjectOneHost ?? false,
    consecutive5xx: config.consecutive5xx ?? 5,
    consecutiveGatewayFailure: config.consecutiveGatewayFailure ?? 5,
    consecutiveLocalOriginFailure: config.consecutiveLocalOriginFailure ?? 5,
    splitLocalOrigin: config.splitExternalLocalOriginErrors ?? false,
    successRateMinimumHosts: config.successRateMinimumHosts ?? 5,
    successRateRequestVolume: config.successRateRequestVolume ?? 100,
    successRateStdevFactor: config.successRateStdevFactor ?? 1900,
    failurePercentageThreshold: config.failurePercentageThreshold ?? 85,
    failurePercentageMinimumHosts: config.failurePercentageMinimumHosts ?? 5,
    failurePercentageRequestVolume: config.failurePercentageRequestVolume ?? 50,
    unejectOnHealthCheck: config.successfulActiveHealthCheckUnejectHost ?? true,
    enforcing: {
      consecutive_5xx: config.enforcingConsecutive5xx ?? 100,
      consecutive_gateway_failure: config.enforcingConsecutiveGatewayFailure ?? 0,
      consecutive_local_origin_failure: config.enforcingConsecutiveLocalOriginFailure ?? 100,
      success_rate: config.enforcingSuccessRate ?? 100,
      local_origin_success_rate: config.enforcingLocalOriginSuccessRate ?? 100,
      failure_percentage: config.enforcingFailurePercentage ?? 0,
      local_origin_failure_percentage: config.enforcingFailurePercentageLocalOrigin ?? 0,
    },
  };
}
