// The body of a request on its way upstream: what waits for a connection, and what is kept because the request may have to be
// sent again: after a failure, or to where it is redirected.

import type { Cluster } from '../cluster/cluster.ts';
import { KeptBody } from './kept-body.ts';
import type { RetryState } from './retry-state.ts';

export class RequestBody {
  readonly #kept = new KeptBody();
  readonly #retry: RetryState;
  #cluster: Cluster | null = null;
  #mayBeRedirected = false;
  #limitBytes = 0;
  /** It was too long to be kept: the request cannot be sent again. */
  lost = false;

  constructor(retry: RetryState) {
    this.#retry = retry;
  }

  begin(cluster: Cluster, mayBeRedirected: boolean, limitBytes: number): void {
    this.#kept.clear();
    this.#cluster = cluster;
    this.#mayBeRedirected = mayBeRedirected;
    this.#limitBytes = limitBytes;
    this.lost = false;
  }

  get #sentAgain(): boolean {
    return !this.lost && (this.#retry.possible || this.#mayBeRedirected);
  }

  /** Keeps bytes that nobody can take yet. False: more than `waitingLimitBytes` wait. */
  wait(bytes: Buffer, waitingLimitBytes: number): boolean {
    if (bytes.length === 0) return true;
    const fits = this.#kept.keepAnyway(bytes, waitingLimitBytes);
    if (this.#sentAgain && this.#kept.length > this.#limitBytes) this.#lose();
    return fits;
  }

  /** Bytes are sent: keeps them if they may be needed again. */
  send(bytes: Buffer): void {
    if (bytes.length > 0 && this.#sentAgain && !this.#kept.keep(bytes, this.#limitBytes)) this.#lose();
  }

  /** What has come so far goes to an upstream. */
  takeWhole(): Buffer | null {
    const body = this.#kept.whole;
    if (!this.#sentAgain) this.#kept.clear();
    return body;
  }

  get whole(): Buffer | null {
    return this.#kept.whole;
  }

  /** Too much to keep: the request goes on, but cannot be sent again. */
  #lose(): void {
    this.lost = true;
    this.#retry.giveUp();
    this.#cluster!.lane.inc(this.#cluster!.stats.retryOrShadowAbandoned);
  }

  end(): void {
    this.#kept.clear();
    this.#cluster = null;
  }
}
