// The grpc-timeout header (gRPC over HTTP/2, "Timeout"): a number of at most eight digits and a unit.

const UNITS_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};
const MAX_VALUE = 99_999_999;

/** Milliseconds, parts of one counting whole; -1 for a value that is none. */
export function readGrpcTimeout(value: string | undefined): number {
  if (value === undefined || !/^\d{1,8}[HMSmun]$/.test(value)) return -1;
  return Math.ceil(Number(value.slice(0, -1)) * UNITS_MS[value[value.length - 1]]);
}

export function writeGrpcTimeout(ms: number): string {
  const whole = Math.ceil(ms);
  return whole <= MAX_VALUE ? `${whole}m` : `${Math.min(MAX_VALUE, Math.floor(whole / 1000))}S`;
}
