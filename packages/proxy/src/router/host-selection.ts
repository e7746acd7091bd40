// What a request tells the load balancer, apart from its hash.

import type { RequestHeaders } from '@dragoman/http';
import type { Cluster } from '../cluster/cluster.ts';
import type { LbContext } from '../cluster/load-balancer/load-balancer.ts';
import type { Route } from '../route/route.ts';

/** Fills a context for the first attempt of a request. */
export function fillLbContext(lb: LbContext, route: Route, cluster: Cluster, headers: RequestHeaders): void {
  lb.reset();
  lb.metadataMatch = route.metadataMatch;
  if (cluster.originalDstHeader !== null)
    lb.originalDestination = headers.get(cluster.originalDstHeader) ?? '';
  if (route.retryPolicy === null) return;
  lb.hostSelectionRetries = route.retryPolicy.hostSelectionMaxAttempts;
  lb.omitCanaries = route.retryPolicy.omitCanaryHosts;
}
