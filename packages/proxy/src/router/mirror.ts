// request_mirror_policies: copies of a request that go to other clusters; their answers are counted and dropped
// (Envoy: ShadowWriterImpl). The copy is made when the whole request is there.

import type { HeaderMap, RequestHeaders } from '@dragoman/http';
import { portSeparator } from '../connection-manager/request-headers.ts';
import type { Stream } from '../filter-chain/stream.ts';
import type { MirrorPolicy } from '../route/route.ts';
import { KeptBody } from './kept-body.ts';

export class RequestMirror {
  readonly #body = new KeptBody();
  readonly #random: () => number;
  /** The policies that take this request; null when none does. */
  #policies: MirrorPolicy[] | null = null;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  get wanted(): boolean {
    return this.#policies !== null;
  }

  begin(policies: readonly MirrorPolicy[]): void {
    this.#policies = null;
    if (policies.length === 0) return;
    const chosen = policies.filter(
      ({ fraction }) => fraction === null || fraction.includes(Math.floor(this.#random() * 2 ** 31)),
    );
    if (chosen.length > 0) this.#policies = chosen;
  }

  /** Keeps body bytes for the copies; false when they are too many: then there will be no copies. */
  keep(bytes: Buffer, limitBytes: number): boolean {
    if (bytes.length === 0 || this.#body.keep(bytes, limitBytes)) return true;
    this.end();
    return false;
  }

  /** The request is complete: the copies go. */
  send(stream: Stream, headers: RequestHeaders, trailers: HeaderMap | null, timeoutMs: number): void {
    for (const policy of this.#policies ?? []) {
      const clusterName = policy.cluster !== '' ? policy.cluster : (headers.get(policy.clusterHeader) ?? '');
      const copy = headers.copy();
      if (policy.hostRewriteLiteral !== '') copy.authority = policy.hostRewriteLiteral;
      else if (!policy.keepHost) copy.authority = shadowHost(copy.authority);
      policy.requestMutations?.evaluate(copy, stream);
      const request = { headers: copy, body: this.#body.whole, trailers, timeoutMs };
      stream.worker.asyncClient.send(clusterName, request, ignoreResponse);
    }
    this.end();
  }

  end(): void {
    this.#policies = null;
    this.#body.clear();
  }
}

function ignoreResponse(): void {}

/** "name:port" becomes "name-shadow:port". */
function shadowHost(host: string): string {
  const colon = portSeparator(host);
  return colon < 0 ? `${host}-shadow` : `${host.slice(0, colon)}-shadow${host.slice(colon)}`;
}
