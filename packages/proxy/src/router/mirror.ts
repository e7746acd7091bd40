// request_mirror_policies: copies of a request that go to other clusters; their answers are counted and dropped
// (Envoy: ShadowWriterImpl). The copy is made when the whole request is there.

import type { HeaderMap, RequestHeaders } from '@dragoman/http';
import { portSeparator } from '../connection-manager/request-headers.ts';
import type { Stream } from '../filter-chain/stream.ts';
import type { MirrorPolicy } from '../route/route.ts';

/** The policies that take this request, decided at its start; null when none does. */
export function chosenMirrors(policies: readonly MirrorPolicy[], random: () => number): MirrorPolicy[] | null {
  if (policies.length === 0) return null;
  const chosen = policies.filter(
    ({ fraction }) => fraction === null || fraction.includes(Math.floor(random() * 2 ** 31)),
  );
  return chosen.length === 0 ? null : chosen;
}

export function sendMirrors(
  stream: Stream,
  policies: readonly MirrorPolicy[],
  headers: RequestHeaders,
  body: Buffer | null,
  trailers: HeaderMap | null,
  timeoutMs: number,
): void {
  for (const policy of policies) {
    const clusterName = policy.cluster !== '' ? policy.cluster : (headers.get(policy.clusterHeader) ?? '');
    const copy = headers.copy();
    if (policy.hostRewriteLiteral !== '') copy.authority = policy.hostRewriteLiteral;
    else if (!policy.keepHost) copy.authority = shadowHost(copy.authority);
    policy.requestMutations?.evaluate(copy, stream);
    stream.worker.asyncClient.send(clusterName, { headers: copy, body, trailers, timeoutMs }, ignoreResponse);
  }
}

function ignoreResponse(): void {}

/** "name:port" becomes "name-shadow:port". */
function shadowHost(host: string): string {
  const colon = portSeparator(host);
  return colon < 0 ? `${host}-shadow` : `${host.slice(0, colon)}-shadow${host.slice(colon)}`;
}
