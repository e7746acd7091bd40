// The host of each attempt at a request: chosen by the cluster's balancer, and told of what became of the attempt.

import type { RequestHeaders } from '@dragoman/http';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { LbContext } from '../cluster/load-balancer/load-balancer.ts';
import { OutlierResult } from '../cluster/outlier/outlier-monitor.ts';
import type { StreamInfo } from '../filter-chain/stream-info.ts';
import type { Route } from '../route/route.ts';
import type { ResetReason } from '../upstream/upstream-stream.ts';
import { isConnectFailure } from './failure.ts';
import { fillLbContext } from './host-selection.ts';

export class AttemptHost {
  readonly lb = new LbContext();
  #cluster: Cluster | null = null;
  #host: Host | null = null;

  /** Gives the values of set-cookie for cookies that the hash policy made, separated by line feeds; null for none. */
  begin(route: Route, cluster: Cluster, headers: RequestHeaders, info: StreamInfo): string | null {
    this.#cluster = cluster;
    this.#host = null;
    fillLbContext(this.lb, route, cluster, headers);
    if (route.hashPolicy === null || !cluster.balancesByHash) return null;
    return route.hashPolicy.compute(headers, info, this.lb);
  }

  /** The chosen host. */
  get host(): Host {
    return this.#host!;
  }

  /** False: there is none. */
  choose(): boolean {
    this.#host = this.#cluster!.chooseHost(this.lb);
    return this.#host !== null;
  }

  /** The next attempt is a retry. */
  leave(avoid: boolean): void {
    this.lb.isRetry = true;
    if (avoid) this.lb.previousHosts.push(this.#host!);
  }

  onConnected(): void {
    this.#host!.outlier?.putResult(OutlierResult.LOCAL_ORIGIN_CONNECT_SUCCESS);
  }

  onFailure(reason: ResetReason): void {
    if (!isConnectFailure(reason)) this.#cluster!.lane.inc(this.#host!.stats.rqError);
    this.#host!.outlier?.putResult(OutlierResult.LOCAL_ORIGIN_CONNECT_FAILED);
  }

  onTimeout(): void {
    if (this.#host === null) return;
    this.#cluster!.lane.inc(this.#host.stats.rqTimeout);
    this.#host.outlier?.putResult(OutlierResult.LOCAL_ORIGIN_TIMEOUT);
  }

  end(): void {
    this.#cluster = null;
    this.#host = null;
  }
}
