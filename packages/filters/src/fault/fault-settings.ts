// HTTPFault, compiled: which requests are hit, and what happens to them.

import type { HTTPFault, TypeFractionalPercent } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import { HeaderMatcher, type Runtime } from '@dragoman/proxy';

const DENOMINATORS: Readonly<Record<string, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

/** Runtime keys of the filter's own configuration; faults of routes are not open to the runtime. */
interface RuntimeKeys {
  readonly delayPercent: string;
  readonly delayDuration: string;
  readonly abortPercent: string;
  readonly abortHttpStatus: string;
  readonly abortGrpcStatus: string;
  readonly maxActiveFaults: string;
  readonly rateLimitPercent: string;
}

const NO_KEYS: RuntimeKeys = {
  delayPercent: '',
  delayDuration: '',
  abortPercent: '',
  abortHttpStatus: '',
  abortGrpcStatus: '',
  maxActiveFaults: '',
  rateLimitPercent: '',
};

/** How a request is aborted: an HTTP status, or a gRPC status (then -1 is not it); both -1 = not at all. */
export interface Abort {
  readonly httpStatus: number;
  readonly grpcStatus: number;
}

const NO_ABORT: Abort = { httpStatus: -1, grpcStatus: -1 };

export class FaultSettings {
  readonly #config: HTTPFault;
  readonly #keys: RuntimeKeys;
  readonly #headers: readonly HeaderMatcher[];
  readonly #downstreamNodes: ReadonlySet<string>;
  readonly upstreamCluster: string;
  readonly countsByDownstreamCluster: boolean;

  /** @throws DragomanError for a header matcher with a wrong regular expression. */
  constructor(config: HTTPFault, ofRoute: boolean) {
    this.#config = config;
    this.#keys = ofRoute ? NO_KEYS : runtimeKeys(config);
    this.#headers = config.headers.map(header => new HeaderMatcher(header));
    this.#downstreamNodes = new Set(config.downstreamNodes);
    this.upstreamCluster = config.upstreamCluster;
    this.countsByDownstreamCluster = !config.disableDownstreamClusterStats;
  }

  get metadata(): HTTPFault['filterMetadata'] {
    return this.#config.filterMetadata;
  }

  /** Whether a request can be hit at all. `cluster` is where its route leads. */
  applies(headers: RequestHeaders, cluster: string): boolean {
    if (this.upstreamCluster !== '' && this.upstreamCluster !== cluster) return false;
    if (this.#downstreamNodes.size > 0) {
      const node = headers.get('x-envoy-downstream-service-node');
      if (node === undefined || !this.#downstreamNodes.has(node)) return false;
    }
    return this.#headers.every(matcher => matcher.matches(headers));
  }

  /** Milliseconds to wait; 0 = no delay. */
  delayMs(headers: RequestHeaders, runtime: Runtime): number {
    const { delay } = this.#config;
    if (delay === undefined) return 0;
    const byHeader = delay.headerDelay !== undefined;
    const percentageHeader = byHeader ? 'x-envoy-fault-delay-request-percentage' : '';
    if (!happens(delay.percentage, headers, percentageHeader, this.#keys.delayPercent, runtime)) return 0;
    if (byHeader) return wholeNumber(headers.get('x-envoy-fault-delay-request')) ?? 0;
    return override(runtime, this.#keys.delayDuration) ?? delay.fixedDelay ?? 0;
  }

  abort(headers: RequestHeaders, runtime: Runtime): Abort {
    const { abort } = this.#config;
    if (abort === undefined) return NO_ABORT;
    const byHeader = abort.headerAbort !== undefined;
    const percentageHeader = byHeader ? 'x-envoy-fault-abort-request-percentage' : '';
    if (!happens(abort.percentage, headers, percentageHeader, this.#keys.abortPercent, runtime))
      return NO_ABORT;
    if (!byHeader) {
      const httpStatus = override(runtime, this.#keys.abortHttpStatus) ?? abort.httpStatus ?? -1;
      if (httpStatus >= 200 && httpStatus < 600) return { httpStatus, grpcStatus: -1 };
      return {
        httpStatus: -1,
        grpcStatus: override(runtime, this.#keys.abortGrpcStatus) ?? abort.grpcStatus ?? -1,
      };
    }
    const httpStatus = wholeNumber(headers.get('x-envoy-fault-abort-request')) ?? -1;
    if (httpStatus >= 200 && httpStatus < 600) return { httpStatus, grpcStatus: -1 };
    return { httpStatus: -1, grpcStatus: wholeNumber(headers.get('x-envoy-fault-abort-grpc-request')) ?? -1 };
  }

  /** KiB per second that the response may go on with; 0 = as fast as it comes. */
  responseLimitKbps(headers: RequestHeaders, runtime: Runtime): number {
    const limit = this.#config.responseRateLimit;
    if (limit === undefined) return 0;
    const byHeader = limit.headerLimit !== undefined;
    const percentageHeader = byHeader ? 'x-envoy-fault-throughput-response-percentage' : '';
    if (!happens(limit.percentage, headers, percentageHeader, this.#keys.rateLimitPercent, runtime)) return 0;
    return byHeader
      ? (wholeNumber(headers.get('x-envoy-fault-throughput-response')) ?? 0)
      : (limit.fixedLimit?.limitKbps ?? 0);
  }

  maxActiveFaults(runtime: Runtime): number {
    return (
      override(runtime, this.#keys.maxActiveFaults) ??
      this.#config.maxActiveFaults ??
      Number.POSITIVE_INFINITY
    );
  }
}

/** A percentage may be lowered by a header, and set by the runtime. */
function happens(
  percentage: TypeFractionalPercent | undefined,
  headers: RequestHeaders,
  percentageHeader: string,
  runtimeKey: string,
  runtime: Runtime,
): boolean {
  let numerator = percentage?.numerator ?? 0;
  const denominator = DENOMINATORS[percentage?.denominator ?? 'HUNDRED'];
  if (percentageHeader !== '') {
    const asked = wholeNumber(headers.get(percentageHeader));
    if (asked !== undefined) numerator = Math.min(asked, numerator);
  }
  const percent = override(runtime, runtimeKey);
  if (percent !== undefined) return Math.random() * 100 < percent;
  return Math.random() * denominator < numerator;
}

function override(runtime: Runtime, key: string): number | undefined {
  if (key === '') return undefined;
  const value = runtime.get(key);
  if (value === undefined) return undefined;
  const number = Number(value);
  return Number.isNaN(number) ? undefined : number;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function runtimeKeys(config: HTTPFault): RuntimeKeys {
  return {
    delayPercent: config.delayPercentRuntime || 'fault.http.delay.fixed_delay_percent',
    delayDuration: config.delayDurationRuntime || 'fault.http.delay.fixed_duration_ms',
    abortPercent: config.abortPercentRuntime || 'fault.http.abort.abort_percent',
    abortHttpStatus: config.abortHttpStatusRuntime || 'fault.http.abort.http_status',
    abortGrpcStatus: config.abortGrpcStatusRuntime || 'fault.http.abort.grpc_status',
    maxActiveFaults: config.maxActiveFaultsRuntime || 'fault.http.max_active_faults',
    rateLimitPercent: config.responseRateLimitPercentRuntime || 'fault.http.rate_limit.response_percent',
  };
}
