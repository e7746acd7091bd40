// What the proxy holds, as the admin pages want to see it.

import type { AddressView, ClusterView, HostView, ListenerView, ThresholdsView } from '@dragoman/admin';
import {
  type BoundListener,
  type ClusterView as DirectoryClusterView,
  type HostView as DirectoryHostView,
  healthFlagsText,
} from '@dragoman/proxy';

function thresholdsView(thresholds: DirectoryClusterView['thresholds'][number]): ThresholdsView {
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = thresholds;
  return { maxConnections, maxPendingRequests, maxRequests, maxRetries };
}

function hostView(host: DirectoryHostView): HostView {
  const { address, port, pipePath, healthFlags, locality, ...rest } = host;
  return {
    ...rest,
    ...locality,
    address: { address, port, pipe: pipePath },
    healthFlags: healthFlagsText(healthFlags),
  };
}

export function clusterView(cluster: DirectoryClusterView): ClusterView {
  const { name, observabilityName, addedViaApi, edsServiceName, outlier, thresholds, hosts } = cluster;
  return {
    ...{ name, observabilityName, addedViaApi, edsServiceName, outlier },
    defaultPriority: thresholdsView(thresholds[0]!),
    highPriority: thresholdsView(thresholds[1]!),
    hosts: hosts.map(hostView),
  };
}

/** The listeners by name, each with its addresses in the order of the configuration. */
export function listenerViews(bound: readonly BoundListener[]): ListenerView[] {
  const byName = new Map<string, AddressView[]>();
  for (const { listenerName, address, port } of bound) {
    const addresses = byName.get(listenerName) ?? [];
    byName.set(listenerName, addresses);
    addresses.push(port > 0 ? { address, port, pipe: '' } : { address: '', port: 0, pipe: address });
  }
  return [...byName].map(([name, addresses]) => ({ name, addresses }));
}
