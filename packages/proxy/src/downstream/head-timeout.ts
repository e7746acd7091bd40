// How long a client may take for the head of an HTTP/1 request, and what it is answered when it takes longer: the
// shortest of the timeouts that begin with a request's first byte.

import type { RequestRefusal } from '@dragoman/http';
import type { ManagerStats } from '../connection-manager/manager-stats.ts';
import type { ManagerSettings } from '../connection-manager/settings.ts';
import { ResponseFlag } from '../format/response-flags.ts';

export interface HeadTimeout {
  readonly afterMs: number;
  readonly refusal: RequestRefusal;
  /** Response flag; 0 = none. */
  readonly flag: number;
  /** Counter of the connection manager. */
  readonly stat: number;
}

/** Null: the head may take for ever. */
export function headTimeout(settings: ManagerSettings, stats: ManagerStats): HeadTimeout | null {
  const candidates: HeadTimeout[] = [
    {
      afterMs: settings.requestHeadersTimeoutMs,
      refusal: timeoutRefusal('request header timeout', 'request_header_timeout'),
      flag: 0,
      stat: stats.downstreamRqHeaderTimeout,
    },
    {
      afterMs: settings.requestTimeoutMs,
      refusal: timeoutRefusal('request timeout', 'request_overall_timeout'),
      flag: 0,
      stat: stats.downstreamRqTimeout,
    },
    {
      afterMs: settings.streamIdleTimeoutMs,
      refusal: timeoutRefusal('stream timeout', 'stream_idle_timeout'),
      flag: ResponseFlag.StreamIdleTimeout,
      stat: stats.downstreamRqIdleTimeout,
    },
  ];
  let shortest: HeadTimeout | null = null;
  for (const candidate of candidates)
    if (candidate.afterMs > 0 && (shortest === null || candidate.afterMs < shortest.afterMs))
      shortest = candidate;
  return shortest;
}

function timeoutRefusal(body: string, details: string): RequestRefusal {
  return { status: 408, body, details, protocolError: false };
}
