// Health of a host as Envoy keeps it: independent reasons as bits, and what they amount to for balancing.
// Used on the main thread, which decides, and on workers, which obey.

/** Reasons against a host (Envoy: Host::HealthFlag). */
export const HealthFlag = {
  FAILED_ACTIVE_HC: 0x01,
  FAILED_OUTLIER_CHECK: 0x02,
  FAILED_EDS_HEALTH: 0x04,
  DEGRADED_ACTIVE_HC: 0x08,
  DEGRADED_EDS_HEALTH: 0x10,
  PENDING_DYNAMIC_REMOVAL: 0x20,
  PENDING_ACTIVE_HC: 0x40,
  EXCLUDED_VIA_IMMEDIATE_HC_FAIL: 0x80,
  ACTIVE_HC_TIMEOUT: 0x100,
  EDS_STATUS_DRAINING: 0x200,
} as const;

/** What the flags amount to. */
export const HostHealth = { UNHEALTHY: 0, DEGRADED: 1, HEALTHY: 2 } as const;
export type HostHealth = (typeof HostHealth)[keyof typeof HostHealth];

const UNHEALTHY_MASK =
  HealthFlag.FAILED_ACTIVE_HC |
  HealthFlag.FAILED_OUTLIER_CHECK |
  HealthFlag.FAILED_EDS_HEALTH |
  HealthFlag.EDS_STATUS_DRAINING;
const DEGRADED_MASK = HealthFlag.DEGRADED_ACTIVE_HC | HealthFlag.DEGRADED_EDS_HEALTH;
const EXCLUDED_MASK =
  HealthFlag.PENDING_ACTIVE_HC | HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL | HealthFlag.EDS_STATUS_DRAINING;

export function healthOf(flags: number): HostHealth {
  if ((flags & UNHEALTHY_MASK) !== 0) return HostHealth.UNHEALTHY;
  return (flags & DEGRADED_MASK) !== 0 ? HostHealth.DEGRADED : HostHealth.HEALTHY;
}

/** True for a host that panic-threshold and priority arithmetic leave out of the count. */
export function isExcluded(flags: number): boolean {
  return (flags & EXCLUDED_MASK) !== 0;
}

const NAMES: readonly (readonly [number, string])[] = [
  [HealthFlag.FAILED_ACTIVE_HC, '/failed_active_hc'],
  [HealthFlag.FAILED_OUTLIER_CHECK, '/failed_outlier_check'],
  [HealthFlag.FAILED_EDS_HEALTH, '/failed_eds_health'],
  [HealthFlag.DEGRADED_ACTIVE_HC, '/degraded_active_hc'],
  [HealthFlag.DEGRADED_EDS_HEALTH, '/degraded_eds_health'],
  [HealthFlag.PENDING_DYNAMIC_REMOVAL, '/pending_dynamic_removal'],
  [HealthFlag.PENDING_ACTIVE_HC, '/pending_active_hc'],
  [HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL, '/excluded_via_immediate_hc_fail'],
  [HealthFlag.ACTIVE_HC_TIMEOUT, '/active_hc_timeout'],
  [HealthFlag.EDS_STATUS_DRAINING, '/eds_status_draining'],
];

/** The text of /clusters: "healthy", or "/failed_active_hc/failed_outlier_check". */
export function healthFlagsText(flags: number): string {
  let text = '';
  for (const [bit, name] of NAMES) if ((flags & bit) !== 0) text += name;
  return text === '' ? 'healthy' : text;
}
