// Header names of which a message has one line only: Envoy keeps them in fields of their own and joins further lines
// with a comma, those that arrive as well as those that are added later.

import { assert } from '@dragoman/base';
import { HEADER_IDS, ID_WORDS } from './header-names.ts';

const BOTH = [
  'cache-control',
  'content-encoding',
  'content-type',
  'proxy-status',
  'via',
  'x-envoy-attempt-count',
  'x-envoy-decorator-operation',
  'x-request-id',
];

/** Bits by header id, as in a HeadTable. */
export const JOINED_IN_REQUESTS: Int32Array = bitsOf([
  ...BOTH,
  'accept',
  'accept-encoding',
  'access-control-request-headers',
  'access-control-request-method',
  'access-control-request-private-network',
  'authorization',
  'expect',
  'grpc-accept-encoding',
  'grpc-timeout',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'origin',
  'pragma',
  'referer',
  'user-agent',
  'x-client-trace-id',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-external-address',
  'x-envoy-force-trace',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-internal',
  'x-envoy-ip-tags',
  'x-envoy-is-timeout-retry',
  'x-envoy-max-retries',
  'x-envoy-original-host',
  'x-envoy-original-path',
  'x-envoy-original-url',
  'x-envoy-retriable-header-names',
  'x-envoy-retriable-status-codes',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-stream-duration-ms',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
]);

export const JOINED_IN_RESPONSES: Int32Array = bitsOf([
  ...BOTH,
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'access-control-allow-private-network',
  'access-control-expose-headers',
  'access-control-max-age',
  'age',
  'date',
  'etag',
  'expires',
  'grpc-message',
  'grpc-status',
  'last-modified',
  'location',
  'server',
  'vary',
  'x-envoy-degraded',
  'x-envoy-immediate-health-check-fail',
  'x-envoy-ratelimited',
  'x-envoy-upstream-canary',
  'x-envoy-upstream-healthchecked-cluster',
  'x-envoy-upstream-service-time',
]);

/** For maps that are neither: trailers. */
export const JOINED_NOWHERE: Int32Array = new Int32Array(ID_WORDS);

/** Whether further lines of the lower-case name are joined to the first one, in requests or in responses. */
export function isJoinedName(name: string): boolean {
  const id = HEADER_IDS.get(name);
  return id !== undefined && (hasBit(JOINED_IN_REQUESTS, id) || hasBit(JOINED_IN_RESPONSES, id));
}

export function hasBit(bits: Int32Array, id: number): boolean {
  return (bits[id >> 5] & (1 << (id & 31))) !== 0;
}

function bitsOf(names: readonly string[]): Int32Array {
  const bits = new Int32Array(ID_WORDS);
  for (const name of names) {
    const id = HEADER_IDS.get(name);
    assert(id !== undefined, `${name} is joined and has no header id`);
    bits[id >> 5] |= 1 << (id & 31);
  }
  return bits;
}
