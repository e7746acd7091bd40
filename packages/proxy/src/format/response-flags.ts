// Response flags: why a response is not what the upstream would have sent. A set of them is one number with
// a bit per flag; the order of the bits is Envoy's, and so the order in %RESPONSE_FLAGS%.

/**
 * Bit of each response flag (Envoy: CoreResponseFlag). All bits together stay below 2^31, so that a set
 * remains a small integer.
 */
export const ResponseFlag = {
  FailedLocalHealthCheck: 1 << 0,
  NoHealthyUpstream: 1 << 1,
  UpstreamRequestTimeout: 1 << 2,
  LocalReset: 1 << 3,
  UpstreamRemoteReset: 1 << 4,
  UpstreamConnectionFailure: 1 << 5,
  UpstreamConnectionTermination: 1 << 6,
  UpstreamOverflow: 1 << 7,
  NoRouteFound: 1 << 8,
  DelayInjected: 1 << 9,
  FaultInjected: 1 << 10,
  RateLimited: 1 << 11,
  UnauthorizedExternalService: 1 << 12,
  RateLimitServiceError: 1 << 13,
  DownstreamConnectionTermination: 1 << 14,
  UpstreamRetryLimitExceeded: 1 << 15,
  StreamIdleTimeout: 1 << 16,
  InvalidEnvoyRequestHeaders: 1 << 17,
  DownstreamProtocolError: 1 << 18,
  UpstreamMaxStreamDurationReached: 1 << 19,
  ResponseFromCacheFilter: 1 << 20,
  NoFilterConfigFound: 1 << 21,
  DurationTimeout: 1 << 22,
  UpstreamProtocolError: 1 << 23,
  NoClusterFound: 1 << 24,
  OverloadManager: 1 << 25,
  DnsResolutionFailed: 1 << 26,
  DropOverload: 1 << 27,
  DownstreamRemoteReset: 1 << 28,
  UnconditionalDropOverload: 1 << 29,
} as const;
export type ResponseFlag = (typeof ResponseFlag)[keyof typeof ResponseFlag];

/** Short and long names by bit number. */
const NAMES: readonly (readonly [string, string])[] = [
  ['LH', 'FailedLocalHealthCheck'],
  ['UH', 'NoHealthyUpstream'],
  ['UT', 'UpstreamRequestTimeout'],
  ['LR', 'LocalReset'],
  ['UR', 'UpstreamRemoteReset'],
  ['UF', 'UpstreamConnectionFailure'],
  ['UC', 'UpstreamConnectionTermination'],
  ['UO', 'UpstreamOverflow'],
  ['NR', 'NoRouteFound'],
  ['DI', 'DelayInjected'],
  ['FI', 'FaultInjected'],
  ['RL', 'RateLimited'],
  ['UAEX', 'UnauthorizedExternalService'],
  ['RLSE', 'RateLimitServiceError'],
  ['DC', 'DownstreamConnectionTermination'],
  ['URX', 'UpstreamRetryLimitExceeded'],
  ['SI', 'StreamIdleTimeout'],
  ['IH', 'InvalidEnvoyRequestHeaders'],
  ['DPE', 'DownstreamProtocolError'],
  ['UMSDR', 'UpstreamMaxStreamDurationReached'],
  ['RFCF', 'ResponseFromCacheFilter'],
  ['NFCF', 'NoFilterConfigFound'],
  ['DT', 'DurationTimeout'],
  ['UPE', 'UpstreamProtocolError'],
  ['NC', 'NoClusterFound'],
  ['OM', 'OverloadManagerTerminated'],
  ['DF', 'DnsResolutionFailed'],
  ['DO', 'DropOverload'],
  ['DR', 'DownstreamRemoteReset'],
  ['UDO', 'UnconditionalDropOverload'],
];

/** The bit of a flag by its short name ("UF"); 0 when there is none of that name. */
export function responseFlagByName(shortName: string): number {
  const index = NAMES.findIndex(names => names[0] === shortName);
  return index < 0 ? 0 : 1 << index;
}

/**
 * Names of the flags, joined by commas in the order they were set; '' when there are none. `order` is
 * StreamInfo.responseFlagOrder; flags that are not in it follow in the order of their bits.
 */
export function responseFlagNames(flags: number, order: number, long: boolean): string {
  if (flags === 0) return '';
  const column = long ? 1 : 0;
  let text = '';
  let rest = flags;
  for (let packed = order; packed !== 0; packed >>>= 5) {
    const bit = (packed & 31) - 1;
    if (bit < 0) break;
    rest &= ~(1 << bit);
    text += text === '' ? NAMES[bit][column] : `,${NAMES[bit][column]}`;
  }
  for (let bit = 0; rest !== 0; bit++) {
    if ((rest & (1 << bit)) === 0) continue;
    rest &= ~(1 << bit);
    text += text === '' ? NAMES[bit][column] : `,${NAMES[bit][column]}`;
  }
  return text;
}
